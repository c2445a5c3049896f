//! Deleting from archives of every shape.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::tempdir;
use transship_core::{DeleteOptions, Deletion, ErrorKind, Result, Transport};
use transship_docker_archive::DockerArchive;

use crate::append::append;
use crate::support::write::Image;
use crate::support::{
    Tar, assert_error, config, gzip, hex, layer, manifest, pull_from, reader, save, tar_names,
};

pub(crate) async fn delete(path: &Path, selector: &str) -> Result<()> {
    let transport = DockerArchive::new();
    let at = transport.parse(&format!("{}{selector}", path.display()))?;
    Deletion::delete(&transport, &at, &DeleteOptions::default()).await
}

#[tokio::test]
async fn what_is_left_is_what_there_would_be() {
    let folder = tempdir().unwrap();
    let (path, alone) = (folder.path().join("a.tar"), folder.path().join("b.tar"));
    let (old, new) = (Image::new("old", &["low", "x"]), Image::new("new", &["low", "high"]));
    append(&alone, &new, &["y:1"]).await;
    append(&path, &old, &["x:1", "x:2"]).await;
    append(&path, &new, &["y:1"]).await;
    delete(&path, ":x:1").await.unwrap();
    assert_eq!(reader(&path).await.unwrap().entries().len(), 2);
    assert_eq!(pull_from(&path, ":x:2").await.unwrap().config, old.config);
    assert_error(delete(&path, ":x:1").await, ErrorKind::NotFound, "x:2");
    delete(&path, ":x:2").await.unwrap();
    assert_eq!(pull_from(&path, "").await.unwrap().config, new.config);
    let mut names = [tar_names(&path), tar_names(&alone)];
    for names in &mut names {
        names.sort();
    }
    assert_eq!(names[0], names[1]);
    let id = format!("@sha256:{}", hex(&new.config));
    delete(&path, &id).await.unwrap();
    assert!(reader(&path).await.unwrap().entries().is_empty());
    assert_eq!(tar_names(&path), ["manifest.json", "repositories"]);
    assert_error(delete(&path, "").await, ErrorKind::NotFound, "no image");
}

#[tokio::test]
async fn what_others_reach_through_links_that_are_not_followed_stays() {
    let folder = tempdir().unwrap();
    let (low, high) = (layer("low"), layer("high"));
    let (a, b) = (config("a", &[&low]), config("b", &[&high]));
    for target in ["store/a/../l", "/l.tar", "high.tar"] {
        let path = Tar::new()
            .file("a.json", &a)
            .file("b.json", &b)
            .file("low.tar", &low)
            .file("store/a/x", "")
            .file("store/l", &high)
            .symlink("high.tar", target)
            .file(
                "manifest.json",
                manifest(&[
                    ("a.json", &["a:1"], &["low.tar"]),
                    ("b.json", &["b:1"], &["high.tar"]),
                ]),
            )
            .save(folder.path());
        let before = fs::read(&path).unwrap();
        assert_error(delete(&path, ":a:1").await, ErrorKind::Corrupt, "nothing can be deleted");
        assert_eq!(fs::read(&path).unwrap(), before);
        delete(&path, ":b:1").await.unwrap();
        pull_from(&path, ":a:1").await.unwrap();
    }
}

#[tokio::test]
async fn what_others_reach_through_links_stays() {
    let folder = tempdir().unwrap();
    let (low, high) = (layer("low"), layer("high"));
    let (a, b) = (config("a", &[&low, &high]), config("b", &[&low]));
    let path = Tar::new()
        .file("1/layer.tar", &low)
        .file("1/json", "{}")
        .symlink("2/layer.tar", "../1/layer.tar")
        .hardlink("3/layer.tar", "1/layer.tar")
        .file("4/layer.tar", &high)
        .file("4/VERSION", "1.0")
        .symlink("5/layer.tar", "../4/layer.tar")
        .file("a.json", &a)
        .file("b.json", &b)
        .file("notes.txt", "of nobody")
        .file(
            "manifest.json",
            manifest(&[
                ("a.json", &["x:1"], &["1/layer.tar", "4/layer.tar"]),
                ("b.json", &["y:1"], &["3/layer.tar"]),
            ]),
        )
        .save(folder.path());
    delete(&path, ":@0").await.unwrap();
    let kept = [
        "1/layer.tar",
        "1/json",
        "2/layer.tar",
        "3/layer.tar",
        "b.json",
        "notes.txt",
        "manifest.json",
    ];
    assert_eq!(tar_names(&path), kept);
    assert_eq!(pull_from(&path, ":y:1").await.unwrap().layers, [low]);
}

#[tokio::test]
async fn of_a_layout_in_the_same_tar() {
    let folder = tempdir().unwrap();
    let images = [Image::new("a", &["low", "x"]), Image::new("b", &["low", "high"])];
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let mut tar = Tar::new().file(&blob(&images[0].layers[0]), &images[0].layers[0]);
    let (mut entries, mut list) = (Vec::new(), Vec::new());
    for (at, image) in images.iter().enumerate() {
        let document = image.manifest();
        let name = format!("docker.io/library/x:{at}");
        tar = tar
            .file(&blob(&image.layers[1]), &image.layers[1])
            .file(&blob(&image.config), &image.config)
            .file(&blob(document.bytes()), document.bytes());
        entries.push(json!({ "mediaType": document.descriptor().media_type.to_string(),
            "digest": document.descriptor().digest.to_string(), "size": document.bytes().len(),
            "annotations": { "io.containerd.image.name": name } }));
        let layers: Vec<_> = image.layers.iter().map(|layer| blob(layer)).collect();
        list.push(json!({ "Config": blob(&image.config), "RepoTags": [name], "Layers": layers }));
    }
    let path = tar
        .file("index.json", json!({ "schemaVersion": 2, "manifests": entries }).to_string())
        .file("manifest.json", json!(list).to_string())
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .save(folder.path());
    delete(&path, ":x:0").await.unwrap();
    let kept = [
        blob(&images[1].layers[0]),
        blob(&images[1].layers[1]),
        blob(&images[1].config),
        blob(images[1].manifest().bytes()),
        "oci-layout".to_owned(),
        "index.json".to_owned(),
        "manifest.json".to_owned(),
    ];
    assert_eq!(tar_names(&path), kept);
    assert_eq!(pull_from(&path, "").await.unwrap().manifest, images[1].manifest().bytes());
}

#[tokio::test]
async fn what_cannot_be_deleted_from() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    assert_error(delete(&path, "").await, ErrorKind::NotFound, "a.tar");
    let image = Image::new("a", &["low"]);
    append(&path, &image, &["x:1"]).await;
    append(&path, &Image::new("b", &[]), &[]).await;
    let before = fs::read(&path).unwrap();
    assert_error(delete(&path, "").await, ErrorKind::Ambiguous, "2 images");
    assert_error(delete(&path, ":@2").await, ErrorKind::NotFound, "@2");
    assert!(fs::read(&path).unwrap() == before);
    let path = save(folder.path(), &gzip(&before));
    assert_error(delete(&path, ":@0").await, ErrorKind::Unsupported, "compressed as a whole");
}
