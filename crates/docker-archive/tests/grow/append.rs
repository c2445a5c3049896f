//! Appender archives of every shape.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;
use transship_core::{ErrorKind, ImageName, MediaType, WriteMode, sha256};

use crate::support::write::{Image, commit, put, writer_with};
use crate::support::{
    Tar, assert_error, config, gzip, hex, layer, manifest, pull_from, save, tar_names, tar_text,
};

/// Joins an archive with an image.
pub(crate) async fn append(path: &Path, image: &Image, names: &[&str]) {
    let mut writer = writer_with(path, WriteMode::Append).await.unwrap();
    let names: Vec<_> = names.iter().map(|name| ImageName::new(name).unwrap()).collect();
    commit(writer.image(&names).await.unwrap(), image).await.unwrap();
    writer.finish().await.unwrap();
}

async fn holds(path: &Path, selector: &str, image: &Image) {
    let pulled = pull_from(path, selector).await.unwrap();
    assert_eq!(pulled.config, image.config, "{selector}");
    assert_eq!(pulled.layers, image.layers, "{selector}");
}

/// Every entry that was there is there, with its bytes, but for the documents.
fn keeps(path: &Path, before: &[u8]) {
    let all = |bytes: &[u8]| {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = entry.header().as_bytes().to_vec();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect::<Vec<_>>()
    };
    let (old, new) = (all(before), all(&fs::read(path).unwrap()));
    let documents = ["manifest.json", "./manifest.json", "repositories", "index.json"];
    let old: Vec<_> = old.iter().filter(|(name, _)| !documents.contains(&&**name)).collect();
    assert!(!old.is_empty());
    for (at, entry) in old.iter().enumerate() {
        assert!(new[at] == **entry, "{} has changed", entry.0);
    }
}

/// The old image is `x:1`, with the layer `low`; more come.
async fn grows(path: &Path, old: &Image, files_for_low: &[&str]) {
    let before = fs::read(path).unwrap();
    let new = Image::new("new", &["low", "high"]);
    append(path, &new, &["y:1"]).await;
    keeps(path, &before);
    holds(path, ":y:1", &new).await;
    let pulled = pull_from(path, ":x:1").await.unwrap();
    assert_eq!(pulled.config, old.config);
    let listed: Value = serde_json::from_str(&tar_text(path, "manifest.json")).unwrap();
    assert_eq!(listed[0]["RepoTags"], json!(["x:1"]));
    let low = listed[1]["Layers"][0].as_str().unwrap();
    assert!(files_for_low.contains(&low), "{low} instead of one of {files_for_low:?}");
    // The same again changes nothing.
    let before = fs::read(path).unwrap();
    append(path, &new, &["y:1"]).await;
    append(path, old, &[]).await;
    assert!(fs::read(path).unwrap() == before, "it has grown by what it had");
    // A name moves.
    append(path, &new, &["x:1", "z:1"]).await;
    holds(path, ":x:1", &new).await;
    let listed: Value = serde_json::from_str(&tar_text(path, "manifest.json")).unwrap();
    assert_eq!(listed[0]["RepoTags"], Value::Null);
    assert_eq!(pull_from(path, ":@0").await.unwrap().config, old.config);
}

fn old() -> (Image, String, String) {
    let old = Image::new("old", &["low"]);
    let (config, low) = (hex(&old.config), hex(&old.layers[0]));
    (old, config, low)
}

#[tokio::test]
async fn our_own() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let (old, _, low) = old();
    append(&path, &old, &["docker.io/library/x:1"]).await;
    let before = fs::read(&path).unwrap();
    let new = Image::new("new", &["low", "high"]);
    append(&path, &new, &["docker.io/library/y:1"]).await;
    keeps(&path, &before);
    let names = tar_names(&path);
    assert_eq!(names.iter().filter(|name| name.contains(&low)).count(), 1, "{names:?}");
    holds(&path, ":x:1", &old).await;
    holds(&path, ":y:1", &new).await;
    // The same bytes as if both had been written at once.
    let together = folder.path().join("b.tar");
    let mut writer = writer_with(&together, WriteMode::Create).await.unwrap();
    for (image, name) in [(&old, "x:1"), (&new, "y:1")] {
        let names = [ImageName::new(name).unwrap()];
        commit(writer.image(&names).await.unwrap(), image).await.unwrap();
    }
    writer.finish().await.unwrap();
    assert!(fs::read(&path).unwrap() == fs::read(&together).unwrap());
}

