//! What is written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

use support::write::{Image, commit, put, writer, writer_with};
use support::{assert_error, count_of, hex, layer, pull_from, reader, tar_names, tar_text};
use tempfile::tempdir;
use transship_core::{
    Body, Commit, Descriptor, ErrorKind, Expect, ImageDestination, ImageName, Manifest, MediaType,
    ReadOptions, Shows, Transport, WriteMode, WriteOptions, media_types, sha256,
};
use transship_docker_archive::DockerArchive;

fn names(names: &[&str]) -> Vec<ImageName> {
    names.iter().map(|name| ImageName::new(name).unwrap()).collect()
}

async fn write(path: &Path, images: &[(&Image, &[&str])]) {
    let mut writer = writer(path).await.unwrap();
    for (image, given) in images {
        commit(writer.image(&names(given)).await.unwrap(), image).await.unwrap();
    }
    writer.finish().await.unwrap();
}

#[tokio::test]
async fn what_was_put_is_read_again() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let (a, b) = (Image::new("a", &["low", "high"]), Image::new("b", &["low"]));
    write(&path, &[(&a, &["x:1", "y.z/x"]), (&b, &[])]).await;
    for (selector, image) in [
        (":@0", &a),
        (":x:1", &a),
        (":y.z/x:latest", &a),
        (&*format!("@sha256:{}", hex(&a.config)), &a),
        (":@1", &b),
        (&*format!("@sha256:{}", hex(&b.config)), &b),
    ] {
        let pulled = pull_from(&path, selector).await.unwrap();
        assert_eq!((pulled.config, pulled.layers), (image.config.clone(), image.layers.clone()));
        assert_eq!(pulled.manifest, *image.manifest().bytes(), "{selector}");
    }
}

#[tokio::test]
async fn the_entries_and_their_order() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let (a, b) = (Image::new("a", &["low", "high"]), Image::new("b", &["low"]));
    write(&path, &[(&a, &["x:1", "h.x:5/x"]), (&b, &[])]).await;
    let (low, high) = (hex(&layer("low")), hex(&layer("high")));
    let all = tar_names(&path);
    let files: Vec<&str> =
        all.iter().filter(|name| !name.contains('/')).map(String::as_str).collect();
    let config = |image: &Image| format!("{}.json", hex(&image.config));
    let expected = [
        format!("{low}.tar"),
        format!("{high}.tar"),
        config(&a),
        config(&b),
        "manifest.json".to_owned(),
        "repositories".to_owned(),
    ];
    assert_eq!(files, expected);
    // Low of a, high of a, low as the top of b: three folders of three entries.
    assert_eq!(all.len(), files.len() + 9);
    let tops: Vec<&String> = all.iter().filter(|name| name.ends_with("/json")).collect();
    let top = tops[1].trim_end_matches("/json");
    assert_eq!(
        tar_text(&path, "repositories"),
        format!(r#"{{"docker.io/library/x":{{"1":"{top}"}},"h.x:5/x":{{"latest":"{top}"}}}}"#)
    );
    assert_eq!(
        tar_text(&path, "manifest.json"),
        format!(
            r#"[{{"Config":"{}","RepoTags":["docker.io/library/x:1","h.x:5/x:latest"],"Layers":["{low}.tar","{high}.tar"]}},{{"Config":"{}","RepoTags":null,"Layers":["{low}.tar"]}}]"#,
            config(&a),
            config(&b)
        )
    );
    let json: serde_json::Value = serde_json::from_str(&tar_text(&path, tops[1])).unwrap();
    assert_eq!(json["config"]["Healthcheck"]["Test"][0], "NONE");
    assert_eq!(json["parent"], tops[0].trim_end_matches("/json"));
    assert_eq!(tar_text(&path, &format!("{top}/VERSION")), "1.0");
}

