//! Layouts in tars: what is written, how it shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use common::*;
use serde_json::{Value, json};
use transship_core::{
    AcceptsOrder, Archives, Body, Commit, DeleteOptions, Deletion, ErrorKind, Expect, Manifest,
    Observer, Settings, Transport, WriteMode, WriteOptions,
};
use transship_oci_layout::OciArchive;

fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(File::open(path).unwrap());
    let mut all = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        all.push((entry.path().unwrap().to_str().unwrap().to_owned(), bytes));
    }
    all
}

fn document(path: &Path, name: &str) -> Value {
    let all = entries(path);
    let bytes = &all.iter().find(|(n, _)| n == name).unwrap().1;
    serde_json::from_slice(bytes).unwrap()
}

async fn write_index(
    at: &transship_core::Reference,
    index: &Manifest,
    of: &[&Made],
    absent: &[&Manifest],
) {
    let to = destination(at).await.unwrap();
    for made in of {
        put_blobs(&*to, made).await.unwrap();
        to.put_manifest(&made.manifest).await.unwrap();
    }
    let absent: Vec<_> = absent.iter().map(|m| m.descriptor().clone()).collect();
    to.commit(Commit::new(index).without(&absent)).await.unwrap();
}

#[tokio::test]
async fn what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (path, made) = (dir.path().join("a.tar"), image("one"));
    let at = tar(&path, ":example.com/x:1");
    let to = destination(&at).await.unwrap();
    assert_eq!(to.accepts().order, AcceptsOrder::AsPlanned);
    put_blobs(&*to, &made).await.unwrap();
    // Again, known and not known beforehand.
    to.put_blob(Expect::from(&made.blobs[1].0), Body::from_bytes(made.blobs[1].1.clone()))
        .await
        .unwrap();
    to.put_blob(Expect::anything(), Body::from_bytes(made.blobs[2].1.clone())).await.unwrap();
    let wrong =
        to.put_blob(Expect::from(&made.blobs[1].0), Body::from_bytes("wrong")).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Corrupt);
    assert!(to.has(&Expect::from(&made.blobs[2].0)).await.unwrap().is_some());
    assert!(!path.exists());
    to.commit(Commit::new(&made.manifest)).await.unwrap();
    let blob = |at: usize| format!("blobs/sha256/{}", made.blobs[at].0.digest.encoded());
    let root = format!("blobs/sha256/{}", made.manifest.descriptor().digest.encoded());
    let names: Vec<String> = entries(&path).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "blobs/",
        "blobs/sha256/",
        &blob(0),
        &blob(1),
        &blob(2),
        &root,
        "index.json",
        "manifest.json",
        "oci-layout",
    ];
    assert_eq!(names, expected);
    let docker =
        json!([{"Config": blob(0), "RepoTags": ["example.com/x:1"], "Layers": [blob(1), blob(2)]}]);
    assert_eq!(document(&path, "manifest.json"), docker);
    assert_holds(&at, &made).await;
    assert_holds(&tar(&path, ""), &made).await;
    assert_holds(&tar(&path, ":@0"), &made).await;
    assert_eq!(names_in(dir.path()), ["a.tar"]);
}

#[tokio::test]
async fn the_same_images_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let read = async |file: &str| {
        let path = dir.path().join(file);
        let mut writer =
            OciArchive::new().write(&tar(&path, ""), &WriteOptions::default()).await.unwrap();
        write_to(writer.image(&[name("one")]).await.unwrap(), &image("one")).await.unwrap();
        write_to(writer.image(&[name("x:1"), name("y")]).await.unwrap(), &image("two"))
            .await
            .unwrap();
        assert!(!path.exists());
        writer.finish().await.unwrap();
        assert_holds(&tar(&path, ":x:1"), &image("two")).await;
        fs::read(path).unwrap()
    };
    assert_eq!(read("a.tar").await, read("b.tar").await);
    let docker = document(&dir.path().join("a.tar"), "manifest.json");
    let tags: Vec<&Value> =
        docker.as_array().unwrap().iter().map(|image| &image["RepoTags"]).collect();
    assert_eq!(tags, [&Value::Null, &json!(["docker.io/library/x:1"])]);
    // The shared layer is there once.
    assert_eq!(entries(&dir.path().join("a.tar")).len(), 2 + 3 + 1 + 2 + 1 + 3);
}

