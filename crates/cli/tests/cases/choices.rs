//! Which of several platforms, and which names.

use serde_json::{Value, json};

use crate::case::Case;
use crate::images::{INDEX, Image, Layout, descriptor, digest, entries, index, saved};
use crate::server::Server;

/// Platforms are matched as containerd matches them: arm64 is arm64/v8, arm is at most v7, a variant that is not there
/// falls back to a lower one (skopeo#545).
#[test]
fn platforms_of_all_kinds() {
    let mut case = Case::new();
    let linux = |architecture: &str, variant: &str| {
        let mut it = json!({ "os": "linux", "architecture": architecture });
        if !variant.is_empty() {
            it["variant"] = json!(variant);
        }
        it
    };
    let windows =
        |version: &str| json!({ "os": "windows", "architecture": "amd64", "os.version": version });
    let arm = [linux("amd64", ""), linux("arm64", "v8"), linux("arm", "v5"), linux("arm", "v7")];
    chosen(
        &mut case,
        "arm",
        &arm,
        &[
            ("linux/arm64", Some(1)),
            ("linux/arm64/v8", Some(1)),
            ("linux/aarch64", Some(1)),
            ("linux/arm64/v9", Some(1)),
            ("linux/arm", Some(3)),
            ("linux/arm/v6", Some(2)),
            ("linux/x86_64", Some(0)),
            ("linux/s390x", None),
        ],
    );
    let bare = [linux("arm64", ""), linux("amd64", "v2"), linux("amd64", "")];
    chosen(
        &mut case,
        "bare",
        &bare,
        &[("linux/arm64/v8", Some(0)), ("linux/amd64", Some(2)), ("linux/amd64/v3", Some(1))],
    );
    let two = [windows("10.0.17763.5"), windows("10.0.20348.1"), linux("amd64", "")];
    chosen(
        &mut case,
        "windows",
        &two,
        &[("windows/amd64:10.0.20348.1", Some(1)), ("windows/amd64", Some(0))],
    );
    case.end();
}

fn chosen(case: &mut Case, name: &str, platforms: &[Value], rows: &[(&str, Option<usize>)]) {
    let folder = case.path(name);
    let mut layout = Layout::new(&folder);
    let mut children = Vec::new();
    for (at, platform) in platforms.iter().enumerate() {
        let image = Image::sized(&format!("{name}{at}"), 1, 500, platform);
        layout.parts(&image);
        children.push(image.entry(&json!({ "platform": platform })));
    }
    let index = index(&children);
    layout.blob(&index);
    layout.entry(descriptor(&index, INDEX, &json!({})));
    layout.close();
    for (at, (asked, wanted)) in rows.iter().enumerate() {
        let ran = case.run(&format!("copy --json --platform {asked} oci:{name} oci:{name}-{at}"));
        let said: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        let holds = match wanted {
            Some(wanted) => said["images"][0]["digest"] == children[*wanted]["digest"],
            None => ran.code == 3,
        };
        case.check(holds, &format!("{asked} is {wanted:?}"), &ran);
    }
}

/// An image keeps the name that only its source has (skopeo#730, skopeo#2568, skopeo#1366).
#[test]
fn names_are_kept() {
    let (mut case, server, image) = (Case::new(), Server::usual(), Image::new("a"));
    server.add("a/app", &image, "1");
    let name = format!("{}/a/app:1", server.host());
    case.ends(0, &format!("copy docker://{name} docker-archive:a.tar"));
    case.ends(0, &format!("copy docker://{name} oci:l"));
    case.ends(0, &format!("copy docker://{name} oci-archive:o.tar"));
    case.ends(0, &format!("inspect oci:l:{name}"));
    assert_eq!(saved(&case.path("a.tar")).2, [name.as_str()]);
    assert_eq!(saved(&case.path("o.tar")).2, [name.as_str()]);
    let annotations = entries(&case.path("l"))[0]["annotations"].clone();
    assert!(annotations.as_object().unwrap().values().any(|it| *it == name.as_str()));
    case.end();
}

/// A name of a layout that is only a tag does not become another image's name: `3.18` is no `3.18:latest`.
#[test]
fn a_tag_is_no_repository() {
    let mut case = Case::new();
    let folder = case.path("l");
    let mut layout = Layout::new(&folder);
    layout.image(&Image::new("a"), "3.18");
    layout.close();
    case.ends(0, "copy oci:l:3.18 docker-archive:a.tar");
    let names = saved(&case.path("a.tar")).2;
    assert!(!names.iter().any(|name| name.contains("3.18:latest")), "{names:?}");
    case.ends(0, "copy oci:l:3.18 docker-archive:b.tar:app:3.18");
    assert_eq!(saved(&case.path("b.tar")).2, ["docker.io/library/app:3.18"]);
    case.end();
}

/// Below a prefix each image needs a name that a registry can hold: which name is none, and why, is said.
#[test]
fn names_that_a_registry_cannot_hold() {
    let (mut case, server) = (Case::new(), Server::usual());
    for (name, why) in [
        ("1", "1 is a tag, and not the name of a repository"),
        ("latest", "latest is a tag, and not the name of a repository"),
        ("Has Space", "Has Space is not a name that a registry can hold"),
    ] {
        let folder = case.path("l");
        let _ = std::fs::remove_dir_all(&folder);
        let mut layout = Layout::new(&folder);
        layout.image(&Image::new("a"), name);
        layout.close();
        for how in ["copy", "copy --all-images"] {
            let ran = case.ends(2, &format!("{how} oci:l docker://{}/x/", server.host()));
            case.check(ran.err.contains(why), why, &ran);
        }
    }
    case.end();
}

