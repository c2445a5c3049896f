//! Which image a reference means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::PathBuf;

use support::{Tar, assert_error, config, hex, layer, manifest, pull_from, reader, source};
use tempfile::{TempDir, tempdir};
use transship_core::ErrorKind;

/// `(config text, tags)` as images that share one layer; images of one text share the config too.
fn archive(images: &[(&str, &[&str])]) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let mut tar = Tar::new().file("l", &low);
    let mut names: Vec<String> = Vec::new();
    for (what, _) in images {
        let name = format!("{what}.json");
        if !names.contains(&name) {
            tar = tar.file(&name, config(what, &[&low]));
        }
        names.push(name);
    }
    let listed: Vec<(&str, &[&str], &[&str])> = images
        .iter()
        .zip(&names)
        .map(|((_, tags), name)| (name.as_str(), *tags, &["l"] as &[&str]))
        .collect();
    let path = tar.file("manifest.json", manifest(&listed)).save(folder.path());
    (folder, path)
}

async fn chosen(path: &std::path::Path, selector: &str) -> String {
    let config = pull_from(path, selector).await.unwrap().config;
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    config["config"]["Cmd"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn by_name_on_both_sides_normalized() {
    let (_folder, path) = archive(&[
        ("a", &["a:1", "docker.io/library/a"]),
        ("b", &["host.x:5000/b/c:2"]),
        ("c", &[]),
    ]);
    assert_eq!(chosen(&path, ":docker.io/library/a:1").await, "a");
    assert_eq!(chosen(&path, ":index.docker.io/a").await, "a");
    assert_eq!(chosen(&path, ":host.x:5000/b/c:2").await, "b");
    let names = source(&path, ":@0").await.unwrap().names().to_vec();
    let names: Vec<&str> = names.iter().map(transship_core::ImageName::as_str).collect();
    assert_eq!(names, ["docker.io/library/a:1", "docker.io/library/a:latest"]);
}

#[tokio::test]
async fn by_index_and_id() {
    let (_folder, path) = archive(&[("a", &["a:1"]), ("b", &[]), ("c", &[])]);
    assert_eq!(chosen(&path, ":@1").await, "b");
    assert_eq!(chosen(&path, ":@2").await, "c");
    let id = hex(&config("c", &[&layer("low")]));
    assert_eq!(chosen(&path, &format!("@sha256:{id}")).await, "c");
}

#[tokio::test]
async fn a_file_name_is_no_image_id() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let (a, b) = (config("a", &[&low]), config("b", &[&low]));
    // b's file bears a's ID.
    let lie = format!("{}.json", hex(&a));
    let path = Tar::new()
        .file("l", &low)
        .file(&lie, &b)
        .file("real.json", &a)
        .file("manifest.json", manifest(&[(&lie, &["b:1"], &["l"]), ("real.json", &[], &["l"])]))
        .save(folder.path());
    assert_eq!(chosen(&path, &format!("@sha256:{}", hex(&a))).await, "a");
    assert_eq!(chosen(&path, &format!("@sha256:{}", hex(&b))).await, "b");
}

#[tokio::test]
async fn what_is_not_there_lists_what_is() {
    let (_folder, path) = archive(&[("a", &["a:1"]), ("b", &[])]);
    let missing = format!("@sha256:{}", "0".repeat(64));
    for selector in [":a:2", ":@2", &missing] {
        let result = source(&path, selector).await;
        assert_error(
            result,
            ErrorKind::NotFound,
            "it holds a:1 (@0), an untagged one (@1); choose",
        );
    }
}

#[tokio::test]
async fn several_and_none_chosen() {
    let tags: Vec<String> = (0..4000).map(|n| format!("x:{n}")).collect();
    let tags: Vec<[&str; 1]> = tags.iter().map(|tag| [tag.as_str()]).collect();
    let images: Vec<(&str, &[&str])> = tags.iter().map(|tag| ("a", tag.as_slice())).collect();
    let (_folder, path) = archive(&images);
    let error = source(&path, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ambiguous);
    let text = error.to_string();
    assert!(text.contains("x:19 (@19) and 3980 more") && text.len() < 1000, "{text}");
    assert_eq!(chosen(&path, ":@3999").await, "a");
}

#[tokio::test]
async fn no_image_at_all() {
    let folder = tempdir().unwrap();
    let path = Tar::new().file("manifest.json", "[]").save(folder.path());
    assert_error(source(&path, "").await, ErrorKind::NotFound, "holds no image");
    assert_error(source(&path, ":@0").await, ErrorKind::NotFound, "holds no image");
    assert!(reader(&path).await.unwrap().entries().is_empty());
}

#[tokio::test]
async fn two_images_with_one_name() {
    let (_folder, path) = archive(&[("a", &["x:1"]), ("b", &["docker.io/x:1"]), ("c", &["c:1"])]);
    let result = source(&path, ":x:1").await;
    assert_error(result, ErrorKind::Ambiguous, "2 images are named docker.io/library/x:1");
    assert_eq!(chosen(&path, ":@0").await, "a");
    assert_eq!(chosen(&path, ":@1").await, "b");
    assert_eq!(chosen(&path, ":c:1").await, "c");
    let reader = reader(&path).await.unwrap();
    assert!(reader.entries()[1].warnings[0].contains("named docker.io/library/x:1 too"));
    assert!(reader.entries()[2].warnings.is_empty());
}

#[tokio::test]
async fn a_bad_tag_hides_nothing() {
    let (_folder, path) =
        archive(&[("a", &["UPPER:1", "<none>:<none>", "ok:1"]), ("b", &["b:1", "b:1"])]);
    assert_eq!(chosen(&path, ":ok:1").await, "a");
    assert_eq!(chosen(&path, ":b:1").await, "b");
    assert_eq!(chosen(&path, ":@0").await, "a");
    let reader = reader(&path).await.unwrap();
    let entry = &reader.entries()[0];
    assert_eq!((entry.names.len(), entry.raw_names.len(), entry.warnings.len()), (1, 3, 2));
    assert_eq!(reader.entries()[1].names.len(), 1);
}

#[tokio::test]
async fn one_config_under_two_entries() {
    let (_folder, path) = archive(&[("a", &["x:1"]), ("a", &["x:2"])]);
    let id = hex(&config("a", &[&layer("low")]));
    assert_eq!(chosen(&path, &format!("@sha256:{id}")).await, "a");
    assert_eq!(chosen(&path, ":x:2").await, "a");
}

#[tokio::test]
async fn only_the_chosen_config_is_read() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let path = Tar::new()
        .file("l", &low)
        .file("bad.json", "no config")
        .file("c.json", config("c", &[&low]))
        .file(
            "manifest.json",
            manifest(&[("bad.json", &["bad:1"], &["l"]), ("c.json", &["c:1"], &["l"])]),
        )
        .save(folder.path());
    assert_eq!(chosen(&path, ":c:1").await, "c");
    assert_eq!(chosen(&path, ":@1").await, "c");
    let id = hex(&config("c", &[&low]));
    assert_eq!(chosen(&path, &format!("@sha256:{id}")).await, "c");
    assert_error(pull_from(&path, ":bad:1").await, ErrorKind::Corrupt, "bad.json");
}

#[tokio::test]
async fn entries_open_from_their_references() {
    let (_folder, path) = archive(&[("a", &["x:1"]), ("b", &[])]);
    let reader = reader(&path).await.unwrap();
    for (entry, what) in reader.entries().iter().zip(["a", "b"]) {
        let text = entry.reference.locator().strip_prefix(reader.reference().locator()).unwrap();
        assert_eq!(chosen(&path, text).await, what);
        let source = reader.open(entry).await.unwrap();
        assert_eq!(source.reference(), &entry.reference);
    }
    let (_other_folder, other) = archive(&[("a", &["x:1"])]);
    let foreign = support::reader(&other).await.unwrap().entries()[0].clone();
    assert_error(reader.open(&foreign).await, ErrorKind::NotFound, "is no image of it");
}
