//! Writing, replacing, and leaving no trace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use common::*;
use transship_core::{
    Body, Commit, DigestAlgorithm, ErrorKind, Expect, Hasher, ImageName, Manifest, MediaType,
    Transport, WriteMode, WriteOptions,
};
use transship_directory::Directory;

#[tokio::test]
async fn a_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/x:1");
    let image = image("x");
    let committed = write(&image, &path).await.unwrap();
    assert_eq!(committed.descriptor, *image.root.descriptor());
    assert_eq!(committed.references, [at(&path)]);
    assert_holds(&path, &image).await;
    assert_eq!(
        fs::read_to_string(path.join("version")).unwrap(),
        "Directory Transport Version: 1.1\n"
    );
    assert_eq!(names(&dir.path().join("new")), ["x:1"]);
    assert_eq!(names(&path).len(), 5);
}

#[tokio::test]
async fn what_skopeo_wrote_comes_out_file_for_file() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["skopeo-dir", "skopeo-dir-index"] {
        let path = golden(name, dir.path());
        let copy = dir.path().join("copy");
        let from = source(&path).await.unwrap();
        let to = destination(&copy).await.unwrap();
        for name in names(&path) {
            let bytes = Bytes::from(fs::read(path.join(&name)).unwrap());
            if name.ends_with(".manifest.json") {
                to.put_manifest(&Manifest::new(bytes).unwrap()).await.unwrap();
            } else if name.len() == 64 {
                to.put_blob(Expect::anything(), Body::from_bytes(bytes)).await.unwrap();
            }
        }
        to.commit(Commit::new(&from.root().await.unwrap())).await.unwrap();
        assert_eq!(names(&copy), names(&path));
        for name in names(&path) {
            assert_eq!(fs::read(copy.join(&name)).unwrap(), fs::read(path.join(&name)).unwrap());
        }
    }
}

