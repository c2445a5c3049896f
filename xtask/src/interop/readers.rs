//! The peers as readers: what each of them finds in what we wrote.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::daemon::Daemon;
use super::images::{Images, digest, strings};
use super::lab::Lab;
use super::samples::{inspected, podman_images};
use crate::sh::{self, Result};

/// `podman load` into a storage of its own.
pub(super) fn podman_load(lab: &Lab, file: &str) -> Result<Images> {
    podman(lab, &[&["load", "-q", "-i", file]])
}

/// `podman pull` of each place into a storage of its own: layers are decompressed and their diff IDs checked.
pub(super) fn podman_pull(lab: &Lab, places: &[String]) -> Result<Images> {
    let pulls: Vec<[&str; 3]> = places.iter().map(|place| ["pull", "-q", place.as_str()]).collect();
    podman(lab, &pulls.iter().map(<[&str; 3]>::as_slice).collect::<Vec<_>>())
}

/// What a new storage holds after these commands.
pub(super) fn podman(lab: &Lab, runs: &[&[&str]]) -> Result<Images> {
    podman_after(lab, |podman| {
        runs.iter().try_for_each(|run| sh::stdout(podman().args(*run)).map(drop))
    })
}

/// What a new storage holds after something was done with it.
pub(super) fn podman_after(
    lab: &Lab,
    load: impl FnOnce(&dyn Fn() -> Command) -> Result<()>,
) -> Result<Images> {
    let folder = lab.folder("podman")?;
    let podman = || {
        let mut podman = sh::command("podman", lab.storage_in(&folder));
        podman.args(["--tmpdir", &format!("{folder}/tmp")]);
        podman
    };
    load(&podman)?;
    let images = podman_images(podman)?;
    remove(&folder)?;
    Ok(images)
}

/// `docker load` into an empty daemon.
pub(super) fn docker_load(lab: &Lab, file: &str) -> Result<Images> {
    let load = |docker: &Daemon| docker.docker_client(&["load", "-q", "-i", file]);
    docker_after(lab, |docker| sh::stdout(&mut load(docker)).map(drop))
}

/// What an empty daemon holds after something was done with it.
pub(super) fn docker_after(lab: &Lab, load: impl FnOnce(&Daemon) -> Result<()>) -> Result<Images> {
    let docker = lab.docker()?;
    docker_empty(lab)?;
    load(docker)?;
    let ids = docker_ids(lab)?;
    let ids = ids.iter().map(String::as_str);
    inspected(docker.docker_client(&["image", "inspect"]).args(ids))
}

/// `ctr images import` into a namespace of its own. It takes images with names only, and of an index what is for this machine.
pub(super) fn ctr_import(lab: &Lab, file: &str) -> Result<Images> {
    let containerd = lab.containerd()?;
    let path = lab.path("ctr");
    let namespace = path.rsplit('/').next().unwrap_or("ctr").to_owned();
    let ctr = |args: &[&str]| containerd.ctr(&namespace, args);
    sh::stdout(&mut ctr(&["images", "import", "--no-unpack", file]))?;
    let listed = sh::text(&mut ctr(&["images", "ls"]))?;
    let mut images = Images::default();
    for line in listed.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [name, _, manifest, ..] = columns[..] else { continue };
        let content = |of: &str| sh::stdout(&mut ctr(&["content", "get", of]));
        let mut document = parse(&content(manifest)?)?;
        if let Some(ours) = for_this_machine(&document) {
            document = parse(&content(ours)?)?;
        }
        let config =
            document["config"]["digest"].as_str().ok_or("ctr: a manifest without config")?;
        images.add_config([name], &content(config)?)?;
        for layer in document["layers"].as_array().into_iter().flatten() {
            let of = layer["digest"].as_str().unwrap_or_default();
            if digest(&content(of)?) != of {
                return Err(format!("ctr keeps {of} with other bytes"));
            }
        }
    }
    Ok(images)
}

/// The manifest for this machine, in an index.
fn for_this_machine(index: &Value) -> Option<&str> {
    let ours = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut manifests = index["manifests"].as_array().into_iter().flatten();
    manifests.find(|one| one["platform"]["architecture"] == ours)?["digest"].as_str()
}

/// `skopeo inspect` of one image: its config's bytes.
pub(super) fn skopeo_config(reference: &str) -> Result<Vec<u8>> {
    sh::stdout(&mut skopeo(&["inspect", "--config", "--raw", reference]))
}

/// `skopeo inspect --raw`: its manifest's bytes.
pub(super) fn skopeo_manifest(reference: &str) -> Result<Vec<u8>> {
    sh::stdout(&mut skopeo(&["inspect", "--raw", reference]))
}

