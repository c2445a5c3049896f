//! Archives that are wrong on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

use support::{
    Tar, assert_error, config, gzip, hex, layer, manifest, one_layer, pull_from, reader, save,
    source, through_every_door, zstd,
};
use tempfile::tempdir;
use transship_core::{Document, ErrorKind, sha256};

/// The first layer, asked for through every door, is `Corrupt`.
async fn layer_is_corrupt_on_every_door(path: &Path, scratch: &Path, says: &str) {
    let source = source(path, "").await.unwrap();
    let root = source.root().await.unwrap();
    let Document::Image(image) = root.document() else { panic!("an index") };
    let errors = through_every_door(&*source, &image.layers[0], scratch).await;
    assert_eq!(errors.len(), 4, "each door fails");
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_plain_layer() {
    let folder = tempdir().unwrap();
    for size in [600, 3 << 20] {
        let mut bytes = vec![7; size];
        let config = config("a", &[&bytes]);
        bytes[size / 2] ^= 4;
        let path = one_layer(&config, &bytes).save(folder.path());
        layer_is_corrupt_on_every_door(&path, folder.path(), "its content is not what").await;
    }
}

#[tokio::test]
async fn another_plain_layer_inside_a_compressed_one() {
    let folder = tempdir().unwrap();
    for size in [600, 3 << 20] {
        let mut plain = vec![7; size];
        let config = config("a", &[&plain]);
        plain[size / 2] ^= 4;
        for stored in [gzip(&plain), zstd(&plain)] {
            let path = one_layer(&config, &stored).save(folder.path());
            layer_is_corrupt_on_every_door(&path, folder.path(), "diff ID").await;
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_in_a_compressed_layer() {
    let folder = tempdir().unwrap();
    let plain = layer("plain");
    let config = config("a", &[&plain]);
    for mut stored in [gzip(&plain), zstd(&plain)] {
        let middle = stored.len() / 2;
        stored[middle] ^= 4;
        let path = one_layer(&config, &stored).save(folder.path());
        layer_is_corrupt_on_every_door(&path, folder.path(), "").await;
    }
}

#[tokio::test]
async fn a_compressed_layer_that_is_cut_off_or_goes_on() {
    let folder = tempdir().unwrap();
    let plain = layer("plain");
    let config = config("a", &[&plain]);
    let whole = gzip(&plain);
    for stored in [whole[..whole.len() - 3].to_vec(), [&whole[..], b"garbage behind it"].concat()] {
        let path = one_layer(&config, &stored).save(folder.path());
        layer_is_corrupt_on_every_door(&path, folder.path(), "malformed").await;
    }
}

/// An archive whose layout has a manifest with the right config, over another layer of some type.
fn with_stored_manifest(config: &[u8], real: &[u8], other: &[u8], media_type: &str) -> Tar {
    let stored = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"{media_type}","digest":"{}","size":{}}}]}}"#,
        sha256(config),
        config.len(),
        sha256(other),
        other.len()
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{}}}]}}"#,
        sha256(stored.as_bytes()),
        stored.len()
    );
    one_layer(config, real)
        .file("index.json", index)
        .file(&format!("blobs/sha256/{}", hex(stored.as_bytes())), &stored)
        .file(&format!("blobs/sha256/{}", hex(config)), config)
        .file(&format!("blobs/sha256/{}", hex(other)), other)
}

#[tokio::test]
async fn a_stored_manifest_over_other_layers() {
    let folder = tempdir().unwrap();
    let (real, other) = (layer("real"), layer("other"));
    let config = config("a", &[&real]);
    for other in [other.clone(), gzip(&other)] {
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let path = with_stored_manifest(&config, &real, &other, tar).save(folder.path());
        layer_is_corrupt_on_every_door(&path, folder.path(), "diff ID").await;
    }
}

/// Of such a layer nobody knows what its diff ID is of: the manifest is not used, and the layer is that of `manifest.json`.
#[tokio::test]
async fn a_stored_manifest_with_a_layer_that_is_no_tar() {
    let folder = tempdir().unwrap();
    let (real, other) = (layer("real"), layer("other"));
    let config = config("a", &[&real]);
    for media_type in ["application/octet-stream", "", "application/vnd.oci.empty.v1+json"] {
        let tar = with_stored_manifest(&config, &real, &other, media_type);
        let pulled = pull_from(&tar.save(folder.path()), "").await.unwrap();
        assert_eq!(pulled.layers, std::slice::from_ref(&real), "{media_type:?}");
    }
}

#[tokio::test]
async fn two_files_for_one_layer_that_differ() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let mut other = low.clone();
    other[700] ^= 1;
    let config = config("a", &[&low, &low]);
    let path = Tar::new()
        .file("1", &low)
        .file("2", &other)
        .file("c.json", config)
        .file("manifest.json", manifest(&[("c.json", &[], &["1", "2"])]))
        .save(folder.path());
    assert_error(pull_from(&path, "").await, ErrorKind::Corrupt, "and differ");
}

