//! docker-archive: what podman, docker and buildah save, into a layout and back, read by everyone.

use super::checks::{Checks, same};
use super::images::{Images, digest};
use super::lab::{Lab, Sample};
use super::peer::Peer;
use super::readers::{self, found, parse};
use crate::sh::Result;

type Source = fn(&Lab) -> Result<&Sample>;

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    use Peer::{Buildah, Docker, Podman};
    let sources: [(&str, &[Peer], Source); 3] = [
        ("podman save -m", &[Podman, Buildah], Lab::seven),
        ("docker save", &[Podman, Buildah, Docker], Lab::docker_save),
        ("buildah push", &[Podman, Buildah], Lab::buildah),
    ];
    for (source, needs, sample) in sources {
        to_layout(lab, checks, source, needs, sample);
        and_back(lab, checks, source, needs, sample);
        selectors(lab, checks, source, needs, sample);
    }
    checks.check("the README's first command", &[Peer::Python, Peer::Umoci], || {
        let hello = format!("{}/examples/data/hello.tar", crate::sh::root().display());
        let layout = lab.path("hello");
        lab.run(&[
            "copy",
            "--all-images",
            &format!("docker-archive:{hello}"),
            &format!("oci:{layout}"),
        ])?;
        readers::umoci_unpack(lab, &layout)?;
        found("oci", &layout)?.must_be(&found("docker-archive", &hello)?)
    });
}

/// The sample's images in a new layout.
pub(super) fn layout(lab: &Lab, sample: &Sample, more: &[&str]) -> Result<String> {
    let layout = lab.path("layout");
    let (from, to) = (format!("docker-archive:{}", sample.file), format!("oci:{layout}"));
    lab.copy(&[&["--all-images"], more, &[from.as_str(), to.as_str()]].concat())?;
    Ok(layout)
}

fn to_layout(lab: &Lab, checks: &mut Checks<'_>, source: &str, needs: &[Peer], sample: Source) {
    let with = |peer: Peer| [needs, &[peer]].concat();
    for form in ["keep", "gzip"] {
        let more = ["--compress", form];
        let name = |what: &str| format!("{source} -> oci ({form}): {what}");
        checks.check(&name("images and layers"), &with(Peer::Python), || {
            let layout = layout(lab, sample(lab)?, &more)?;
            found("oci", &layout)?.must_be(&sample(lab)?.images)
        });
        checks.check(&name("umoci unpack"), &with(Peer::Umoci), || {
            let names = readers::umoci_unpack(lab, &layout(lab, sample(lab)?, &more)?)?;
            same(
                "names that umoci lists",
                &names.into_iter().collect(),
                &sample(lab)?.images.names(),
            )
        });
        checks.check(&name("skopeo inspect"), &with(Peer::Skopeo), || {
            let layout = layout(lab, sample(lab)?, &more)?;
            let expected = named(&sample(lab)?.images);
            readers::skopeo_named(&format!("oci:{layout}"), &expected)?.must_be(&expected)
        });
    }
    checks.check(&format!("{source} -> oci (zstd): podman pull"), needs, || {
        let layout = layout(lab, sample(lab)?, &["--compress", "zstd"])?;
        let expected = named(&sample(lab)?.images);
        let places: Vec<String> =
            expected.names().iter().map(|name| format!("oci:{layout}:{name}")).collect();
        readers::podman_pull(lab, &places)?.nameless().must_be(&expected.nameless())
    });
}

fn and_back(lab: &Lab, checks: &mut Checks<'_>, source: &str, needs: &[Peer], sample: Source) {
    let with = |peer: Peer| [needs, &[peer]].concat();
    let back = || {
        let layout = layout(lab, sample(lab)?, &[])?;
        let file = lab.path("back.tar");
        let (from, to) = (format!("oci:{layout}"), format!("docker-archive:{file}"));
        lab.copy(&["--all-images", &from, &to]).map(|()| file)
    };
    let name = |what: &str| format!("{source} -> oci -> docker-archive: {what}");
    let images = || Ok::<&Images, String>(&sample(lab)?.images);
    checks.check(&name("images and layers"), &with(Peer::Python), || {
        found("docker-archive", &back()?)?.must_be(images()?)
    });
    checks.check(&name("podman load"), &with(Peer::Podman), || {
        readers::podman_load(lab, &back()?)?.must_be(images()?)
    });
    checks.check(&name("docker load"), &with(Peer::Docker), || {
        readers::docker_load(lab, &back()?)?.must_be(images()?)
    });
    checks.check(&name("ctr images import"), &with(Peer::Containerd), || {
        readers::ctr_import(lab, &back()?)?.must_be(&named(images()?))
    });
    checks.check(&name("skopeo inspect"), &with(Peer::Skopeo), || {
        let images = images()?;
        readers::skopeo_docker_archive(&back()?, images.0.len())?.must_be(images)
    });
}

/// Each image is reached by name, index and image ID, every time from a new process; the canonical text stays as it is.
fn selectors(lab: &Lab, checks: &mut Checks<'_>, source: &str, needs: &[Peer], sample: Source) {
    checks.check(&format!("{source}: every selector reaches its image"), needs, || {
        let Sample { file, images } = sample(lab)?;
        let config = |selector: &str| {
            let reference = format!("docker-archive:{file}{selector}");
            let canonical = lab.run(&["reference", &reference])?;
            let canonical = canonical.lines().next().unwrap_or_default();
            let again = lab.run(&["reference", canonical])?;
            same("the canonical text, parsed", &again.lines().next(), &Some(canonical))?;
            lab.run(&["inspect", "--config", &reference])
        };
        let mut by_index = Images::default();
        for index in 0..images.0.len() {
            by_index.add_config([], config(&format!(":@{index}"))?.as_bytes())?;
        }
        same("images by index", &by_index.0.len(), &images.0.len())?;
        for (id, image) in &images.0 {
            let by_id = config(&format!("@{id}"))?;
            for name in &image.names {
                same(
                    name,
                    &parse(config(&format!(":{name}"))?.as_bytes())?,
                    &parse(by_id.as_bytes())?,
                )?;
            }
            let manifest =
                lab.run(&["inspect", "--raw", &format!("docker-archive:{file}@{id}")])?;
            let manifest = parse(manifest.as_bytes())?;
            same(
                "the config of its manifest",
                &manifest["config"]["digest"].as_str(),
                &Some(id.as_str()),
            )?;
        }
        let outside = format!("docker-archive:{file}@{}", digest(b"no such image"));
        let refused = crate::sh::finish(&mut lab.transship(&["inspect", &outside]))?;
        same("the exit code for an ID that is not there", &refused.status.code(), &Some(3))
    });
}

/// Those with names: some readers reach no others.
pub(super) fn named(images: &Images) -> Images {
    let mut images = images.clone();
    images.0.retain(|_, image| !image.names.is_empty());
    images
}
