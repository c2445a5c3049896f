//! Archives that were joined, replaced and taken from, and multi-platform ones: everyone loads them, with the same image IDs.

use super::checks::{Checks, same};
use super::docker_archive::named;
use super::images::{Images, canonical};
use super::lab::Lab;
use super::peer::Peer;
use super::readers::{self, found};
use crate::sh::{self, Result};

const SCHEMES: [&str; 2] = ["docker-archive", "oci-archive"];
/// The first of the seven, whose layer all but one have, too.
const ONE: &str = "localhost/seven/one:1";
/// One of two names of an image.
const LATEST: &str = "localhost/seven/two:latest";
/// The name that a multi-platform image gets.
const MULTI: &str = "localhost/multi/image:1";
/// A layer's form that docker did not read before 23.
const ZSTD_WARNING: &str = "docker before 23 cannot load this archive: it has layers of zstd";

/// What makes an archive, and the images that have to be in it.
type Make = fn(&Lab, &str) -> Result<(String, Images)>;

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) {
    let makes: [(&str, Make); 4] = [
        ("joined by --append", joined),
        ("joined, then --replace", replaced),
        ("joined, then delete", deleted),
        ("several platforms, joined", platforms),
    ];
    for scheme in SCHEMES {
        for (what, make) in makes {
            read_by_all(lab, checks, &format!("{scheme}, {what}"), scheme, make);
        }
    }
    zstd(lab, checks);
}

fn golden(name: &str) -> String {
    format!("{}/xtask/goldens/{name}", sh::root().display())
}

/// What podman saved, and the seven behind it.
fn joined(lab: &Lab, scheme: &str) -> Result<(String, Images)> {
    let (file, first) = (lab.path("joined.tar"), golden("podman-multi.tar"));
    let (to, seven) = (format!("{scheme}:{file}"), lab.seven()?);
    lab.copy(&["--all-images", &format!("docker-archive:{first}"), &to])?;
    let more = format!("docker-archive:{}", seven.file);
    lab.copy(&["--append", "--all-images", &more, &to])?;
    let mut images = found("docker-archive", &first)?;
    images.0.extend(seven.images.0.clone());
    Ok((file, images))
}

/// The seven in place of what was there.
fn replaced(lab: &Lab, scheme: &str) -> Result<(String, Images)> {
    let ((file, _), seven) = (joined(lab, scheme)?, lab.seven()?);
    let from = format!("docker-archive:{}", seven.file);
    lab.copy(&["--replace", "--all-images", &from, &format!("{scheme}:{file}")])?;
    Ok((file, seven.images.clone()))
}

/// Without an image, whose layer others need, and without a name of another one.
fn deleted(lab: &Lab, scheme: &str) -> Result<(String, Images)> {
    let (file, mut images) = joined(lab, scheme)?;
    let place = |name: &str| format!("{scheme}:{file}:{name}");
    lab.run(&["delete", "--quiet", &place(ONE), &place(LATEST)])?;
    let before = images.0.len();
    images.0.retain(|_, image| !image.names.contains(ONE));
    images.0.values_mut().for_each(|image| {
        image.names.remove(LATEST);
    });
    same("images that are left", &images.0.len(), &(before - 1))?;
    Ok((file, images))
}

/// An image for three platforms, of which a docker-archive takes one, and the seven behind it.
fn platforms(lab: &Lab, scheme: &str) -> Result<(String, Images)> {
    let (file, seven) = (lab.path("platforms.tar"), lab.seven()?);
    let from = format!("oci-archive:{}:multi", golden("skopeo-oci-archive-index.tar"));
    let to = format!("{scheme}:{file}");
    let platforms: &[&str] =
        if scheme == "oci-archive" { &["--all-platforms"] } else { &["--platform", "linux/amd64"] };
    lab.copy(&[platforms, &[&from, &format!("{to}:{MULTI}")]].concat())?;
    let more = format!("docker-archive:{}", seven.file);
    lab.copy(&["--append", "--all-images", &more, &to])?;
    let mut images = seven.images.clone();
    let config = sh::stdout(&mut readers::skopeo(&[
        "--override-arch",
        "amd64",
        "inspect",
        "--config",
        "--raw",
        &from,
    ]))?;
    images.add_config([MULTI], &config)?;
    same("images", &images.0.len(), &(seven.images.0.len() + 1))?;
    Ok((file, images))
}

