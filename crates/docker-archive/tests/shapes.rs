//! The shapes that real tools write, built by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

use serde_json::json;
use support::{
    Tar, bzip2, config, gzip, hex, layer, manifest, one_layer, pull_from, save, xz, zstd,
};
use tempfile::tempdir;
use transship_core::{MediaType, sha256};

/// All of the image is there, with layers served as `served`, of a type.
async fn holds(path: &Path, config: &[u8], served: &[&[u8]], media_type: MediaType) {
    let pulled = pull_from(path, "").await.unwrap();
    assert_eq!(pulled.config, config);
    assert_eq!(pulled.layers, served);
    for (descriptor, bytes) in pulled.document.layers.iter().zip(served) {
        assert_eq!(descriptor.media_type, media_type);
        assert_eq!((&descriptor.digest, descriptor.size), (&sha256(bytes), bytes.len() as u64));
    }
    assert_eq!(pull_from(path, "").await.unwrap(), pulled, "another time");
    let id = format!("@sha256:{}", hex(config));
    assert_eq!(pull_from(path, &id).await.unwrap(), pulled, "by ID");
    assert_eq!(pull_from(path, ":x:1").await.unwrap(), pulled, "by name");
}

#[tokio::test]
async fn docker_before_25() {
    let folder = tempdir().unwrap();
    let (low, high) = (layer("low"), layer("high"));
    let config = config("a", &[&low, &high, &low]);
    let name = format!("{}.json", hex(&config));
    let path = Tar::new()
        .folder("1/")
        .file("1/VERSION", "1.0")
        .file("1/json", "{}")
        .file("1/layer.tar", &low)
        .file("2/layer.tar", &high)
        .symlink("3/layer.tar", "../1/layer.tar")
        .file(&name, &config)
        .file(
            "manifest.json",
            manifest(&[(&name, &["x:1"], &["1/layer.tar", "2/layer.tar", "3/layer.tar"])]),
        )
        .file("repositories", r#"{"x":{"1":"3"}}"#)
        .save(folder.path());
    holds(&path, &config, &[&low, &high, &low], MediaType::ImageLayer).await;
}

#[tokio::test]
async fn podman_and_skopeo() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let config = config("a", &[&low]);
    let (layer_name, name) = (format!("{}.tar", hex(&low)), format!("{}.json", hex(&config)));
    let path = Tar::new()
        .file(&layer_name, &low)
        .file(&name, &config)
        .symlink("1/layer.tar", &format!("../{layer_name}"))
        .file("manifest.json", manifest(&[(&name, &["docker.io/library/x:1"], &["1/layer.tar"])]))
        .save(folder.path());
    holds(&path, &config, &[&low], MediaType::ImageLayer).await;
}

/// A layout with one image, whose layers are stored as given.
fn with_layout(config: &[u8], layers: &[(&[u8], MediaType)], annotation: bool) -> (Tar, String) {
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let described = |bytes: &[u8], media_type: &str| json!({ "mediaType": media_type, "size": bytes.len(), "digest": sha256(bytes).to_string() });
    let stored = json!({
        "schemaVersion": 2,
        "config": described(config, "application/vnd.oci.image.config.v1+json"),
        "layers": layers.iter().map(|(b, t)| described(b, t.as_ref())).collect::<Vec<_>>(),
        "annotations": { "kept": "yes" },
    })
    .to_string();
    let mut entry = described(stored.as_bytes(), "application/vnd.oci.image.manifest.v1+json");
    if annotation {
        entry["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/x:1" });
    }
    let names: Vec<String> = layers.iter().map(|(bytes, _)| blob(bytes)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut tar = Tar::new()
        .folder("blobs/")
        .folder("blobs/sha256/")
        .file(&blob(config), config)
        .file(&blob(stored.as_bytes()), &stored)
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", json!({ "schemaVersion": 2, "manifests": [entry] }).to_string())
        .file("manifest.json", manifest(&[(&blob(config), &["x:1"], &names)]));
    for (bytes, _) in layers {
        tar = tar.file(&blob(bytes), bytes);
    }
    (tar, stored)
}

#[tokio::test]
async fn docker_since_25_serves_the_stored_manifest() {
    let folder = tempdir().unwrap();
    let (plain, squeezed) = (layer("plain"), gzip(&layer("squeezed")));
    let config = config("a", &[&plain, &layer("squeezed")]);
    let layers = [(&*plain, MediaType::ImageLayer), (&*squeezed, MediaType::ImageLayerGzip)];
    let (tar, stored) = with_layout(&config, &layers, true);
    let path = tar.save(folder.path());
    let pulled = pull_from(&path, ":x:1").await.unwrap();
    assert_eq!(pulled.manifest, stored);
    assert_eq!(pulled.layers, [plain, squeezed]);

    let source = support::source(&path, "").await.unwrap();
    let root = source.root().await.unwrap();
    assert_eq!(root.descriptor().annotations.len(), 0, "names are those of manifest.json");
    let reader = support::reader(&path).await.unwrap();
    let details = reader.details(&reader.entries()[0]).await.unwrap();
    assert_eq!(details.root.unwrap().digest, sha256(stored.as_bytes()));
}

