//! oci-archive: one written by us with one image and with many, read by everyone.

use super::checks::{Checks, same};
use super::docker_archive::named;
use super::images::digest;
use super::lab::{Lab, Sample};
use super::peer::Peer;
use super::readers::{self, found};
use crate::sh::Result;

const NEEDS: &[Peer] = &[Peer::Podman, Peer::Buildah];
/// One of the seven.
const ONE: &str = "localhost/seven/three:1";

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    many(lab, checks);
    one(lab, checks);
    gzipped(lab, checks);
}

fn with(peer: Peer) -> Vec<Peer> {
    [NEEDS, &[peer]].concat()
}

/// All seven in one archive.
fn many(lab: &Lab, checks: &mut Checks<'_>) {
    let archive = || {
        let sample = lab.seven()?;
        let file = lab.path("many.oci.tar");
        let (from, to) = (format!("docker-archive:{}", sample.file), format!("oci-archive:{file}"));
        lab.copy(&["--all-images", &from, &to])?;
        Ok::<_, String>((file, &sample.images))
    };
    let name = |what: &str| format!("oci-archive of seven images: {what}");
    for scheme in ["oci-archive", "docker-archive"] {
        checks.check(&name(&format!("images and layers as {scheme}")), &with(Peer::Python), || {
            let (file, images) = archive()?;
            found(scheme, &file)?.must_be(images)
        });
    }
    checks.check(&name("skopeo inspect"), &with(Peer::Skopeo), || {
        let (file, images) = archive()?;
        readers::skopeo_named(&format!("oci-archive:{file}"), images)?.must_be(images)
    });
    checks.check(&name("podman load"), &with(Peer::Podman), || {
        let (file, images) = archive()?;
        readers::podman_load(lab, &file)?.must_be(images)
    });
    checks.check(&name("docker load"), &with(Peer::Docker), || {
        let (file, images) = archive()?;
        readers::docker_load(lab, &file)?.must_be(images)
    });
    checks.check(&name("ctr images import"), &with(Peer::Containerd), || {
        let (file, images) = archive()?;
        readers::ctr_import(lab, &file)?.must_be(&named(images))
    });
}

/// One image, taken out of the seven.
fn one(lab: &Lab, checks: &mut Checks<'_>) {
    let archive = || {
        let Sample { file, images } = lab.seven()?;
        let to = lab.path("one.oci.tar");
        lab.copy(&[&format!("docker-archive:{file}:{ONE}"), &format!("oci-archive:{to}:{ONE}")])?;
        let mut images = images.clone();
        images.0.retain(|_, image| image.names.contains(ONE));
        Ok::<_, String>((to, images))
    };
    let name = |what: &str| format!("oci-archive of one image: {what}");
    checks.check(&name("podman load"), &with(Peer::Podman), || {
        let (file, images) = archive()?;
        readers::podman_load(lab, &file)?.must_be(&images)
    });
    checks.check(&name("docker load"), &with(Peer::Docker), || {
        let (file, images) = archive()?;
        readers::docker_load(lab, &file)?.must_be(&images)
    });
    checks.check(&name("ctr images import"), &with(Peer::Containerd), || {
        let (file, images) = archive()?;
        readers::ctr_import(lab, &file)?.must_be(&images)
    });
    checks.check(&name("skopeo copy"), &with(Peer::Skopeo), || {
        let (file, images) = archive()?;
        let to = lab.path("copied.tar");
        readers::skopeo_copy(
            &[],
            &format!("oci-archive:{file}:{ONE}"),
            &format!("docker-archive:{to}:{ONE}"),
        )?;
        found("docker-archive", &to)?.must_be(&images)
    });
}

/// From a layout that skopeo gzipped: bytes are kept, and everyone reads those too.
fn gzipped(lab: &Lab, checks: &mut Checks<'_>) {
    let archive = || -> Result<(String, String)> {
        let layout = lab.path("skopeo");
        let from = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
        let place = format!("oci:{layout}:{ONE}");
        readers::skopeo_copy(&[], &from, &place)?;
        let file = lab.path("gzip.oci.tar");
        lab.copy(&[&place, &format!("oci-archive:{file}")])?;
        Ok((place, file))
    };
    let needs = [with(Peer::Skopeo), with(Peer::Docker), with(Peer::Containerd)].concat();
    checks.check(
        "oci (gzip) -> oci-archive: read by skopeo, podman, docker and ctr",
        &needs,
        || {
            let (place, file) = archive()?;
            let before = readers::skopeo_manifest(&place)?;
            let after = readers::skopeo_manifest(&format!("oci-archive:{file}:{ONE}"))?;
            same("the manifest", &digest(&after), &digest(&before))?;
            let mut images = super::images::Images::default();
            images.add_config([ONE], &readers::skopeo_config(&place)?)?;
            readers::podman_load(lab, &file)?.must_be(&images)?;
            readers::docker_load(lab, &file)?.must_be(&images)?;
            readers::ctr_import(lab, &file)?.must_be(&images)
        },
    );
    checks.check(
        "oci (gzip) -> oci-archive -> oci: the same manifest",
        &with(Peer::Skopeo),
        || {
            let (place, file) = archive()?;
            let back = format!("oci:{}:{ONE}", lab.path("back"));
            lab.copy(&[&format!("oci-archive:{file}:{ONE}"), &back])?;
            same(
                "the manifest",
                &readers::skopeo_manifest(&back)?,
                &readers::skopeo_manifest(&place)?,
            )
        },
    );
    checks.check("oci (gzip) -> docker-archive: read by podman and docker", &needs, || {
        let (place, _) = archive()?;
        let file = lab.path("plain.tar");
        lab.copy(&[&place, &format!("docker-archive:{file}")])?;
        let mut images = super::images::Images::default();
        images.add_config([ONE], &readers::skopeo_config(&place)?)?;
        readers::podman_load(lab, &file)?.must_be(&images)?;
        readers::docker_load(lab, &file)?.must_be(&images)
    });
}