#[tokio::test]
async fn the_same_images_give_the_same_bytes() {
    let folder = tempdir().unwrap();
    let (a, b) = (Image::new("a", &["low", "high"]), Image::new("b", &["low", "low"]));
    let mut written = Vec::new();
    for name in ["1.tar", "2.tar"] {
        let path = folder.path().join(name);
        write(&path, &[(&a, &["x:1"]), (&b, &["y:1", "z:1"])]).await;
        written.push(std::fs::read(path).unwrap());
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn one_image_alone_is_as_in_a_writer() {
    let folder = tempdir().unwrap();
    let (one, other) = (folder.path().join("1.tar"), folder.path().join("2.tar"));
    let image = Image::new("a", &["low"]);
    write(&one, &[(&image, &["x:1"])]).await;
    let transport = DockerArchive::new();
    let at = transport.parse(&format!("{}:x:1", other.display())).unwrap();
    let destination = transport.destination(&at, &WriteOptions::default()).await.unwrap();
    assert_eq!(destination.accepts().shows, Shows::AtCommit);
    let committed = commit(destination, &image).await.unwrap();
    assert_eq!(committed.references, [at]);
    assert_eq!(committed.descriptor, *image.manifest().descriptor());
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
}

#[tokio::test]
async fn names_of_one_image_alone() {
    let folder = tempdir().unwrap();
    let transport = DockerArchive::new();
    let image = Image::new("a", &["low"]);
    for (n, (at, given, fallback, expected)) in [
        ("", &[][..], &[][..], &[][..]),
        (":x:1", &["y:1", "x:1"], &["z:1"], &["docker.io/library/x:1", "docker.io/library/y:1"]),
        ("", &["y"], &["z:1"], &["docker.io/library/y:latest"]),
        ("", &[], &["UPPER", "z:1"], &["docker.io/library/z:1"]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{n}.tar"));
        let at = transport.parse(&format!("{}{at}", path.display())).unwrap();
        let mut how = WriteOptions::default();
        how.names = names(given);
        how.fallback_names = names(fallback);
        let destination = transport.destination(&at, &how).await.unwrap();
        let committed = commit(destination, &image).await.unwrap();
        let entry = reader(&path).await.unwrap().entries()[0].clone();
        assert_eq!(entry.names, names(expected));
        assert_eq!(committed.references.len(), expected.len().max(1));
        for reference in committed.references {
            assert!(
                transport.source(&reference, &ReadOptions::default()).await.is_ok(),
                "{reference}"
            );
        }
    }
}

#[tokio::test]
async fn references_that_cannot_be_written_to() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let transport = DockerArchive::new();
    let at = |selector: &str| transport.parse(&format!("{}{selector}", path.display())).unwrap();
    let id = format!("@sha256:{}", hex(b""));
    for selector in [":@0", &id] {
        let result = transport.destination(&at(selector), &WriteOptions::default()).await;
        assert_error(result, ErrorKind::InvalidInput, "read and not written");
    }
    for selector in [":@0", ":x:1", &id] {
        let archives = transport.archives().unwrap();
        let result = archives.write(&at(selector), &WriteOptions::default()).await;
        assert_error(result, ErrorKind::InvalidInput, "names an image");
    }
    let mut how = WriteOptions::default();
    how.names = names(&["no docker name"]);
    let result = transport.destination(&at(""), &how).await;
    assert_error(result, ErrorKind::Unsupported, "docker names only");
    let writer = writer(&path).await.unwrap();
    let digest = format!("x@sha256:{}", hex(b""));
    for bad in ["UPPER", &digest] {
        assert_error(writer.image(&names(&[bad])).await, ErrorKind::Unsupported, "docker names");
    }
}

#[tokio::test]
async fn one_config_is_one_image() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let (a, b) = (Image::new("a", &["low"]), Image::new("b", &["low"]));
    write(&path, &[(&a, &["a:1"]), (&b, &["b:1"]), (&a, &["a:2", "a:1"]), (&a, &[])]).await;
    let reader = reader(&path).await.unwrap();
    assert_eq!(reader.entries().len(), 2);
    let mut of_a = reader.entries()[0].names.clone();
    of_a.sort();
    assert_eq!(of_a, names(&["docker.io/library/a:1", "docker.io/library/a:2"]));
    assert_eq!(count_of(&path, "json"), 3, "two configs and manifest.json");
}

#[tokio::test]
async fn names_never_leak_and_move_to_the_later_image() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let [a, b, c] = ["a", "b", "c"].map(|what| Image::new(what, &["low"]));
    write(&path, &[(&a, &["x:1", "a:1"]), (&b, &[]), (&c, &["x:1"])]).await;
    let reader = reader(&path).await.unwrap();
    let all: Vec<_> = reader.entries().iter().map(|entry| entry.names.clone()).collect();
    let x = names(&["docker.io/library/x:1"]);
    assert_eq!(all, [names(&["docker.io/library/a:1"]), vec![], x]);
    assert_eq!(pull_from(&path, ":x:1").await.unwrap().config, c.config);
}

