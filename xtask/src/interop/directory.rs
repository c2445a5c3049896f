//! dir: written by us and read by skopeo, and the other way round; single images and whole indexes.

use super::checks::{Checks, same};
use super::images::digest;
use super::lab::Lab;
use super::peer::Peer;
use super::readers::{self, found};
use crate::sh::{self, Result};

const NEEDS: &[Peer] = &[Peer::Podman, Peer::Buildah, Peer::Skopeo, Peer::Python];
const ONE: &str = "localhost/seven/team/six:1.2.3";

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    for form in ["keep", "gzip"] {
        checks.check(&format!("docker-archive -> dir ({form}): read by skopeo"), NEEDS, || {
            let folder = lab.path("dir");
            let from = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
            lab.copy(&["--compress", form, &from, &format!("dir:{folder}")])?;
            read_by_skopeo(lab, &folder)
        });
    }
    checks.check("dir of skopeo -> oci and docker-archive", NEEDS, || {
        let folder = lab.path("dir");
        let from = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
        readers::skopeo_copy(&[], &from, &format!("dir:{folder}"))?;
        lab.run(&["verify", &format!("dir:{folder}")])?;
        let (layout, file) = (lab.path("layout"), lab.path("from-dir.tar"));
        lab.copy(&[&format!("dir:{folder}"), &format!("oci:{layout}:{ONE}")])?;
        lab.copy(&[&format!("dir:{folder}"), &format!("docker-archive:{file}:{ONE}")])?;
        let mut images = lab.seven()?.images.clone();
        images.0.retain(|_, image| image.names.contains(ONE));
        found("oci", &layout)?.must_be(&images)?;
        found("docker-archive", &file)?.must_be(&images)
    });
    let index = format!("{}/xtask/goldens/skopeo-oci-archive-index.tar", sh::root().display());
    index_both_ways(lab, checks, &format!("oci-archive:{index}:multi"));
    checks.check("dir -> dir: signatures travel", NEEDS, || signatures(lab));
}

/// Read whole, so that its layers are checked, and with the image it should hold.
fn read_by_skopeo(lab: &Lab, folder: &str) -> Result<()> {
    let to = lab.path("read.tar");
    readers::skopeo_copy(&[], &format!("dir:{folder}"), &format!("docker-archive:{to}:{ONE}"))?;
    let mut images = lab.seven()?.images.clone();
    images.0.retain(|_, image| image.names.contains(ONE));
    found("dir", folder)?.must_be(&images.nameless())?;
    found("docker-archive", &to)?.must_be(&images)
}

fn index_both_ways(lab: &Lab, checks: &mut Checks<'_>, index: &str) {
    let needs = &[Peer::Skopeo, Peer::Python];
    checks.check("index -> dir: skopeo copy --all reads every platform", needs, || {
        let (folder, layout) = (lab.path("dir"), lab.path("layout"));
        lab.copy(&[index, &format!("dir:{folder}")])?;
        readers::skopeo_copy(&["--all"], &format!("dir:{folder}"), &format!("oci:{layout}:multi"))?;
        same_index(index, &[format!("dir:{folder}"), format!("oci:{layout}:multi")])?;
        same("images", &found("oci", &layout)?.0.len(), &3)
    });
    checks.check("index of skopeo copy --all in dir -> oci, oci-archive, dir", needs, || {
        let folder = lab.path("dir");
        let from = format!("dir:{folder}");
        readers::skopeo_copy(&["--all"], index, &from)?;
        lab.run(&["verify", &from])?;
        let targets = [
            format!("oci:{}:multi", lab.path("layout")),
            format!("oci-archive:{}:multi", lab.path("archive.tar")),
            format!("dir:{}", lab.path("dir")),
        ];
        for target in &targets {
            lab.copy(&[&from, target])?;
            lab.run(&["verify", target])?;
        }
        same_index(index, &targets)
    });
}

fn same_index(expected: &str, places: &[String]) -> Result<()> {
    let expected = digest(&readers::skopeo_manifest(expected)?);
    for place in places {
        same(place, &digest(&readers::skopeo_manifest(place)?), &expected)?;
    }
    Ok(())
}

/// skopeo copies `signature-N` without looking into it when the policy accepts anything, and so do we.
fn signatures(lab: &Lab) -> Result<()> {
    let (from, to) = (lab.path("dir"), lab.path("dir"));
    let source = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
    readers::skopeo_copy(&[], &source, &format!("dir:{from}"))?;
    let signature = b"not a real signature, but nobody looks".as_slice();
    for number in 1..=2 {
        let file = format!("{from}/signature-{number}");
        std::fs::write(&file, signature).map_err(|e| format!("{file}: {e}"))?;
    }
    lab.copy(&[&format!("dir:{from}"), &format!("dir:{to}")])?;
    for number in 1..=2 {
        let file = format!("{to}/signature-{number}");
        let copied = std::fs::read(&file).map_err(|e| format!("{file}: {e}"))?;
        same(&file, &copied.as_slice(), &signature)?;
    }
    Ok(())
}