#[tokio::test]
async fn replacing_keeps_the_old_image_until_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let (old, new) = (image("old"), image("new"));
    write(&old, &path).await.unwrap();
    let before = source(&path).await.unwrap();
    let to = destination(&path).await.unwrap();
    put(&new, &*to).await;
    assert_holds(&path, &old).await;
    to.commit(Commit::new(&new.root)).await.unwrap();
    assert_holds(&path, &new).await;
    assert_eq!(names(&path).len(), 5);
    assert_eq!(names(dir.path()), ["x"]);
    // A reader from before has the old image or nothing.
    assert_eq!(before.root().await.unwrap(), old.root);
    assert_eq!(before.blob(&old.blobs[0].0).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(before.blob(&new.blobs[0].0).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_dropped_destination_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let old = image("old");
    write(&old, &dir.path().join("x")).await.unwrap();
    for name in ["x", "new", "new/deeper"] {
        let to = destination(&dir.path().join(name)).await.unwrap();
        assert_eq!(names(dir.path()), ["x"], "opening shows nothing");
        put(&image("new"), &*to).await;
        drop(to);
        assert_eq!(names(dir.path()), ["x"]);
    }
    assert_holds(&dir.path().join("x"), &old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_put_leaves_nothing_and_the_image_can_still_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let to = destination(&path).await.unwrap();
    let stalled = Body::from_stream(Box::pin(futures_util::stream::pending()));
    let put_stalled = to.put_blob(Expect::anything(), stalled);
    let short = std::time::Duration::from_millis(50);
    let timer = tokio::task::spawn_blocking(move || std::thread::sleep(short));
    futures_util::future::select(put_stalled, timer).await;
    let image = image("x");
    put(&image, &*to).await;
    to.commit(Commit::new(&image.root)).await.unwrap();
    assert_eq!(names(&path).len(), 5);
    let abandoned = destination(&dir.path().join("y")).await.unwrap();
    let stalled = Body::from_stream(Box::pin(futures_util::stream::pending()));
    let timer = tokio::task::spawn_blocking(move || std::thread::sleep(short));
    futures_util::future::select(abandoned.put_blob(Expect::anything(), stalled), timer).await;
    drop(abandoned);
    // The step that was given up ends within a chunk, and cleans up.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while names(dir.path()) != ["x"] {
        assert!(std::time::Instant::now() < end, "{:?} stay", names(dir.path()));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_layer_that_is_not_to_be_distributed_may_be_absent() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    for kind in [MediaType::ImageLayerNonDistributableGzip, MediaType::from(foreign)] {
        let image = image_of(blob(MediaType::ImageConfig, "{}"), vec![blob(kind, "elsewhere")]);
        let to = destination(&dir.path().join("x")).await.unwrap();
        let (config, bytes) = &image.blobs[0];
        to.put_blob(Expect::from(config), Body::from_bytes(bytes.clone())).await.unwrap();
        to.commit(Commit::new(&image.root)).await.unwrap();
        assert_eq!(source(&dir.path().join("x")).await.unwrap().root().await.unwrap(), image.root);
    }
}

#[tokio::test]
async fn a_put_that_is_not_as_expected_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let image = image("x");
    let to = destination(&path).await.unwrap();
    put(&image, &*to).await;
    let (other, _) = blob(MediaType::ImageLayer, "other");
    for (expect, bytes) in [
        (Expect::from(&other), "0ther"),
        (Expect::from(&other), "othe"),
        (Expect::anything().with_size(1), "other"),
    ] {
        let error = to.put_blob(expect, Body::from_bytes(bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    let broken = std::io::Read::chain(&b"oth"[..], Broken);
    let error = to.put_blob(Expect::from(&other), Body::from_reader(broken)).await.unwrap_err();
    assert!(error.to_string().contains("cable"), "{error}");
    assert_eq!(to.has(&Expect::from(&other)).await.unwrap(), None);
    to.commit(Commit::new(&image.root)).await.unwrap();
    assert_eq!(names(&path).len(), 5);
}

struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("cable"))
    }
}

#[tokio::test]
async fn has_what_was_put() {
    let dir = tempfile::tempdir().unwrap();
    let image = image("x");
    let path = dir.path().join("x");
    write(&image, &path).await.unwrap();
    let to = destination(&path).await.unwrap();
    let want = Expect::from(&image.blobs[0].0);
    assert_eq!(to.has(&want).await.unwrap(), None, "the old image goes");
    put(&image, &*to).await;
    assert_eq!(to.has(&want).await.unwrap().unwrap().size, image.blobs[0].0.size);
    assert_eq!(to.has(&want.clone().with_size(1)).await.unwrap(), None);
    assert_eq!(to.has(&Expect::anything()).await.unwrap(), None);
}

#[tokio::test]
async fn a_folder_of_something_else_is_untouched() {
    let dir = tempfile::tempdir().unwrap();
    for version in [None, Some("1.0\n"), Some("Directory Transport Version: 2.0\n")] {
        let home = dir.path().join("home");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("thesis.txt"), "years").unwrap();
        if let Some(text) = version {
            fs::write(home.join("version"), text).unwrap();
        }
        let error = destination(&home).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert_eq!(fs::read_to_string(home.join("thesis.txt")).unwrap(), "years");
        assert_eq!(names(dir.path()), ["home"]);
    }
    let file = destination(&dir.path().join("home/thesis.txt")).await.unwrap_err();
    assert_eq!(file.kind(), ErrorKind::Unsupported, "{file}");
    let null = destination(Path::new("/dev/null")).await.unwrap_err();
    assert_eq!(null.kind(), ErrorKind::Unsupported, "{null}");
}

#[tokio::test]
async fn something_else_that_came_meanwhile_is_untouched_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let image = image("x");
    let to = destination(&path).await.unwrap();
    put(&image, &*to).await;
    fs::create_dir(&path).unwrap();
    fs::write(path.join("thesis.txt"), "years").unwrap();
    let error = to.commit(Commit::new(&image.root)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(names(&path), ["thesis.txt"]);
    assert_eq!(names(dir.path()), ["x"]);
}