#[tokio::test]
async fn images_in_the_order_of_their_commits() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let (a, b) = (Image::new("a", &["low"]), Image::new("b", &["high"]));
    let mut writer = writer(&path).await.unwrap();
    let first = writer.image(&names(&["a:1"])).await.unwrap();
    let second = writer.image(&names(&["b:1"])).await.unwrap();
    put(&*first, &a).await.unwrap();
    commit(second, &b).await.unwrap();
    commit(first, &a).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(pull_from(&path, ":@0").await.unwrap().config, b.config);
    assert_eq!(pull_from(&path, ":@1").await.unwrap().config, a.config);
}

#[tokio::test]
async fn has_what_the_writer_has() {
    let folder = tempdir().unwrap();
    let writer = writer(&folder.path().join("a.tar")).await.unwrap();
    let image = Image::new("a", &["low"]);
    let (low, id) = (sha256(&image.layers[0]), sha256(&image.config));
    let has = async |d: &dyn ImageDestination, expect: Expect| d.has(&expect).await.unwrap();
    let first = writer.image(&[]).await.unwrap();
    assert_eq!(has(&*first, Expect::digest(low.clone())).await, None);
    put(&*first, &image).await.unwrap();
    let second = writer.image(&[]).await.unwrap();
    let size = image.layers[0].len() as u64;
    let found = has(&*second, Expect::digest(low.clone())).await.unwrap();
    assert_eq!((&found.digest, found.size), (&low, size));
    assert_eq!(has(&*second, Expect::digest(low).with_size(size + 1)).await, None);
    // A config belongs to its image until that is committed.
    assert_eq!(has(&*second, Expect::digest(id.clone())).await, None);
    assert!(has(&*first, Expect::digest(id.clone())).await.is_some());
    let manifest = image.manifest();
    first.commit(Commit::new(&manifest)).await.unwrap();
    assert!(has(&*second, Expect::digest(id)).await.is_some());
    second.commit(Commit::new(&manifest)).await.unwrap();
}

#[tokio::test]
async fn a_layer_is_there_once_however_it_comes() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    let image = Image::new("a", &["low"]);
    let destination = writer.image(&[]).await.unwrap();
    let body = || Body::from_bytes(image.layers[0].clone());
    let digest = sha256(&image.layers[0]);
    for expect in [Expect::anything(), Expect::anything(), Expect::digest(digest.clone())] {
        let stored = destination.put_blob(expect, body()).await.unwrap();
        assert_eq!(stored.digest, digest);
    }
    let bad = destination.put_blob(Expect::digest(digest), Body::from_bytes("other")).await;
    assert_error(bad, ErrorKind::Corrupt, "");
    commit(destination, &image).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(tar_names(&path).iter().filter(|name| !name.contains('/')).count(), 4);
}

#[tokio::test]
async fn a_config_of_which_nobody_said_what_it_is() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    let image = Image::new("a", &["low"]);
    let destination = writer.image(&[]).await.unwrap();
    for blob in [&image.config, &image.layers[0]] {
        destination.put_blob(Expect::anything(), Body::from_bytes(blob.clone())).await.unwrap();
    }
    destination.commit(Commit::new(&image.manifest())).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(pull_from(&path, "").await.unwrap().config, image.config);
}

#[tokio::test]
async fn docker_manifests_are_taken_and_served_as_oci() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    let image = Image::new("a", &["low"]);
    let destination = writer.image(&[]).await.unwrap();
    put(&*destination, &image).await.unwrap();
    let docker = image.manifest_of(
        media_types::DOCKER_MANIFEST,
        media_types::DOCKER_CONFIG,
        media_types::DOCKER_LAYER,
    );
    let committed = destination.commit(Commit::new(&docker)).await.unwrap();
    writer.finish().await.unwrap();
    let root = support::source(&path, "").await.unwrap().root().await.unwrap();
    assert_eq!(*root.descriptor(), committed.descriptor);
    assert_eq!(root, image.manifest());
}

