//! Archives that peers write for a run: small images, many of them, with shared layers.

use std::fs;
use std::process::Command;

use super::images::{Images, strings};
use super::lab::{Lab, Sample};
use crate::sh::{self, Result};

/// Name, what it is built from, and its manifest format: `docker` keeps a health check, `oci` has none.
const SEVEN: &[(&str, &str, &str)] = &[
    ("one:1", "scratch", "oci"),
    ("two:1", "localhost/seven/one:1", "oci"),
    ("three:1", "localhost/seven/two:1", "docker"),
    ("four:1", "localhost/seven/one:1", "docker"),
    ("five:1", "localhost/seven/one:1", "oci"),
    ("team/six:1.2.3", "localhost/seven/three:1", "docker"),
    ("seven:1", "scratch", "oci"),
];

/// `podman save -m` of the seven images, one of them with two tags.
pub(super) fn podman_save_seven(lab: &Lab) -> Result<Sample> {
    let context = lab.folder("context")?;
    for (serial, (name, base, format)) in SEVEN.iter().enumerate() {
        build(lab, &context, serial, name, base, format)?;
    }
    let storage = lab.storage();
    sh::stdout(sh::command("podman", &storage).args([
        "tag",
        "localhost/seven/two:1",
        "localhost/seven/two:latest",
    ]))?;
    let file = lab.path("seven.tar");
    let mut save = sh::command("podman", &storage);
    save.args(["save", "-q", "-m", "-o", &file]);
    save.args(names()).arg("localhost/seven/two:latest");
    sh::stdout(&mut save)?;
    Ok(Sample { file, images: podman_images(|| sh::command("podman", &storage))? })
}

/// `docker save` of the same images, the last one by its ID and so without a name.
pub(super) fn docker_save(lab: &Lab, seven: &Sample) -> Result<Sample> {
    let docker = lab.docker()?;
    sh::stdout(&mut docker.docker_client(&["load", "-q", "-i", &seven.file]))?;
    let mut images = seven.images.clone();
    let last =
        images.0.iter_mut().find(|(_, image)| image.names.contains("localhost/seven/seven:1"));
    let (id, last) = last.ok_or("podman did not say which image is localhost/seven/seven:1")?;
    last.names.clear();
    let file = lab.path("docker-save.tar");
    let mut save = docker.docker_client(&["save", "-o", &file, id, "localhost/seven/two:latest"]);
    save.args(names().filter(|name| !name.ends_with("/seven:1")));
    sh::stdout(&mut save)?;
    Ok(Sample { file, images })
}

/// `buildah push` of one image.
pub(super) fn buildah_push(lab: &Lab) -> Result<Sample> {
    let name = "localhost/seven/team/six:1.2.3";
    let file = lab.path("buildah.tar");
    let to = format!("docker-archive:{file}:{name}");
    sh::stdout(sh::command("buildah", lab.storage()).args(["push", "-q", name, &to]))?;
    let mut images = lab.seven()?.images.clone();
    images.0.retain(|_, image| image.names.contains(name));
    Ok(Sample { file, images })
}

/// What podman says is in a storage.
pub(super) fn podman_images(podman: impl Fn() -> Command) -> Result<Images> {
    let ids = sh::text(podman().args(["images", "-q", "--no-trunc"]))?;
    let mut ids: Vec<&str> = ids.lines().collect();
    ids.sort_unstable();
    ids.dedup();
    inspected(podman().args(["image", "inspect"]).args(ids))
}

/// What `podman image inspect` and `docker image inspect` print alike.
pub(super) fn inspected(command: &mut Command) -> Result<Images> {
    let said = sh::json(command)?;
    let mut images = Images::default();
    for image in said.as_array().into_iter().flatten() {
        let id = image["Id"].as_str().unwrap_or_default().trim_start_matches("sha256:");
        let names = strings(&image["RepoTags"]);
        let diff_ids = strings(&image["RootFS"]["Layers"]);
        images.add(&format!("sha256:{id}"), names.iter().map(String::as_str), diff_ids);
    }
    Ok(images)
}

fn names() -> impl Iterator<Item = String> {
    SEVEN.iter().map(|(name, ..)| format!("localhost/seven/{name}"))
}

fn build(
    lab: &Lab,
    context: &str,
    serial: usize,
    name: &str,
    base: &str,
    format: &str,
) -> Result<()> {
    let failed = |e| format!("{context}: {e}");
    let health = if format == "docker" { "HEALTHCHECK CMD [\"/bin/true\"]\n" } else { "" };
    let recipe = format!(
        "FROM {base}\nCOPY file-{serial} /opt/file-{serial}\nENV NAME={name}\n{health}CMD [\"/bin/sh\"]\n"
    );
    // Sizes around those where tars pad: less than a block, a block, a record, more.
    let sizes = [10, 512, 10_240, 100_000, 0, 1_000_000, 511];
    let text = name.bytes().cycle().take(sizes[serial % sizes.len()]).collect::<Vec<u8>>();
    fs::write(format!("{context}/file-{serial}"), text).map_err(failed)?;
    fs::write(format!("{context}/Containerfile"), recipe).map_err(failed)?;
    let mut build = sh::command("buildah", lab.storage());
    build.args(["build", "-q", "--pull-never", "--timestamp", "1700000000", "--format", format]);
    build.args(["-t", &format!("localhost/seven/{name}"), "-f"]);
    build.args([&format!("{context}/Containerfile"), context]);
    sh::stdout(&mut build).map(drop)
}
