//! Reading what skopeo and others wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;

use common::*;
use transship_core::{
    Cancel, Candidate, Document, ErrorKind, ReadOptions, Transport, parse_digest,
};
use transship_directory::Directory;

#[test]
#[cfg(unix)]
fn what_is_recognized() {
    let dir = tempfile::tempdir().unwrap();
    let recognized = |name: &str| {
        let found = Candidate::look(dir.path().join(name), &ReadOptions::default()).unwrap();
        let found = Directory::new().recognize(&found, &Cancel::new()).unwrap();
        found.map(|found| found.locator)
    };
    let image = dir.path().join("image");
    fs::create_dir(&image).unwrap();
    assert_eq!(recognized("image"), None);
    fs::write(image.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    assert_eq!(recognized("image").unwrap(), image.to_str().unwrap());
    assert_eq!(recognized("image/version"), None);
    // A pipe that nobody writes to.
    fs::remove_file(image.join("version")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(image.join("version")).status().unwrap();
    assert!(made.success());
    assert_eq!(recognized("image"), None);
}

#[tokio::test]
async fn an_image_that_skopeo_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let from = source(&golden("skopeo-dir", dir.path())).await.unwrap();
    let root = from.root().await.unwrap();
    assert_eq!(
        root.descriptor().digest.as_ref(),
        "sha256:2ae929eb15e3084da9ab966efa3463be935b2035bf5a0b8377e1468276d7f6d5"
    );
    let Document::Image(image) = root.document() else { panic!("an index") };
    assert_eq!(image.layers.len(), 2);
    for descriptor in image.layers.iter().chain([&image.config]) {
        let bytes = from.blob(descriptor).await.unwrap().bytes(1 << 20).await.unwrap();
        assert_eq!(bytes.len() as u64, descriptor.size);
    }
    assert!(from.signatures().unwrap().signatures(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_index_that_skopeo_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let from = source(&golden("skopeo-dir-index", dir.path())).await.unwrap();
    let root = from.root().await.unwrap();
    let Document::Index(index) = root.document() else { panic!("no index") };
    assert_eq!(index.manifests.len(), 3);
    for child in &index.manifests {
        let manifest = from.manifest(child).await.unwrap();
        assert_eq!(manifest.descriptor().platform, child.platform);
        let Document::Image(image) = manifest.document() else { panic!("an index") };
        from.blob(&image.config).await.unwrap().bytes(1 << 20).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = golden("skopeo-dir-index", dir.path());
    let from = source(&path).await.unwrap();
    let root = from.root().await.unwrap();
    let Document::Index(index) = root.document() else { panic!("no index") };
    let child = &index.manifests[0];
    let manifest = from.manifest(child).await.unwrap();
    let Document::Image(image) = manifest.document() else { panic!("an index") };
    fs::remove_file(path.join(format!("{}.manifest.json", child.digest.encoded()))).unwrap();
    fs::remove_file(path.join(image.config.digest.encoded())).unwrap();
    for (error, digest) in [
        (from.manifest(child).await.unwrap_err(), &child.digest),
        (from.blob(&image.config).await.unwrap_err(), &image.config.digest),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(digest.as_ref()), "{error}");
    }
}

#[tokio::test]
async fn other_bytes_are_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let image = image("x");
    let path = dir.path().join("x");
    write(&image, &path).await.unwrap();
    let (config, bytes) = &image.blobs[0];
    let mut wrong = bytes.to_vec();
    wrong[3] ^= 1;
    for wrong in [wrong, bytes[1..].to_vec(), [&bytes[..], b"x"].concat()] {
        fs::write(path.join(config.digest.encoded()), wrong).unwrap();
        let body = source(&path).await.unwrap().blob(config).await.unwrap();
        assert_eq!(body.bytes(1 << 20).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn what_is_no_image_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let of = async |path: &str| source(&dir.path().join(path)).await.unwrap_err();
    assert_eq!(of("none").await.kind(), ErrorKind::NotFound);
    let empty = of(".").await;
    assert_eq!(empty.kind(), ErrorKind::NotFound);
    assert!(empty.to_string().contains("manifest.json"), "{empty}");
    fs::write(dir.path().join("file"), "x").unwrap();
    assert_eq!(of("file").await.kind(), ErrorKind::Unsupported);
    fs::write(dir.path().join("manifest.json"), "{").unwrap();
    let torn = of(".").await;
    assert_eq!(torn.kind(), ErrorKind::Corrupt);
    assert!(torn.to_string().contains("manifest.json"), "{torn}");
    fs::write(dir.path().join("version"), "Directory Transport Version: 9.9\n").unwrap();
    let newer = of(".").await;
    assert_eq!(newer.kind(), ErrorKind::Unsupported);
    assert!(newer.to_string().contains("9.9"), "{newer}");
}

#[tokio::test]
async fn signatures_are_read_when_they_are_asked_for_and_in_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    write(&image("x"), &path).await.unwrap();
    for number in 1..=4 {
        // Sparse, as in a small archive that somebody sends.
        let file = fs::File::create(path.join(format!("signature-{number}"))).unwrap();
        file.set_len(300 << 10).unwrap();
    }
    // What cannot be read is not read: one that is opened and inspected does not fail.
    let from = source(&path).await.unwrap();
    from.root().await.unwrap();
    let error = from.signatures().unwrap().signatures(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("signature-4"), "{error}");
    fs::remove_file(path.join("signature-4")).unwrap();
    assert_eq!(from.signatures().unwrap().signatures(None).await.unwrap().len(), 3);
    // Of all manifests together.
    let other = transship_core::sha256(b"other");
    let name = format!("{}.signature-1", other.encoded());
    fs::File::create(path.join(&name)).unwrap().set_len(200 << 10).unwrap();
    let error = from.signatures().unwrap().signatures(Some(&other)).await.unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    // Of another image they are not taken.
    write(&image("y"), &path).await.unwrap();
    let error = from.signatures().unwrap().signatures(None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn referrers_are_looked_for_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let image = image("x");
    write(&image, &path).await.unwrap();
    let from = source(&path).await.unwrap();
    let of = &image.root.descriptor().digest;
    assert!(from.referrers().unwrap().referrers(of).await.unwrap().is_empty());
    // What comes later is not part of what was opened.
    let text = String::from_utf8(image.root.bytes().to_vec()).unwrap();
    let subject = serde_json::to_string(image.root.descriptor()).unwrap();
    let about = text.replacen('{', &format!(r#"{{"subject":{subject},"#), 1);
    let digest = transship_core::sha256(about.as_bytes());
    fs::write(path.join(format!("{}.manifest.json", digest.encoded())), about).unwrap();
    assert!(from.referrers().unwrap().referrers(of).await.unwrap().is_empty());
    let again = source(&path).await.unwrap();
    assert_eq!(again.referrers().unwrap().referrers(of).await.unwrap()[0].digest, digest);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_that_is_not_utf8_is_none_of_an_image() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let other = |folder: &std::path::Path| folder.join(std::ffi::OsStr::from_bytes(b"\xff.txt"));
    fs::write(other(dir.path()), "x").unwrap();
    let error = write(&image("x"), dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("holds no image"), "{error}");
    let (image, path) = (image("x"), dir.path().join("x"));
    write(&image, &path).await.unwrap();
    fs::write(other(&path), "x").unwrap();
    let from = source(&path).await.unwrap();
    let of = &image.root.descriptor().digest;
    assert!(from.referrers().unwrap().referrers(of).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_huge_manifest_is_over_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::create(dir.path().join("manifest.json")).unwrap();
    file.set_len(17 << 20).unwrap();
    let error = source(dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("manifest.json"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn symlinks_and_pipes_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (image, path) = (image("x"), dir.path().join("x"));
    write(&image, &path).await.unwrap();
    let (config, bytes) = &image.blobs[0];
    let file = path.join(config.digest.encoded());
    fs::remove_file(&file).unwrap();
    fs::write(dir.path().join("outside"), bytes).unwrap();
    std::os::unix::fs::symlink("../outside", &file).unwrap();
    let from = source(&path).await.unwrap();
    assert!(from.blob(config).await.is_err());
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(from.blob(config).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn sha512_under_either_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("manifest.json"), image("x").root.bytes()).unwrap();
    let digest = parse_digest("sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f").unwrap();
    let mut want = image("x").blobs[0].0.clone();
    (want.digest, want.size) = (digest.clone(), 3);
    for name in [digest.encoded().to_owned(), format!("sha512-{}", digest.encoded())] {
        fs::write(dir.path().join(&name), "abc").unwrap();
        let from = source(dir.path()).await.unwrap();
        assert_eq!(&from.blob(&want).await.unwrap().bytes(9).await.unwrap()[..], b"abc");
        fs::remove_file(dir.path().join(name)).unwrap();
    }
}