#[tokio::test]
async fn what_an_archive_cannot_hold() {
    let folder = tempdir().unwrap();
    let writer = writer(&folder.path().join("a.tar")).await.unwrap();
    let image = Image::new("a", &["low"]);
    let refused = async |manifest: &Manifest, kind, says: &str| {
        let destination = writer.image(&[]).await.unwrap();
        put(&*destination, &image).await.unwrap();
        assert_error(destination.commit(Commit::new(manifest)).await, kind, says);
    };
    let index = Manifest::new(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    refused(&index, ErrorKind::Unsupported, "cannot hold").await;
    let (oci, tar) = (MediaType::ImageManifest, MediaType::ImageLayer);
    let artifact = image.manifest_of(oci.as_ref(), "application/x-thing", tar.as_ref());
    refused(&artifact, ErrorKind::Unsupported, "application/x-thing").await;

    let other = Image::new("a", &["low", "high"]);
    refused(&other.manifest(), ErrorKind::NotFound, "was not put").await;
    let fewer = Image { layers: vec![], ..image.clone() };
    refused(&fewer.manifest(), ErrorKind::Corrupt, "0 layers").await;
    let another = Image { layers: vec![layer("high").into()], ..image.clone() };
    refused(&another.manifest(), ErrorKind::Corrupt, "diff ID").await;

    let destination = writer.image(&[]).await.unwrap();
    assert_error(destination.put_manifest(&index).await, ErrorKind::Unsupported, "single images");
    let gzip = Expect::anything().with_media_type(MediaType::ImageLayerGzip);
    let result = destination.put_blob(gzip, Body::from_bytes("x")).await;
    assert_error(result, ErrorKind::Unsupported, "plain tars");
    put(&*destination, &image).await.unwrap();
    let manifest = image.manifest();
    let left_out = [Descriptor::new(tar, sha256(&image.layers[0]), 1)];
    let result = destination.commit(Commit::new(&manifest).without(&left_out)).await;
    assert_error(result, ErrorKind::Unsupported, "left out");
}

#[tokio::test]
async fn a_layer_that_was_not_put() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let mut writer = writer(&path).await.unwrap();
    let image = Image::new("a", &["low", "high"]);
    let destination = writer.image(&names(&["x:1"])).await.unwrap();
    let partly = Image { layers: vec![image.layers[0].clone()], ..image.clone() };
    put(&*destination, &partly).await.unwrap();
    let result = destination.commit(Commit::new(&image.manifest())).await;
    assert_error(result, ErrorKind::NotFound, hex(&image.layers[1]).as_str());
    // The failed commit has left nothing behind.
    let other = Image::new("b", &["low"]);
    commit(writer.image(&[]).await.unwrap(), &other).await.unwrap();
    writer.finish().await.unwrap();
    let reader = reader(&path).await.unwrap();
    assert_eq!(reader.entries().len(), 1);
    assert!(reader.entries()[0].names.is_empty());
}

#[tokio::test]
async fn modes() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let image = Image::new("a", &["low"]);
    write(&path, &[(&image, &["x:1"])]).await;
    assert_error(writer(&path).await, ErrorKind::AlreadyExists, "replace it");
    let before = std::fs::read(&path).unwrap();
    drop(writer_with(&path, WriteMode::Append).await.unwrap());
    assert!(std::fs::read(&path).unwrap() == before);
    let mut replacing = writer_with(&path, WriteMode::Replace).await.unwrap();
    let other = Image::new("b", &["high"]);
    commit(replacing.image(&names(&["y:1"])).await.unwrap(), &other).await.unwrap();
    assert_eq!(pull_from(&path, ":x:1").await.unwrap().config, image.config, "not before finish");
    replacing.finish().await.unwrap();
    assert_eq!(pull_from(&path, "").await.unwrap().config, other.config);
}

#[tokio::test]
async fn an_image_without_layers() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let image = Image::new("a", &[]);
    write(&path, &[(&image, &["x:1"])]).await;
    assert_eq!(tar_text(&path, "repositories"), "{}");
    assert_eq!(pull_from(&path, ":x:1").await.unwrap().config, image.config);
}