#[tokio::test]
async fn of_an_index_docker_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let (arm, amd, windows) = (image_for("arm", "arm64"), image("amd"), image("windows"));
    for (children, of, absent, expected) in [
        (vec![(&arm, "arm64"), (&amd, "amd64")], vec![&arm, &amd], vec![], Some(&amd)),
        (vec![(&arm, "arm64"), (&amd, "amd64")], vec![&arm], vec![&amd.manifest], Some(&arm)),
        (vec![(&arm, "arm64"), (&windows, "mips")], vec![&arm, &windows], vec![], Some(&arm)),
        (vec![(&arm, "arm64")], vec![], vec![&arm.manifest], None),
    ] {
        let path = dir.path().join("a.tar");
        let _ = fs::remove_file(&path);
        let children: Vec<_> = children.iter().map(|(made, a)| (&made.manifest, *a)).collect();
        let root = index(&children);
        write_index(&tar(&path, ":x:1"), &root, &of, &absent).await;
        let docker = document(&path, "manifest.json");
        let configs: Vec<&Value> =
            docker.as_array().unwrap().iter().map(|i| &i["Config"]).collect();
        let expected =
            expected.map(|m| json!(format!("blobs/sha256/{}", m.blobs[0].0.digest.encoded())));
        assert_eq!(configs, expected.iter().collect::<Vec<_>>());
        let read = source(&tar(&path, "")).await.unwrap();
        assert_eq!(read.root().await.unwrap().bytes(), root.bytes());
        for absent in absent {
            let error = read.manifest(absent.descriptor()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }
}

#[tokio::test]
async fn without_a_document_for_docker() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let settings = Settings::new().with("oci-archive", "docker-manifest", "false");
    let transport = OciArchive::with_settings(&settings).unwrap();
    let to = transport.destination(&tar(&path, ""), &WriteOptions::default()).await.unwrap();
    write_to(to, &image("one")).await.unwrap();
    assert!(entries(&path).iter().all(|(name, _)| name != "manifest.json"));
    let settings = Settings::new().with("oci-archive", "docker-manifest", "perhaps");
    let error = OciArchive::with_settings(&settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn what_was_there_stays_until_the_new_one_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let (path, one, two) = (dir.path().join("a.tar"), image("one"), image("two"));
    let at = tar(&path, ":x");
    write(&at, &one).await.unwrap();
    let before = fs::read(&path).unwrap();
    let error = destination(&at).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("replace it"), "{error}");
    let transport = OciArchive::new();
    for mode in [WriteMode::Append, WriteMode::Replace] {
        let to = transport.destination(&at, &how(mode)).await.unwrap();
        put_blobs(&*to, &two).await.unwrap();
        drop(to);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    // A commit that is refused.
    let to = transport.destination(&at, &how(WriteMode::Replace)).await.unwrap();
    let error = to.commit(Commit::new(&two.manifest)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names_in(dir.path()), ["a.tar"]);

    let reader = source(&at).await.unwrap();
    let to = transport.destination(&at, &how(WriteMode::Replace)).await.unwrap();
    write_to(to, &two).await.unwrap();
    assert_holds(&at, &two).await;
    assert_eq!(reader.root().await.unwrap().bytes(), one.manifest.bytes());
    let layer = reader.blob(&one.blobs[2].0).await.unwrap().bytes(100).await.unwrap();
    assert_eq!(layer, one.blobs[2].1);
}

#[tokio::test]
async fn broken_archives() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let one = image("one");
    write(&tar(&path, ":x"), &one).await.unwrap();
    let whole = fs::read(&path).unwrap();
    let torn = dir.path().join("torn.tar");
    fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
    let error = source(&tar(&torn, "")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound), "{error}");
    // A flipped bit in a layer.
    let mut flipped = whole.clone();
    let needle = b"layer of one";
    let at = flipped.windows(needle.len()).position(|w| w == needle).unwrap();
    flipped[at] ^= 1;
    fs::write(&torn, flipped).unwrap();
    let read = source(&tar(&torn, "")).await.unwrap();
    let error = read.blob(&one.blobs[2].0).await.unwrap().bytes(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let error = source(&tar(dir.path(), "")).await.unwrap_err();
    assert!(error.to_string().contains("oci:"), "{error}");
    let of_docker = goldens().join("docker-save.tar");
    let error = source(&tar(&of_docker, "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("docker-archive:"), "{error}");
}

/// An observer, and what it hears.
fn observer() -> (Observer, Receiver<String>) {
    let (said, hears) = channel();
    (Observer::new(move |notice| said.send(format!("{notice:?}")).unwrap()), hears)
}

#[tokio::test]
async fn older_dockers_cannot_load_zstd() {
    let dir = tempfile::tempdir().unwrap();
    let config = blob("application/vnd.oci.image.config.v1+json", "{}");
    let zstd = blob("application/vnd.oci.image.layer.v1.tar+zstd", "zstd");
    let made = made(&json!({}), vec![config, zstd]);
    let (observer, hears) = observer();
    let mut how = WriteOptions::default();
    how.observer = observer;
    let at = tar(&dir.path().join("a.tar"), "");
    write_to(OciArchive::new().destination(&at, &how).await.unwrap(), &made).await.unwrap();
    drop(how);
    let said: Vec<String> = hears.iter().collect();
    assert!(said.len() == 1 && said[0].contains("zstd"), "{said:?}");
}

/// Configs that `manifest.json` lists.
fn loadable(path: &Path) -> Vec<String> {
    let listed = document(path, "manifest.json");
    listed.as_array().unwrap().iter().map(|i| i["Config"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn docker_gets_the_platform_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let made = [image_for("a", "amd64"), image_for("b", "arm64")];
    let root = index(&[(&made[0].manifest, "amd64"), (&made[1].manifest, "arm64")]);
    let arm = transship_core::Platform::new("linux", "arm64");
    for (asked, at) in [(None, 0), (Some(&arm), 1)] {
        let path = dir.path().join(format!("{at}.tar"));
        let to = destination(&tar(&path, ":x:1")).await.unwrap();
        for image in &made {
            put_blobs(&*to, image).await.unwrap();
            to.put_manifest(&image.manifest).await.unwrap();
        }
        to.commit(Commit::new(&root).preferring(asked)).await.unwrap();
        let config = made[at].blobs[0].0.digest.encoded();
        assert_eq!(loadable(&path), [format!("blobs/sha256/{config}")]);
    }
}

#[tokio::test]
async fn docker_gets_nothing_of_which_a_layer_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let mut blobs = image("x").blobs;
    blobs.push(blob(foreign, "elsewhere"));
    let whole = made(&json!({}), blobs);
    let to = destination(&tar(&path, ":x:1")).await.unwrap();
    for (descriptor, bytes) in &whole.blobs[..3] {
        to.put_blob(Expect::from(descriptor), Body::from_bytes(bytes.clone())).await.unwrap();
    }
    to.commit(Commit::new(&whole.manifest)).await.unwrap();
    assert!(loadable(&path).is_empty());
}

#[tokio::test]
async fn what_is_damaged_keeps_the_names_that_docker_knows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let one = image("one");
    write(&tar(&path, ":x:1"), &one).await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let text = one.manifest.bytes();
    let at = bytes.windows(text.len()).position(|part| part == text).unwrap();
    bytes[at + 3] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (observer, hears) = observer();
    let warned = || hears.try_iter().filter(|said| said.contains("x:1 is damaged")).count();
    let append = async |name: &str, made: &Made| {
        let at = tar(&path, &format!(":{name}"));
        let mut how = how(WriteMode::Append);
        how.observer = observer.clone();
        let to = OciArchive::new().destination(&at, &how).await.unwrap();
        write_to(to, made).await.unwrap();
        let docker = document(&path, "manifest.json");
        let config = format!("blobs/sha256/{}", one.blobs[0].0.digest.encoded());
        let listed = docker.as_array().unwrap().iter().find(|i| i["Config"] == *config).unwrap();
        listed["RepoTags"].clone()
    };
    assert_eq!(append("y:1", &image("two")).await, json!(["docker.io/library/x:1"]));
    assert_eq!(warned(), 1);
    assert_eq!(append("x:1", &image("three")).await, Value::Null);
    assert_eq!(warned(), 0);
}

#[tokio::test]
async fn a_deletion_says_what_is_damaged_beside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    let one = image("one");
    write(&tar(&path, ":x:1"), &one).await.unwrap();
    let to = OciArchive::new().destination(&tar(&path, ":y:1"), &how(WriteMode::Append)).await;
    write_to(to.unwrap(), &image("two")).await.unwrap();
    let layer = format!("blobs/sha256/{}", one.blobs[2].0.digest.encoded());
    let mut without = tar::Builder::new(Vec::new());
    for (name, bytes) in entries(&path) {
        if name != layer && !name.ends_with('/') {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            without.append_data(&mut header, name, &*bytes).unwrap();
        }
    }
    fs::write(&path, without.into_inner().unwrap()).unwrap();
    let (observer, hears) = observer();
    let mut how = DeleteOptions::default();
    how.observer = observer;
    OciArchive::new().delete(&tar(&path, ":y:1"), &how).await.unwrap();
    let said: Vec<String> = hears.try_iter().collect();
    assert!(said.len() == 1 && said[0].contains("docker.io/library/x:1 is damaged"), "{said:?}");
    assert_eq!(document(&path, "manifest.json")[0]["RepoTags"][0], "docker.io/library/x:1");
}

#[tokio::test]
async fn what_cannot_be_joined_is_refused_before_anything_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    write(&tar(&path, ":x:1"), &image("one")).await.unwrap();
    let whole = fs::read(&path).unwrap();
    for begin in [&br#"[{"Config""#[..], br#"{"schemaVersion""#] {
        let mut bytes = whole.clone();
        let at = bytes.windows(begin.len()).rposition(|part| part == begin).unwrap();
        bytes[at] = b'x';
        fs::write(&path, &bytes).unwrap();
        let opened =
            OciArchive::new().destination(&tar(&path, ":y"), &how(WriteMode::Append)).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt);
        let opened = OciArchive::new().write(&tar(&path, ""), &how(WriteMode::Append)).await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
