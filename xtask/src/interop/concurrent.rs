//! Several of us at once into one place: nobody's image is lost.

use std::process::Stdio;

use super::checks::{Checks, same};
use super::docker_archive::named;
use super::lab::Lab;
use super::peer::Peer;
use super::readers::{self, found};
use crate::sh::Result;

const ROUNDS: usize = 5;

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    let needs = &[Peer::Podman, Peer::Buildah, Peer::Umoci, Peer::Python];
    checks.check("8 processes copy 8 images into one oci: at once", needs, || {
        for _ in 0..ROUNDS {
            round(lab)?;
        }
        Ok(())
    });
}

fn round(lab: &Lab) -> Result<()> {
    let sample = lab.seven()?;
    let layout = lab.path("shared");
    let mut running = Vec::new();
    for name in sample.images.names() {
        let (from, to) =
            (format!("docker-archive:{}:{name}", sample.file), format!("oci:{layout}:{name}"));
        let mut copy = lab.transship(&["copy", "--quiet", &from, &to]);
        copy.stdout(Stdio::null()).stderr(Stdio::piped());
        running.push((name, copy.spawn().map_err(|e| format!("cannot start a copy: {e}"))?));
    }
    same("processes", &running.len(), &8)?;
    for (name, copy) in running {
        let said = copy.wait_with_output().map_err(|e| format!("{name}: {e}"))?;
        if !said.status.success() {
            return Err(format!(
                "{name}: {}\n{}",
                said.status,
                String::from_utf8_lossy(&said.stderr)
            ));
        }
    }
    lab.run(&["verify", &format!("oci:{layout}")])?;
    found("oci", &layout)?.must_be(&named(&sample.images))?;
    let listed = readers::umoci_list(&layout)?;
    same("names that umoci lists", &listed.into_iter().collect(), &sample.images.names())
}