#[tokio::test]
async fn modes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let image = image("x");
    let open = async |mode| {
        let mut how = WriteOptions::default();
        how.mode = Some(mode);
        Directory::new().destination(&at(&path), &how).await
    };
    fs::create_dir(&path).unwrap();
    let (first, second) =
        (open(WriteMode::Create).await.unwrap(), open(WriteMode::Create).await.unwrap());
    put(&image, &*first).await;
    put(&image, &*second).await;
    first.commit(Commit::new(&image.root)).await.unwrap();
    let late = second.commit(Commit::new(&image.root)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::AlreadyExists, "{late}");
    let error = open(WriteMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let error = open(WriteMode::Append).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    open(WriteMode::Replace).await.unwrap();
}

#[tokio::test]
async fn names_are_refused_and_fallback_names_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let place = at(&dir.path().join("x"));
    let name = ImageName::new("docker.io/library/x:1").unwrap();
    let mut how = WriteOptions::default();
    how.fallback_names = vec![name.clone()];
    Directory::new().destination(&place, &how).await.unwrap();
    how.names = vec![name];
    let error = Directory::new().destination(&place, &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn what_is_missing_is_refused_unless_it_is_left_out_knowingly() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let (one, two) = (image("one"), image("two"));
    let both = index(&[&one.root, &two.root]);
    for forgotten in 0..3 {
        let to = destination(&path).await.unwrap();
        for (at, (descriptor, bytes)) in one.blobs.iter().enumerate() {
            if at != forgotten {
                let body = Body::from_bytes(bytes.clone());
                to.put_blob(Expect::from(descriptor), body).await.unwrap();
            }
        }
        let error = to.commit(Commit::new(&one.root)).await.unwrap_err();
        let digest = &one.blobs[forgotten].0.digest;
        assert!(error.to_string().contains(digest.as_ref()), "{error}");
        assert!(names(dir.path()).is_empty());
    }
    let to = destination(&path).await.unwrap();
    put(&one, &*to).await;
    to.put_manifest(&one.root).await.unwrap();
    let absent = [two.root.descriptor().clone()];
    to.commit(Commit::new(&both).without(&absent)).await.unwrap();
    let from = source(&path).await.unwrap();
    assert_eq!(from.manifest(one.root.descriptor()).await.unwrap(), one.root);
    let error = from.manifest(two.root.descriptor()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let to = destination(&path).await.unwrap();
    put(&one, &*to).await;
    to.put_manifest(&one.root).await.unwrap();
    assert!(to.commit(Commit::new(&both)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_come_concurrently() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let config = blob(MediaType::ImageConfig, "{}");
    let mut layers: Vec<_> = (0..40u8)
        .map(|n| blob(MediaType::ImageLayer, vec![n; 100_000 * usize::from(n) + 1]))
        .collect();
    layers.push(layers[3].clone());
    let image = image_of(config, layers);
    let to = destination(&path).await.unwrap();
    let puts = image.blobs.iter().map(|(descriptor, bytes)| {
        to.put_blob(Expect::from(descriptor), Body::from_bytes(bytes.clone()))
    });
    for stored in futures_util::future::join_all(puts).await {
        stored.unwrap();
    }
    to.commit(Commit::new(&image.root)).await.unwrap();
    assert_eq!(names(&path).len(), 43);
    let from = source(&path).await.unwrap();
    for (descriptor, bytes) in &image.blobs {
        assert_eq!(from.blob(descriptor).await.unwrap().bytes(1 << 23).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_copy_onto_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let image = image("x");
    write(&image, &path).await.unwrap();
    let from = source(&path).await.unwrap();
    let to = destination(&path).await.unwrap();
    for (descriptor, _) in &image.blobs {
        let body = from.blob(descriptor).await.unwrap();
        to.put_blob(Expect::from(descriptor), body).await.unwrap();
    }
    to.commit(Commit::new(&from.root().await.unwrap())).await.unwrap();
    assert_holds(&path, &image).await;
    assert_eq!(names(&path).len(), 5);
}

#[tokio::test]
async fn sha512_blobs_keep_their_digest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let mut layer = blob(MediaType::ImageLayer, "layer");
    let mut hasher = Hasher::new(&DigestAlgorithm::Sha512).unwrap();
    hasher.update(b"layer");
    layer.0.digest = hasher.finish();
    let name = format!("sha512-{}", layer.0.digest.encoded());
    let image = image_of(blob(MediaType::ImageConfig, "{}"), vec![layer]);
    write(&image, &path).await.unwrap();
    assert_holds(&path, &image).await;
    assert!(names(&path).contains(&name));
    let version = fs::read_to_string(path.join("version")).unwrap();
    assert_eq!(version, "Directory Transport Version: 1.2\n");
    // Such an image is replaced as any other.
    write(&image, &path).await.unwrap();
}

#[tokio::test]
async fn signatures_come_and_go_with_their_manifests() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let one = image("one");
    let root = index(&[&one.root]);
    let child = &one.root.descriptor().digest;
    let (of_root, of_child) = (vec![Bytes::from("a"), Bytes::from("b")], vec![Bytes::from("c")]);
    let to = destination(&path).await.unwrap();
    put(&one, &*to).await;
    to.put_manifest(&one.root).await.unwrap();
    let keeper = to.signatures().unwrap();
    keeper.put_signatures(None, of_root.clone()).await.unwrap();
    keeper.put_signatures(Some(child), of_child.clone()).await.unwrap();
    to.commit(Commit::new(&root)).await.unwrap();
    let all = names(&path);
    for name in ["signature-1", "signature-2", &format!("{}.signature-1", child.encoded())] {
        assert!(all.contains(&name.to_owned()), "{name} in {all:?}");
    }
    let from = source(&path).await.unwrap();
    let kept = from.signatures().unwrap();
    assert_eq!(kept.signatures(None).await.unwrap(), of_root);
    assert_eq!(kept.signatures(Some(&root.descriptor().digest)).await.unwrap(), of_root);
    assert_eq!(kept.signatures(Some(child)).await.unwrap(), of_child);
    write(&one, &path).await.unwrap();
    assert!(!names(&path).iter().any(|name| name.contains("signature")));
}

#[tokio::test]
async fn referrers_are_kept_beside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let image = image("x");
    let subject = serde_json::to_string(image.root.descriptor()).unwrap();
    let config = serde_json::to_string(&image.blobs[0].0).unwrap();
    let about = Manifest::new(format!(
        r#"{{"schemaVersion":2,"artifactType":"sbom","config":{config},"layers":[],"subject":{subject},"annotations":{{"a":"b"}}}}"#
    ))
    .unwrap();
    let to = destination(&path).await.unwrap();
    put(&image, &*to).await;
    to.put_manifest(&about).await.unwrap();
    to.commit(Commit::new(&image.root)).await.unwrap();
    let from = source(&path).await.unwrap();
    let found = from.referrers().unwrap().referrers(&image.root.descriptor().digest).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].artifact_type.as_deref(), Some("sbom"));
    assert_eq!(found[0].annotation("a"), Some("b"));
    assert_eq!(from.manifest(&found[0]).await.unwrap().bytes(), about.bytes());
    let none = from.referrers().unwrap().referrers(&found[0].digest).await.unwrap();
    assert!(none.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_symlink_to_an_image_stays() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("far", dir.path().join("x")).unwrap();
    for text in ["one", "two"] {
        let image = image(text);
        write(&image, &dir.path().join("x")).await.unwrap();
        assert_holds(&dir.path().join("far"), &image).await;
        assert!(dir.path().join("x").symlink_metadata().unwrap().is_symlink());
    }
}

#[tokio::test]
async fn a_mount_point_and_a_full_disk() {
    let Some(disk) = Tmpfs::mount("size=1m") else { return };
    let (old, new) = (image("old"), image("new"));
    write(&old, disk.path()).await.unwrap();
    assert_holds(disk.path(), &old).await;
    let to = destination(disk.path()).await.unwrap();
    put(&new, &*to).await;
    assert_holds(disk.path(), &old).await;
    to.commit(Commit::new(&new.root)).await.unwrap();
    assert_holds(disk.path(), &new).await;
    assert_eq!(names(disk.path()).len(), 5);
    let to = destination(disk.path()).await.unwrap();
    let large = Body::from_bytes(vec![0; 2 << 20]);
    let error = to.put_blob(Expect::anything(), large).await.unwrap_err();
    assert!(error.advice().is_some(), "{error}");
    drop(to);
    assert_holds(disk.path(), &new).await;
    assert_eq!(names(disk.path()).len(), 5);
}