#[tokio::test]
async fn what_manifest_json_names_is_missing() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let config = config("a", &[&low]);
    let listed = manifest(&[("c.json", &["x:1"], &["l"])]);
    let path =
        Tar::new().file("c.json", &config).file("manifest.json", &listed).save(folder.path());
    assert_error(pull_from(&path, "").await, ErrorKind::Corrupt, "\"l\"");
    let reader = reader(&path).await.unwrap();
    assert_eq!(reader.entries()[0].warnings, ["\"l\" is missing"]);
    assert_eq!(reader.details(&reader.entries()[0]).await.unwrap().size, 0);

    let path = Tar::new().file("l", &low).file("manifest.json", &listed).save(folder.path());
    assert_error(pull_from(&path, "").await, ErrorKind::Corrupt, "c.json");
    let dangling = Tar::new().file("c.json", &config).symlink("l", "nowhere");
    let path = dangling.file("manifest.json", &listed).save(folder.path());
    assert_error(pull_from(&path, "").await, ErrorKind::Corrupt, "nowhere");
}

#[tokio::test]
async fn links_that_lead_out_or_in_a_circle() {
    for (from, to, target) in
        [("l", "../../etc/passwd", ""), ("l", "/etc/passwd", ""), ("l", "m", "l")]
    {
        let folder = tempdir().unwrap();
        let mut tar = Tar::new().file("c.json", config("a", &[b""])).symlink(from, to);
        if !target.is_empty() {
            tar = tar.symlink(to, target);
        }
        let path =
            tar.file("manifest.json", manifest(&[("c.json", &[], &["l"])])).save(folder.path());
        let error = pull_from(&path, "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[tokio::test]
async fn config_and_layers_disagree_in_number() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let path = one_layer(&config("a", &[&low, &low]), &low).save(folder.path());
    let says = "it has 1 layers, and its config has 2 diff IDs";
    assert_error(pull_from(&path, "").await, ErrorKind::Corrupt, says);
}

#[tokio::test]
async fn a_config_that_is_none() {
    let folder = tempdir().unwrap();
    for bad in ["not json", "[]", "{}"] {
        let path = one_layer(bad.as_bytes(), &layer("low")).save(folder.path());
        assert_error(pull_from(&path, "").await, ErrorKind::Corrupt, "config \"c.json\"");
    }
    let path = one_layer(&vec![b' '; (8 << 20) + 1], &layer("low")).save(folder.path());
    assert_error(pull_from(&path, "").await, ErrorKind::LimitExceeded, "8388608");
}

#[tokio::test]
async fn manifest_json_malformed_or_too_large() {
    let folder = tempdir().unwrap();
    for bad in ["", "{}", "[{}]", "[{\"Config\":\"\"}]", "nonsense"] {
        let path = Tar::new().file("manifest.json", bad).save(folder.path());
        assert_error(source(&path, "").await, ErrorKind::Corrupt, "manifest.json");
    }
    let path = Tar::new().file("manifest.json", vec![b' '; 70 << 20]).save(folder.path());
    assert_error(source(&path, "").await, ErrorKind::LimitExceeded, "67108864");
}

#[tokio::test]
async fn two_different_manifests() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let config = config("a", &[&low]);
    let tar = one_layer(&config, &low);
    let same = tar.clone().file("./manifest.json", manifest(&[("c.json", &["x:1"], &["l"])]));
    pull_from(&same.save(folder.path()), "").await.unwrap();
    let other = tar.file("manifest.json", manifest(&[("c.json", &["y:1"], &["l"])]));
    let path = other.save(folder.path());
    assert_error(source(&path, "").await, ErrorKind::Corrupt, "manifest.json");
}

#[tokio::test]
async fn cut_off() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let whole = one_layer(&config("a", &[&low]), &low).end();
    for len in [600, 1300, whole.len() - 1024 - 512] {
        let path = save(folder.path(), &whole[..len]);
        let error = pull_from(&path, "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}: {error}");
    }
}

#[tokio::test]
async fn other_things_than_these_archives() {
    let folder = tempdir().unwrap();
    let layout = Tar::new().file("oci-layout", "{}").file("index.json", "{}").save(folder.path());
    let hint = format!("oci-archive:{}", layout.display());
    assert_error(source(&layout, "").await, ErrorKind::Unsupported, &hint);
    let old = Tar::new().file("repositories", "{}").file("1/json", "{}").save(folder.path());
    assert_error(source(&old, "").await, ErrorKind::Unsupported, "before 1.10");
    let any = Tar::new().file("etc/passwd", "x").save(folder.path());
    assert_error(source(&any, "").await, ErrorKind::Corrupt, "no manifest.json");
    let text = save(folder.path(), b"hello");
    assert_error(source(&text, "").await, ErrorKind::Corrupt, "not a tar");
    assert_error(source(&folder.path().join("none"), "").await, ErrorKind::NotFound, "none");
    assert_error(source(folder.path(), "").await, ErrorKind::Unsupported, "folder");
}

#[tokio::test]
async fn blobs_that_the_image_does_not_have() {
    let folder = tempdir().unwrap();
    let low = layer("low");
    let path = one_layer(&config("a", &[&low]), &low).save(folder.path());
    let source = source(&path, "").await.unwrap();
    let mut wanted = source.root().await.unwrap().descriptor().clone();
    assert!(source.manifest(&wanted).await.is_ok());
    wanted.digest = sha256(b"other");
    assert_error(source.blob(&wanted).await, ErrorKind::NotFound, wanted.digest.as_ref());
    assert_error(source.manifest(&wanted).await, ErrorKind::NotFound, wanted.digest.as_ref());
}