#[tokio::test]
async fn of_podman_with_legacy_folders() {
    let folder = tempdir().unwrap();
    let (old, config, low) = old();
    let (config, file) = (format!("{config}.json"), format!("{low}.tar"));
    // Below the top, a legacy folder's ID is the same for all who compute it; its `json` is not.
    let id = {
        let text = json!({ "layer_id": format!("sha256:{low}") }).to_string();
        sha256(text.as_bytes()).encoded().to_owned()
    };
    let path = Tar::new()
        .file(&file, &old.layers[0])
        .symlink(&format!("{id}/layer.tar"), &format!("../{file}"))
        .file(&format!("{id}/VERSION"), "1.0")
        .file(&format!("{id}/json"), r#"{"id":"of theirs"}"#)
        .file(&config, &old.config)
        .file("notes.txt", "of nobody")
        .file("repositories", json!({ "x": { "1": id } }).to_string())
        .file("manifest.json", manifest(&[(&config, &["x:1"], &[&file])]))
        .save(folder.path());
    grows(&path, &old, &[&file]).await;
    assert_eq!(tar_text(&path, &format!("{id}/json")), r#"{"id":"of theirs"}"#);
    let repositories: Value = serde_json::from_str(&tar_text(&path, "repositories")).unwrap();
    assert_eq!(repositories.get("x"), None, "{repositories}");
    assert!(repositories["docker.io/library/x"]["1"].is_string(), "{repositories}");
}

#[tokio::test]
async fn of_docker_before_25_and_through_links() {
    let folder = tempdir().unwrap();
    let (old, config, _) = old();
    let config = format!("{config}.json");
    let path = Tar::new()
        .file("1/layer.tar", &old.layers[0])
        .symlink("2/layer.tar", "../1/layer.tar")
        .file(&config, &old.config)
        .file("manifest.json", manifest(&[(&config, &["x:1"], &["2/layer.tar"])]))
        .save(folder.path());
    grows(&path, &old, &["2/layer.tar"]).await;
}

#[tokio::test]
async fn manifest_first_and_layers_compressed_inside() {
    let folder = tempdir().unwrap();
    let (old, config, _) = old();
    let config = format!("sha256:{config}");
    let path = Tar::new()
        .file("./manifest.json", manifest(&[(&config, &["x:1"], &["low.tar.gz"])]))
        .file("./low.tar.gz", gzip(&old.layers[0]))
        .file(&config, &old.config)
        .save(folder.path());
    let before = fs::read(&path).unwrap();
    let new = Image::new("new", &["low", "high"]);
    append(&path, &new, &["y:1"]).await;
    keeps(&path, &before);
    let pulled = pull_from(&path, ":y:1").await.unwrap();
    assert_eq!(pulled.layers, [&gzip(&new.layers[0]), &new.layers[1][..]], "the layer is shared");
    assert_eq!(pulled.document.layers[0].media_type, MediaType::ImageLayerGzip);
    let before = fs::read(&path).unwrap();
    append(&path, &new, &["y:1"]).await;
    append(&path, &old, &["x:1"]).await;
    let listed: Value = serde_json::from_str(&tar_text(&path, "manifest.json")).unwrap();
    assert_eq!(listed[0]["RepoTags"], json!(["x:1"]));
    assert!(fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn of_docker_since_25() {
    let folder = tempdir().unwrap();
    let (old, config, low) = old();
    let document = old.manifest();
    let blob = |hex: &str| format!("blobs/sha256/{hex}");
    let entry = json!({ "mediaType": document.descriptor().media_type.to_string(),
        "digest": document.descriptor().digest.to_string(), "size": document.descriptor().size,
        "annotations": { "io.containerd.image.name": "docker.io/library/x:1",
            "org.opencontainers.image.ref.name": "1" } });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    let (config, file) = (blob(&config), blob(&low));
    let list = json!([{ "Config": config, "RepoTags": ["x:1"], "Layers": [file],
        "LayerSources": { format!("sha256:{low}"): { "size": 1 } } }]);
    let path = Tar::new()
        .folder("blobs/")
        .folder("blobs/sha256/")
        .file(&file, &old.layers[0])
        .file(&config, &old.config)
        .file(&blob(document.descriptor().digest.encoded()), document.bytes())
        .file("index.json", index.to_string())
        .file("manifest.json", list.to_string())
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .save(folder.path());
    grows(&path, &old, &[&file]).await;
    let index: Value = serde_json::from_str(&tar_text(&path, "index.json")).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let name = |at: usize| entries[at]["annotations"]["io.containerd.image.name"].as_str();
    // The old one has lost its name, and is there.
    assert_eq!(entries[0]["digest"], document.descriptor().digest.to_string());
    assert_eq!(name(0), None);
    let names: Vec<_> = (1..entries.len()).filter_map(name).collect();
    assert_eq!(names.len(), 3, "{index}");
    assert!(entries[1..].iter().all(|entry| entry["digest"] == entries[1]["digest"]));
    let manifest = entries[1]["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    let manifest: Value = serde_json::from_str(&tar_text(&path, &manifest)).unwrap();
    assert_eq!(manifest["layers"][0]["digest"], format!("sha256:{low}"));
    let listed: Value = serde_json::from_str(&tar_text(&path, "manifest.json")).unwrap();
    assert!(listed[0]["LayerSources"].is_object(), "{listed}");
}

#[tokio::test]
async fn files_that_are_not_what_they_are_called() {
    let folder = tempdir().unwrap();
    let new = Image::new("new", &["low"]);
    let other = config("other", &[]);
    let (layer_file, config_file) =
        (format!("{}.tar", hex(&new.layers[0])), format!("{}.json", hex(&new.config)));
    let path = Tar::new()
        .file(&layer_file, layer("high"))
        .file(&config_file, "no config")
        .file("c.json", &other)
        .file("manifest.json", manifest(&[("c.json", &[], &[])]))
        .save(folder.path());
    let before = fs::read(&path).unwrap();
    append(&path, &new, &["x:1"]).await;
    keeps(&path, &before);
    holds(&path, ":x:1", &new).await;
}

/// An image that comes again brings what of it was damaged or missing, for all images that share it, and only once.
#[tokio::test]
async fn what_comes_again_mends_what_was_damaged() {
    let folder = tempdir().unwrap();
    let image = Image::new("old", &["low", "high"]);
    let sharing = config("sharing", &[&image.layers[0]]);
    let low = |bytes: Option<&[u8]>, name: &str| {
        let mut tar = Tar::new().file("c.json", &image.config).file("s.json", &sharing);
        if let Some(bytes) = bytes {
            tar = tar.file(name, bytes);
        }
        let listed: &[(&str, &[&str], &[&str])] = &[
            ("c.json", &["x:1"], &["l/layer.tar", "high.tar"]),
            ("s.json", &["s:1"], &["l/layer.tar"]),
        ];
        tar.file("high.tar", &image.layers[1]).file("manifest.json", manifest(listed))
    };
    let mut damaged = image.layers[0].to_vec();
    damaged[600] ^= 1;
    let cut = &image.layers[0][..1024];
    for tar in [
        low(Some(&damaged), "l/layer.tar"),
        low(Some(cut), "l/layer.tar"),
        low(None, ""),
        low(Some(&damaged), "elsewhere.tar").symlink("l/layer.tar", "../elsewhere.tar"),
    ] {
        let path = tar.save(folder.path());
        append(&path, &image, &["x:1"]).await;
        holds(&path, ":x:1", &image).await;
        let shared = pull_from(&path, ":s:1").await.unwrap();
        assert_eq!(shared.layers, image.layers[..1]);
        // Now it is whole, and stays as it is.
        let mended = fs::read(&path).unwrap();
        append(&path, &image, &["x:1"]).await;
        assert!(fs::read(&path).unwrap() == mended);
        assert!(tar_names(&path).iter().all(|name| !name.contains("-1")), "{:?}", tar_names(&path));
    }
}

/// What stands for two layers cannot become one of them: an error says so, and the archive stays.
#[tokio::test]
async fn what_cannot_be_mended_is_an_error() {
    let folder = tempdir().unwrap();
    let image = Image::new("old", &["low"]);
    let other = config("other", &[&layer("other")]);
    let listed: &[(&str, &[&str], &[&str])] =
        &[("c.json", &["x:1"], &["l.tar"]), ("o.json", &["o:1"], &["l.tar"])];
    let path = Tar::new()
        .file("c.json", &image.config)
        .file("o.json", &other)
        .file("l.tar", layer("other"))
        .file("manifest.json", manifest(listed))
        .save(folder.path());
    let before = fs::read(&path).unwrap();
    let writer = writer_with(&path, WriteMode::Append).await.unwrap();
    let opened = writer.image(&[ImageName::new("x:1").unwrap()]).await.unwrap();
    put(&*opened, &image).await.unwrap();
    let committed = opened.commit(transship_core::Commit::new(&image.manifest())).await;
    assert_error(committed, ErrorKind::Corrupt, "cannot be mended");
    drop(writer);
    assert!(fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn what_cannot_be_joined() {
    let folder = tempdir().unwrap();
    let open = async |bytes: &[u8]| {
        let path = save(folder.path(), bytes);
        writer_with(&path, WriteMode::Append).await
    };
    let layout = Tar::new().file("oci-layout", "{}").file("index.json", "{}").end();
    assert_error(open(&layout).await, ErrorKind::Unsupported, "oci-archive:");
    assert_error(open(&gzip(&layout)).await, ErrorKind::Unsupported, "compressed as a whole");
    let list = Tar::new().file("manifest.json", "[").end();
    assert_error(open(&list).await, ErrorKind::Corrupt, "manifest.json");
    let output = writer_with(Path::new("-"), WriteMode::Append).await;
    assert_error(output, ErrorKind::Unsupported, "standard input or output");
}

/// A layout in the same tar: what is not what its name says gives way, so that its readers see the image, too.
#[tokio::test]
async fn damaged_blobs_of_a_layout_are_mended() {
    let folder = tempdir().unwrap();
    let (old, new) = (Image::new("old", &["low"]), Image::new("new", &["low", "high"]));
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let base = || {
        let (config, low) = (blob(&old.config), blob(&old.layers[0]));
        Tar::new()
            .file(&low, &old.layers[0])
            .file(&config, &old.config)
            .file("index.json", r#"{"schemaVersion":2,"manifests":[]}"#)
            .file("manifest.json", manifest(&[(&config, &["o:1"], &[&low])]))
            .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
    };
    let document = new.manifest();
    let (config, root) = (blob(&new.config), blob(document.bytes()));
    for files in [vec![&root], vec![&config], vec![&root, &config], vec![]] {
        let tar = files.iter().fold(base(), |tar, name| tar.file(name, "junk"));
        let path = tar.save(folder.path());
        append(&path, &new, &["n:1"]).await;
        assert_eq!(tar_text(&path, &root).as_bytes(), document.bytes(), "{files:?}");
        assert_eq!(tar_text(&path, &config).as_bytes(), new.config, "{files:?}");
        holds(&path, ":n:1", &new).await;
        holds(&path, ":o:1", &old).await;
        // Damaged later, or taken away.
        let whole = fs::read(&path).unwrap();
        let at = whole.windows(document.bytes().len()).position(|part| part == document.bytes());
        let mut damaged = whole.clone();
        damaged[at.unwrap() + 3] ^= 1;
        fs::write(&path, &damaged).unwrap();
        append(&path, &new, &["n:1"]).await;
        assert_eq!(tar_text(&path, &root).as_bytes(), document.bytes(), "{files:?}");
    }
}
