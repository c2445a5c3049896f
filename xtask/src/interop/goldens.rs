//! Every golden archive: listed, verified, copied to each transport and back, against what its expect file says.

use std::fs;

use serde_json::{Value, json};

use super::checks::{Checks, same};
use super::images::{Images, canonical, strings};
use super::lab::Lab;
use super::peer::Peer;
use super::readers::{found, images_of, parse};
use crate::sh::{self, Result};

/// One way to read one golden.
struct View {
    /// `docker-archive`, `oci`, ...
    scheme: String,
    /// With the absolute path.
    reference: String,
    images: Vec<Value>,
    unpack: bool,
    /// All its images, by ID.
    expected: Images,
}

pub(super) fn run(lab: &Lab, checks: &mut Checks<'_>) -> Result<()> {
    let folder = sh::root().join("xtask/goldens");
    let failed = |e| format!("{}: {e}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        files.extend(name.strip_suffix(".expect.json").map(str::to_owned));
    }
    files.sort();
    for name in files {
        for view in views(lab, &format!("{}/{name}", folder.display()))? {
            let title = format!("golden {name} as {}", view.scheme);
            check(lab, checks, &title, &view);
        }
    }
    Ok(())
}

/// The ways to read a golden; what is a folder is unpacked first.
fn views(lab: &Lab, stem: &str) -> Result<Vec<View>> {
    let file = format!("{stem}.expect.json");
    let text = fs::read(&file).map_err(|e| format!("{file}: {e}"))?;
    let expect = parse(&text)?;
    let unpack = expect["unpack"].as_bool().unwrap_or_default();
    let folder = if unpack {
        let folder = lab.folder("golden")?;
        let tar = format!("{stem}.tar");
        sh::stdout(&mut sh::command("tar", ["--extract", "--file", &tar, "--directory", &folder]))?;
        folder
    } else {
        stem.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
    };
    let views = expect["views"].as_array().into_iter().flatten();
    views
        .map(|view| {
            let reference = view["reference"].as_str().ok_or("a view without reference")?;
            let (scheme, path) = reference.split_once(':').ok_or("a reference without scheme")?;
            Ok(View {
                scheme: scheme.to_owned(),
                reference: format!("{scheme}:{folder}/{path}"),
                images: view["images"].as_array().cloned().unwrap_or_default(),
                unpack,
                expected: images_of(std::slice::from_ref(view), scheme)?,
            })
        })
        .collect()
}

fn check(lab: &Lab, checks: &mut Checks<'_>, title: &str, view: &View) {
    checks.check(&format!("{title}: list"), &[], || list(lab, view));
    checks.check(&format!("{title}: verify"), &[], || {
        lab.run(&["verify", &view.reference]).map(drop)
    });
    let before = || fingerprint(view);
    for scheme in ["oci", "oci-archive", "docker-archive"] {
        checks.check(&format!("{title}: to {scheme} and back"), &[Peer::Python], || {
            let before = before()?;
            there_and_back(lab, view, scheme)?;
            same("the golden's own bytes afterwards", &fingerprint(view)?, &before)
        });
    }
    checks.check(&format!("{title}: to dir and back"), &[Peer::Python], || by_dir(lab, view));
}

/// `list --json` says what the expect file says, in its order.
fn list(lab: &Lab, view: &View) -> Result<()> {
    let said = parse(lab.run(&["list", "--json", &view.reference])?.as_bytes())?;
    let listed = said["images"].as_array().ok_or("list --json: no images")?;
    same("images listed", &listed.len(), &view.images.len())?;
    for (listed, image) in listed.iter().zip(&view.images) {
        same("index", &listed["index"], &image["index"])?;
        same("names", &strings(&listed["names"]), &strings(&image["names"]))?;
        same("names as stored", &strings(&listed["raw_names"]), &strings(&image["raw_names"]))?;
        if image["id"].is_string() {
            same("image ID", &listed["image_id"], &image["id"])?;
            same(
                "platforms",
                &strings(&listed["platforms"]),
                &strings(&json!([image["platform"]])),
            )?;
        }
        if image["manifest"].is_string() {
            same("digest", &listed["digest"], &image["manifest"])?;
        }
    }
    Ok(())
}

