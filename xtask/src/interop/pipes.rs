//! Real pipes: what docker and podman save goes through `-` into a layout, and from there through `-` into what loads it.

use std::process::Command;

use super::checks::{Checks, same};
use super::docker_archive::named;
use super::images::Images;
use super::lab::{Lab, Sample};
use super::peer::Peer;
use super::readers::{self, found};
use crate::sh::{self, Result};

const NEEDS: &[Peer] = &[Peer::Podman, Peer::Buildah, Peer::Python];
/// Two of the seven that share layers.
const TWO: [&str; 2] = ["localhost/seven/one:1", "localhost/seven/three:1"];

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    into_layouts(lab, checks);
    out_of_layouts(lab, checks);
}

fn with(peer: Peer) -> Vec<Peer> {
    [NEEDS, &[peer]].concat()
}

fn pipe(commands: &[&Command]) -> Result<()> {
    sh::stdout(&mut sh::pipe(commands)).map(drop)
}

/// Those of the seven with these names, which are all that they have.
fn some(sample: &Sample, names: &[&str]) -> Images {
    let mut images = sample.images.clone();
    images.0.retain(|_, image| image.names.iter().any(|name| names.contains(&name.as_str())));
    images
}

/// dockerd with the seven.
fn docker_save(lab: &Lab, names: &[&str]) -> Result<Command> {
    let file = &lab.seven()?.file;
    readers::docker_load(lab, file)?;
    Ok(lab.docker()?.docker_client(&[&["save"], names].concat()))
}

fn podman_save(lab: &Lab, names: &[&str]) -> Result<Command> {
    lab.seven()?;
    let mut save = sh::command("podman", lab.storage());
    save.args(["save", "-q", "-m"]).args(names);
    Ok(save)
}

fn into_layouts(lab: &Lab, checks: &mut Checks<'_>) {
    type Save = fn(&Lab, &[&str]) -> Result<Command>;
    let savers: [(&str, Peer, Save); 2] =
        [("docker save", Peer::Docker, docker_save), ("podman save -m", Peer::Podman, podman_save)];
    for (saver, peer, save) in savers {
        checks.check(
            &format!("{saver} a b | transship copy --all-images - oci:"),
            &with(peer),
            || {
                let (layout, images) = (lab.path("piped"), some(lab.seven()?, &TWO));
                let copy = ["copy", "--quiet", "--all-images", "-", &format!("oci:{layout}")];
                pipe(&[&save(lab, &TWO)?, &lab.transship(&copy)])?;
                lab.run(&["verify", "--quiet", &format!("oci:{layout}")])?;
                found("oci", &layout)?.must_be(&images)
            },
        );
        checks.check(&format!("{saver} a | transship copy - oci:"), &with(peer), || {
            let (layout, images) = (lab.path("piped"), some(lab.seven()?, &TWO[1..]));
            let copy = ["copy", "--quiet", "-", &format!("oci:{layout}")];
            pipe(&[&save(lab, &TWO[1..])?, &lab.transship(&copy)])?;
            lab.run(&["verify", "--quiet", &format!("oci:{layout}")])?;
            found("oci", &layout)?.must_be(&images)
        });
        checks.check(
            &format!("{saver} a b | transship copy - oci: says which there are"),
            &with(peer),
            || {
                let layout = lab.path("piped");
                let copy = ["copy", "--quiet", "-", &format!("oci:{layout}")];
                let Err(said) = pipe(&[&save(lab, &TWO)?, &lab.transship(&copy)]) else {
                    return Err("it was copied, though none is chosen".to_owned());
                };
                let told =
                    TWO.iter().all(|name| said.contains(name)) && said.contains("--all-images");
                same("whether it says which there are, and what to do", &told, &true)?;
                same("whether something was left", &std::path::Path::new(&layout).exists(), &false)
            },
        );
        checks.check(
            &format!("{saver} a b | transship copy docker-archive:-:b oci:"),
            &with(peer),
            || {
                let (layout, images) = (lab.path("piped"), some(lab.seven()?, &TWO[1..]));
                let from = format!("docker-archive:-:{}", TWO[1]);
                let copy = ["copy", "--quiet", &from, &format!("oci:{layout}")];
                pipe(&[&save(lab, &TWO)?, &lab.transship(&copy)])?;
                found("oci", &layout)?.must_be(&images)
            },
        );
    }
}

fn out_of_layouts(lab: &Lab, checks: &mut Checks<'_>) {
    // Layers of a layout are gzipped, unless they are kept.
    for form in ["keep", "gzip"] {
        let layout = || {
            let (layout, seven) = (lab.path("layout"), lab.seven()?);
            let from = format!("docker-archive:{}", seven.file);
            lab.copy(&["--all-images", "--compress", form, &from, &format!("oci:{layout}")])?;
            Ok::<_, String>((layout, &seven.images))
        };
        for to in ["-", "docker-archive:-", "oci-archive:-"] {
            let name =
                |loader: &str| format!("transship copy --all-images oci: ({form}) {to} | {loader}");
            let copy = |layout: &str| {
                lab.transship(&["copy", "--quiet", "--all-images", &format!("oci:{layout}"), to])
            };
            checks.check(&name("docker load"), &with(Peer::Docker), || {
                let (layout, images) = layout()?;
                let loaded = readers::docker_after(lab, |docker| {
                    pipe(&[&copy(&layout), &docker.docker_client(&["load", "-q"])])
                })?;
                loaded.must_be(images)
            });
            checks.check(&name("podman load"), &with(Peer::Podman), || {
                let (layout, images) = layout()?;
                let loaded = readers::podman_after(lab, |podman| {
                    pipe(&[&copy(&layout), podman().args(["load", "-q"])])
                })?;
                loaded.must_be(images)
            });
        }
    }
    checks.check("transship copy oci:y:NAME - | docker load", &with(Peer::Docker), || {
        let (layout, seven) = (lab.path("layout"), lab.seven()?);
        lab.copy(&[
            "--all-images",
            &format!("docker-archive:{}", seven.file),
            &format!("oci:{layout}"),
        ])?;
        let copy = lab.transship(&["copy", "--quiet", &format!("oci:{layout}:{}", TWO[1]), "-"]);
        let loaded = readers::docker_after(lab, |docker| {
            pipe(&[&copy, &docker.docker_client(&["load", "-q"])])
        })?;
        loaded.must_be(&named(&some(seven, &TWO[1..])))
    });
}