/// By digest to the same digest, to a tag, to nothing, to another digest (skopeo#2023): there, or refused.
#[test]
fn copies_by_digest() {
    let (mut case, server) = (Case::new(), Server::usual());
    let (one, two) = (Image::new("a"), Image::for_architecture("b", "arm64"));
    server.add("a/b", &one, "one");
    server.add("a/b", &two, "two");
    let children = [("amd64", &one), ("arm64", &two)]
        .map(|(architecture, image)| image.entry(&crate::images::platform("linux", architecture)));
    let all = index(&children);
    server.state().put_manifest("a/b", "1", INDEX, &all);
    let (it, child) = (digest(&all), digest(&two.manifest));
    let other = format!("sha256:{}", "0".repeat(64));
    let rows = [
        (format!("a/b@{it}"), format!("c/1@{it}"), Some(("c/1", it.as_str()))),
        (format!("a/b@{it}"), "c/2:t".to_owned(), Some(("c/2", "t"))),
        (format!("a/b@{it}"), "c/3".to_owned(), Some(("c/3", "latest"))),
        (format!("a/b:1@{it}"), format!("c/4:1@{it}"), Some(("c/4", "1"))),
        ("a/b:1".to_owned(), format!("c/5@{it}"), Some(("c/5", it.as_str()))),
        ("a/b:1".to_owned(), format!("c/6@{other}"), None),
        (format!("a/b:none@{it}"), "c/7:1".to_owned(), Some(("c/7", "1"))),
        (format!("a/b@{child}"), format!("c/8@{child}"), Some(("c/8", child.as_str()))),
    ];
    let host = server.host();
    for (from, to, wanted) in rows {
        let ran = case.run(&format!("copy docker://{host}/{from} docker://{host}/{to}"));
        let holds = match wanted {
            Some((repository, name)) => ran.good() && server.state().whole(repository, name),
            None => !ran.good(),
        };
        case.check(holds, &format!("{from} to {to}"), &ran);
    }
    assert!(!server.state().manifests.keys().any(|(repository, _)| repository == "c/6"));
    case.end();
}

/// All tags of a repository into another one (skopeo sync, crane cp -a, regsync), all images of an archive or a layout
/// into a repository: each arrives under a tag of its own, or nothing is written.
#[test]
fn many_images_into_one_repository() {
    let (mut case, server) = (Case::new(), Server::usual());
    let images = ["a", "b", "c"].map(Image::new);
    for (image, tag) in images.iter().zip(["0", "1", "2"]) {
        server.add("a/b", image, tag);
    }
    let folder = case.path("l");
    let mut layout = Layout::new(&folder);
    for (image, name) in images.iter().zip(["x", "y", "z"]) {
        layout.image(image, name);
    }
    layout.close();
    let named: [&[&str]; 3] = [&["app:1"], &["app:2"], &["other:1"]];
    let images: Vec<_> = images.iter().zip(named).collect();
    crate::images::save(&case.path("a.tar"), &images);
    crate::images::save(&case.path("one.tar"), &images[..2]);
    let host = server.host();
    let repository = format!("docker://{host}/a/b");
    for (from, to) in [
        (repository.as_str(), "c/1"),
        ("docker-archive:a.tar", "c/2"),
        ("docker-archive:one.tar", "c/3"),
        ("oci:l", "c/4"),
    ] {
        let dry = case.run(&format!("copy --dry-run --all-images {from} docker://{host}/{to}"));
        let ran = case.run(&format!("copy --all-images {from} docker://{host}/{to}"));
        let tags = server.state().tags_of(to).len();
        let all = if from.contains("one.tar") { 2 } else { 3 };
        case.check(dry.good() == ran.good(), "the dry run says otherwise", &dry);
        case.check(tags == if ran.good() { all } else { 0 }, &format!("{tags} tags"), &ran);
    }
    assert_eq!(server.state().tags_of("c/1"), ["0", "1", "2"]);
    case.end();
}

/// `docker://HOST/app` is `latest`, as everywhere; where that is not there, the error lists the tags.
#[test]
fn a_repository_without_a_tag() {
    let (mut case, server) = (Case::new(), Server::usual());
    let (one, two) = (Image::new("a"), Image::new("b"));
    server.add("x", &one, "1");
    server.add("x", &two, "latest");
    server.add("y", &one, "1");
    server.add("y", &one, "2");
    let host = server.host();
    let copied = case.ends(0, &format!("copy --json docker://{host}/x oci:l"));
    let said: Value = serde_json::from_str(&copied.out).unwrap();
    case.check(said["images"][0]["digest"] == digest(&two.manifest), "latest", &copied);
    let missing = case.ends(3, &format!("copy docker://{host}/y oci:m"));
    case.check(missing.err.contains("1, 2"), "the tags are listed", &missing);
    case.ends(0, &format!("inspect docker://{host}/x"));
    case.end();
}