fn read_by_all(lab: &Lab, checks: &mut Checks<'_>, what: &str, scheme: &str, make: Make) {
    let with = |peer: Peer| [Peer::Podman, Peer::Buildah, Peer::Python, peer];
    let name = |reader: &str| format!("{what}: {reader}");
    checks.check(&name("verify, images and layers"), &with(Peer::Python), || {
        let (file, images) = make(lab, scheme)?;
        lab.run(&["verify", "--quiet", &format!("{scheme}:{file}")])?;
        // In a layout the other platforms are, too.
        found("docker-archive", &file)?.must_be(&images)
    });
    checks.check(&name("docker load"), &with(Peer::Docker), || {
        let (file, images) = make(lab, scheme)?;
        readers::docker_load(lab, &file)?.must_be(&images)
    });
    checks.check(&name("podman load"), &with(Peer::Podman), || {
        let (file, images) = make(lab, scheme)?;
        readers::podman_load(lab, &file)?.must_be(&images)
    });
    checks.check(&name("ctr images import"), &with(Peer::Containerd), || {
        let (file, images) = make(lab, scheme)?;
        readers::ctr_import(lab, &file)?.must_be(&named(&images))
    });
    checks.check(&name("skopeo inspect"), &with(Peer::Skopeo), || {
        let (file, images) = make(lab, scheme)?;
        readers::skopeo_docker_archive(&file, images.0.len())?.must_be(&images)?;
        if scheme == "oci-archive" {
            let named = named(&images);
            readers::skopeo_named(&format!("oci-archive:{file}"), &named)?.must_be(&named)?;
        }
        Ok(())
    });
}

/// A docker-archive has none; an oci-archive may, and docker 20.10 does not load it, of which we warn.
fn zstd(lab: &Lab, checks: &mut Checks<'_>) {
    let needs = [Peer::Podman, Peer::Buildah, Peer::Docker, Peer::Containerd, Peer::Skopeo];
    checks.check("oci-archive with layers of zstd: docker before 23 is warned of", &needs, || {
        let (from, file) =
            (format!("docker-archive:{}:{ONE}", lab.seven()?.file), lab.path("zstd.tar"));
        let to = format!("oci-archive:{file}:{ONE}");
        let said = sh::finish(&mut lab.transship(&["copy", "--compress", "zstd", &from, &to]))?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        same("whether it warns", &said.contains(ZSTD_WARNING), &true)?;
        let mut images = lab.seven()?.images.clone();
        images.0.retain(|_, image| image.names.contains(ONE));
        readers::podman_load(lab, &file)?.must_be(&images)?;
        readers::ctr_import(lab, &file)?.must_be(&images)?;
        readers::skopeo_named(&format!("oci-archive:{file}"), &images)?.must_be(&images)?;
        let loaded = readers::docker_load(lab, &file);
        let old = lab.docker_version()? < 23;
        same("whether docker cannot load it", &loaded.is_err(), &old)
    });
    checks.check("docker-archive with layers of zstd: refused, or made plain", &needs, || {
        let (layout, file) = (lab.path("zstd"), lab.path("plain.tar"));
        let (layout, to) = (format!("oci:{layout}:{ONE}"), format!("docker-archive:{file}"));
        let from = format!("docker-archive:{}:{ONE}", lab.seven()?.file);
        lab.copy(&["--compress", "zstd", &from, &layout])?;
        for form in ["keep", "zstd"] {
            let words = ["copy", "--quiet", "--compress", form, &layout, &to];
            let refused = sh::finish(&mut lab.transship(&words))?;
            same("the exit code", &refused.status.code(), &Some(1))?;
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            same("whether it says why", &said.contains("cannot hold"), &true)?;
        }
        lab.copy(&[&layout, &to])?;
        let mut images = lab.seven()?.images.clone();
        images.0.retain(|_, image| image.names.contains(&canonical(ONE)));
        readers::docker_load(lab, &file)?.must_be(&images)
    });
}