#[tokio::test]
async fn a_stored_manifest_without_its_blobs_is_made_anew() {
    let folder = tempdir().unwrap();
    let plain = layer("plain");
    let config = config("a", &[&plain]);
    let (_, stored) = with_layout(&config, &[(&gzip(&plain), MediaType::ImageLayerGzip)], false);
    // The layout describes a gzip blob; manifest.json names the plain file that is there.
    let name = format!("blobs/sha256/{}", hex(&config));
    let entry = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": stored.len(), "digest": sha256(stored.as_bytes()).to_string() });
    let path = Tar::new()
        .file(&name, &config)
        .file(&format!("blobs/sha256/{}", hex(stored.as_bytes())), &stored)
        .file("l", &plain)
        .file("index.json", json!({ "schemaVersion": 2, "manifests": [entry] }).to_string())
        .file("manifest.json", manifest(&[(&name, &["x:1"], &["l"])]))
        .save(folder.path());
    holds(&path, &config, &[&plain], MediaType::ImageLayer).await;
}

#[tokio::test]
async fn a_broken_index_json_is_reported_and_left_alone() {
    let folder = tempdir().unwrap();
    let plain = layer("plain");
    let config = config("a", &[&plain]);
    let path = one_layer(&config, &plain).file("index.json", "nonsense").save(folder.path());
    holds(&path, &config, &[&plain], MediaType::ImageLayer).await;
}

#[tokio::test]
async fn layers_compressed_inside() {
    let plain = layer("plain");
    let config = config("a", &[&plain]);
    for (stored, media_type) in [
        (gzip(&plain), MediaType::ImageLayerGzip),
        (zstd(&plain), MediaType::ImageLayerZstd),
        ([gzip(&plain[..700]), gzip(&plain[700..])].concat(), MediaType::ImageLayerGzip),
        ([zstd(&plain[..700]), zstd(&plain[700..])].concat(), MediaType::ImageLayerZstd),
    ] {
        let folder = tempdir().unwrap();
        let path = one_layer(&config, &stored).save(folder.path());
        holds(&path, &config, &[&stored], media_type).await;
    }
    for stored in [bzip2(&plain), xz(&plain)] {
        let folder = tempdir().unwrap();
        let path = one_layer(&config, &stored).save(folder.path());
        holds(&path, &config, &[&plain], MediaType::ImageLayer).await;
    }
}

#[tokio::test]
async fn crane_ko_and_bazel() {
    let folder = tempdir().unwrap();
    let stored = gzip(&layer("low"));
    let config = config("a", &[&layer("low")]);
    let (layer_name, name) =
        (format!("./{}.tar.gz", hex(&stored)), format!("sha256:{}", hex(&config)));
    let path = Tar::new()
        .file(
            "./manifest.json",
            manifest(&[(&name, &["x:1"], &[layer_name.trim_start_matches("./")])]),
        )
        .file(&name, &config)
        .file(&layer_name, &stored)
        .save(folder.path());
    holds(&path, &config, &[&stored], MediaType::ImageLayerGzip).await;
}

#[tokio::test]
async fn links_of_all_kinds() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let config = config("a", &[&low, &low, &low, &low]);
    let path = Tar::new()
        .file("real/l", &low)
        .hardlink("hard", "real/l")
        .symlink("1/a", "../2/b")
        .symlink("2/b", "./../hard")
        .symlink("c", "1/a")
        .symlink("config", "c.json")
        .symlink("linked", "real")
        .file("c.json", &config)
        .file(
            "manifest.json",
            manifest(&[("config", &["x:1"], &["hard", "c", "./real//l", "linked/l"])]),
        )
        .save(folder.path());
    holds(&path, &config, &[&low, &low, &low, &low], MediaType::ImageLayer).await;
    // Nothing is missing, also where a link is no name of an entry itself.
    let reader = support::reader(&path).await.unwrap();
    assert_eq!(reader.entries()[0].warnings, [""; 0]);
}

#[tokio::test]
async fn outer_compression_by_content() {
    let low = layer("low");
    let config = config("a", &[&low]);
    let tar = one_layer(&config, &low).end();
    for compression in [gzip(&tar), zstd(&tar), bzip2(&tar), xz(&tar)] {
        let folder = tempdir().unwrap();
        let path = save(folder.path(), &compression);
        holds(&path, &config, &[&low], MediaType::ImageLayer).await;
    }
}

#[tokio::test]
async fn no_layers_and_empty_ones() {
    let folder = tempdir().unwrap();
    let none = config("none", &[]);
    let path = Tar::new()
        .file("c.json", &none)
        .file("manifest.json", r#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":null}]"#)
        .save(folder.path());
    holds(&path, &none, &[], MediaType::ImageLayer).await;

    let empty = config("empty", &[b"", &layer("x")]);
    let path = Tar::new()
        .file("empty", "")
        .file("x", layer("x"))
        .file("c.json", &empty)
        .file("manifest.json", manifest(&[("c.json", &["x:1"], &["empty", "x"])]))
        .save(folder.path());
    holds(&path, &empty, &[b"", &layer("x")], MediaType::ImageLayer).await;
}