/// `skopeo copy`, which reads and checks every layer.
pub(super) fn skopeo_copy(more: &[&str], from: &str, to: &str) -> Result<()> {
    let mut copy = skopeo(&["copy", "-q"]);
    sh::stdout(copy.args(more).args([from, to])).map(drop)
}

/// All images of a docker-archive, by index, with the names that `skopeo list-tags` knows.
pub(super) fn skopeo_docker_archive(file: &str, count: usize) -> Result<Images> {
    let mut images = Images::default();
    for index in 0..count {
        images.add_config([], &skopeo_config(&format!("docker-archive:{file}:@{index}"))?)?;
    }
    let listed = sh::json(&mut skopeo(&["list-tags", &format!("docker-archive:{file}")]))?;
    // What has no name it lists as `@INDEX`.
    for name in strings(&listed["Tags"]).iter().filter(|name| !name.starts_with('@')) {
        let config = skopeo_config(&format!("docker-archive:{file}:{name}"))?;
        images.add_config([name.as_str()], &config)?;
    }
    Ok(images)
}

/// The named images of a layout or an oci-archive as skopeo sees them.
pub(super) fn skopeo_named(place: &str, expected: &Images) -> Result<Images> {
    let mut images = Images::default();
    for name in expected.names() {
        images.add_config([name.as_str()], &skopeo_config(&format!("{place}:{name}"))?)?;
    }
    Ok(images)
}

/// `umoci ls`.
pub(super) fn umoci_list(layout: &str) -> Result<Vec<String>> {
    let listed = sh::text(&mut sh::command("umoci", ["ls", "--layout", layout]))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// `umoci ls`, and `umoci unpack` of everything it lists: it checks digests and diff IDs.
pub(super) fn umoci_unpack(lab: &Lab, layout: &str) -> Result<Vec<String>> {
    let names = umoci_list(layout)?;
    for name in &names {
        let bundle = lab.path("bundle");
        let image = format!("{layout}:{name}");
        sh::stdout(&mut sh::command(
            "umoci",
            ["unpack", "--rootless", "--image", &image, &bundle],
        ))?;
        remove(&bundle)?;
    }
    Ok(names)
}

/// The views of an archive or folder, computed by `xtask/goldens/expect` from the bytes alone.
pub(super) fn views(path: &str) -> Result<Vec<Value>> {
    let script = sh::root().join("xtask/goldens/expect");
    let script = script.display().to_string();
    let mut said = sh::json(&mut sh::command("python3", [script.as_str(), "--print", path]))?;
    match said["views"].take() {
        Value::Array(views) => Ok(views),
        _ => Err(format!("{path}: no views")),
    }
}

/// All images of the view with this scheme, those inside indexes too (with the index's names).
pub(super) fn images_of(views: &[Value], scheme: &str) -> Result<Images> {
    let mut images = Images::default();
    let view = views.iter().find(|view| {
        let reference = view["reference"].as_str().unwrap_or_default();
        reference.split(':').next() == Some(scheme)
    });
    let view = view.ok_or_else(|| format!("this can not be read as {scheme}:"))?;
    for image in view["images"].as_array().into_iter().flatten() {
        let names = strings(&image["names"]);
        let inner = image["platforms"].as_array().into_iter().flatten();
        for image in inner.chain(image["id"].is_string().then_some(image)) {
            if let Some(id) = image["id"].as_str() {
                images.add(id, names.iter().map(String::as_str), strings(&image["diff_ids"]));
            }
        }
    }
    Ok(images)
}

/// What the independent reader finds in a place with this scheme.
pub(super) fn found(scheme: &str, path: &str) -> Result<Images> {
    images_of(&views(path)?, scheme)
}

/// skopeo, which wants no policy file here.
pub(super) fn skopeo(args: &[&str]) -> Command {
    let mut skopeo = sh::command("skopeo", ["--insecure-policy"]);
    skopeo.args(args);
    skopeo
}

/// Parses what must be JSON.
pub(super) fn parse(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|e| format!("not JSON: {e}"))
}

fn docker_ids(lab: &Lab) -> Result<Vec<String>> {
    let ids = sh::text(&mut lab.docker()?.docker_client(&["image", "ls", "-q", "--no-trunc"]))?;
    let mut ids: Vec<String> = ids.lines().map(str::to_owned).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn docker_empty(lab: &Lab) -> Result<()> {
    let ids = docker_ids(lab)?;
    if ids.is_empty() {
        return Ok(());
    }
    sh::stdout(lab.docker()?.docker_client(&["rmi", "-f"]).args(ids)).map(drop)
}

fn remove(folder: &str) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|e| format!("{folder}: {e}"))
}