/// Copies everything to another transport and back to its own; nothing may change on the way.
fn there_and_back(lab: &Lab, view: &View, scheme: &str) -> Result<()> {
    let there = lab.path(scheme);
    let back = lab.path(&view.scheme);
    let expected = if scheme == "docker-archive" { for_host(view) } else { view.expected.clone() };
    copy_all(lab, &view.reference, &format!("{scheme}:{there}"))?;
    found(scheme, &there)?.must_be(&expected).map_err(|e| format!("{scheme}: {e}"))?;
    lab.run(&["verify", &format!("{scheme}:{there}")])?;
    if view.scheme == "dir" {
        lab.copy(&[&format!("{scheme}:{there}"), &format!("dir:{back}")])?;
    } else {
        copy_all(lab, &format!("{scheme}:{there}"), &format!("{}:{back}", view.scheme))?;
    }
    let back = found(&view.scheme, &back)?;
    back.must_be(&expected).map_err(|e| format!("and back: {e}"))
}

/// Each image alone: a dir holds one, or an index.
fn by_dir(lab: &Lab, view: &View) -> Result<()> {
    for image in &view.images {
        let index = &image["index"];
        let from = match view.scheme.as_str() {
            "dir" => view.reference.clone(),
            _ => format!("{}:@{index}", view.reference),
        };
        let there = lab.path("dir");
        lab.copy(&[&from, &format!("dir:{there}")])?;
        lab.run(&["verify", &format!("dir:{there}")])?;
        let mut expected = Images::default();
        let inner = image["platforms"].as_array().into_iter().flatten();
        for image in inner.chain(image["id"].is_string().then_some(image)) {
            if let Some(id) = image["id"].as_str() {
                expected.add(id, [], strings(&image["diff_ids"]));
            }
        }
        found("dir", &there)?.must_be(&expected).map_err(|e| format!("image {index}: {e}"))?;
        let back = lab.path(&view.scheme);
        lab.copy(&[&format!("dir:{there}"), &format!("{}:{back}", view.scheme)])?;
        let back = found(&view.scheme, &back)?;
        back.must_be(&expected).map_err(|e| format!("image {index} and back: {e}"))?;
    }
    Ok(())
}

fn copy_all(lab: &Lab, from: &str, to: &str) -> Result<()> {
    if from.starts_with("dir:") {
        return lab.copy(&[from, to]);
    }
    lab.copy(&["--all-images", from, to])
}

/// What is left where an image has one platform: this machine's, out of an index.
fn for_host(view: &View) -> Images {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64/v8",
        other => other,
    };
    let mut images = Images::default();
    for image in &view.images {
        let names: Vec<String> = strings(&image["names"]).iter().map(|n| canonical(n)).collect();
        let inner = image["platforms"].as_array().into_iter().flatten();
        let host = inner.filter(|image| image["platform"].as_str() == Some(arch));
        for image in host.chain(image["id"].is_string().then_some(image)) {
            if let Some(id) = image["id"].as_str() {
                images.add(id, names.iter().map(String::as_str), strings(&image["diff_ids"]));
            }
        }
    }
    images
}

/// Reading changes nothing: the bytes of the golden, or the names in its folder.
fn fingerprint(view: &View) -> Result<String> {
    let path = view.reference.split_once(':').map_or("", |(_, path)| path);
    if view.unpack {
        let find =
            ["-c", "cd \"$0\" && find . -type f -print0 | sort -z | xargs -0 sha256sum", path];
        return sh::text(&mut sh::command("sh", find));
    }
    sh::text(&mut sh::command("sha256sum", [path]))
}
