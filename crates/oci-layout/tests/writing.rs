//! Writing layouts: what shows, what stays, what moves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;

use common::*;
use serde_json::json;
use transship_core::{
    Archives, Body, Commit, ErrorKind, Expect, Shows, Transport, WriteMode, WriteOptions,
};
use transship_oci_layout::OciLayout;

#[tokio::test]
async fn a_new_layout_shows_with_its_commit_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, made) = (dir.path().join("a/b"), image("one"));
    let at = oci(&layout, ":x:1");
    let to = destination(&at).await.unwrap();
    put_blobs(&*to, &made).await.unwrap();
    assert!(!layout.exists());
    let committed = to.commit(Commit::new(&made.manifest)).await.unwrap();
    assert_eq!(committed.references, std::slice::from_ref(&at));
    assert_eq!(committed.descriptor.digest, made.manifest.descriptor().digest);
    assert_holds(&at, &made).await;
    assert_holds(&oci(&layout, ""), &made).await;
    let blobs: Vec<String> =
        made.blobs.iter().map(|(d, _)| d.digest.encoded().to_owned()).collect();
    let mut expected = vec!["blobs/".to_owned(), "blobs/sha256/".to_owned()];
    expected.extend(blobs.iter().map(|hex| format!("blobs/sha256/{hex}")));
    expected.push(format!("blobs/sha256/{}", made.manifest.descriptor().digest.encoded()));
    expected.extend(["index.json".to_owned(), "oci-layout".to_owned()]);
    expected.sort();
    assert_eq!(names_in(&layout), expected);
    assert_eq!(names_in(dir.path()).iter().filter(|n| n.contains("transship")).count(), 0);
    assert_eq!(read_index(&layout)["manifests"][0]["platform"]["architecture"], "amd64");
}

#[tokio::test]
async fn what_is_dropped_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, made) = (dir.path().join("a/b"), image("one"));
    let to = destination(&oci(&layout, ":x")).await.unwrap();
    put_blobs(&*to, &made).await.unwrap();
    drop(to);
    assert_eq!(names_in(dir.path()), [""; 0]);

    write(&oci(&layout, ":x"), &made).await.unwrap();
    let before = tree(&layout);
    let to = destination(&oci(&layout, ":x")).await.unwrap();
    put_blobs(&*to, &image("two")).await.unwrap();
    assert!(to.has(&Expect::from(&made.blobs[0].0)).await.unwrap().is_some());
    drop(to);
    assert_eq!(tree(&layout), before);
}

#[tokio::test]
async fn an_empty_folder_becomes_a_layout_and_another_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let made = image("one");
    write(&oci(dir.path(), ":x"), &made).await.unwrap();
    assert_holds(&oci(dir.path(), ":x"), &made).await;

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("mine"), "precious").unwrap();
    for mode in [WriteMode::Create, WriteMode::Replace, WriteMode::Append] {
        let at = oci(other.path(), ":x");
        let error = OciLayout::new().destination(&at, &how(mode)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    assert_eq!(names_in(other.path()), ["mine"]);
    let file = oci(&other.path().join("mine"), "");
    let error = destination(&file).await.unwrap_err();
    assert!(error.to_string().contains("oci-archive:"), "{error}");
    assert_eq!(source(&file).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn names_move_and_blobs_are_shared() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("l");
    let (one, two) = (image("one"), image("two"));
    write(&oci(&layout, ":x"), &one).await.unwrap();
    let to = destination(&oci(&layout, ":docker.io/library/x:1")).await.unwrap();
    let shared = Expect::from(&two.blobs[1].0);
    assert_eq!(to.has(&shared).await.unwrap().unwrap().size, 13);
    assert_eq!(
        to.has(&Expect::digest(two.blobs[1].0.digest.clone()).with_size(1)).await.unwrap(),
        None
    );
    assert_eq!(to.has(&Expect::from(&two.blobs[2].0)).await.unwrap(), None);
    for at in [0, 2] {
        let (descriptor, bytes) = &two.blobs[at];
        let body = Body::from_bytes(bytes.clone());
        to.put_blob(Expect::from(descriptor), body).await.unwrap();
    }
    to.commit(Commit::new(&two.manifest)).await.unwrap();
    assert_holds(&oci(&layout, ":x"), &one).await;
    assert_holds(&oci(&layout, ":x:1"), &two).await;

    write(&oci(&layout, ":x"), &two).await.unwrap();
    assert_holds(&oci(&layout, ""), &two).await;
    let index = read_index(&layout);
    let names: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|e| &e["annotations"]).collect();
    assert_eq!(
        names,
        [
            &json!({"org.opencontainers.image.ref.name": "x"}),
            &json!({"io.containerd.image.name": "docker.io/library/x:1",
                "org.opencontainers.image.ref.name": "docker.io/library/x:1"}),
        ]
    );
}

#[tokio::test]
async fn what_others_wrote_into_index_json_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two, three) = (image("one"), image("two"), image("three"));
    let theirs = entry(
        &one.manifest,
        &json!({"vendor": {"z": 1, "a": [null]},
        "annotations": {"z": "1", "org.opencontainers.image.ref.name": "one", "a": "2"}}),
    );
    let index = json!({"vendor.b": 1, "schemaVersion": 2, "manifests": [theirs, named(&two.manifest, "x")],
        "annotations": {"k": "v"}, "vendor.a": {}});
    lay_out(dir.path(), &index, &bytes_of(&[&one, &two]));
    fs::write(dir.path().join("unknown"), "file").unwrap();
    write(&oci(dir.path(), ":x"), &three).await.unwrap();
    let mut expected = index.clone();
    expected["manifests"][1] = entry(
        &three.manifest,
        &json!({
            "annotations": {"org.opencontainers.image.ref.name": "x"},
            "platform": {"architecture": "amd64", "os": "linux"},
        }),
    );
    let text = fs::read_to_string(dir.path().join("index.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    // As it stood, byte for byte.
    assert!(text.contains(&theirs.to_string()), "{text}");
    assert!(text.starts_with(r#"{"vendor.b":1,"schemaVersion":2,"#), "{text}");
    assert_eq!(fs::read(dir.path().join("unknown")).unwrap(), b"file");
}

#[tokio::test]
async fn a_truncated_blob_in_place_is_not_believed_and_healed() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, made) = (dir.path().join("l"), image("one"));
    write(&oci(&layout, ":x"), &made).await.unwrap();
    let path = layout.join("blobs/sha256").join(made.blobs[2].0.digest.encoded());
    for wrong in [&made.blobs[2].1[..3], b"layer of on3"] {
        fs::write(&path, wrong).unwrap();
        let to = destination(&oci(&layout, ":y")).await.unwrap();
        assert_eq!(to.has(&Expect::from(&made.blobs[2].0)).await.unwrap(), None);
        // A commit that relies on it is refused.
        let error = to.commit(Commit::new(&made.manifest)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(made.blobs[2].0.digest.as_ref()), "{error}");
        write(&oci(&layout, ":y"), &made).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), made.blobs[2].1);
    }
}

#[tokio::test]
async fn a_put_that_fails_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, made) = (dir.path().join("l"), image("one"));
    let to = destination(&oci(&layout, ":x")).await.unwrap();
    let (layer, bytes) = &made.blobs[2];
    let failing = std::io::Read::chain(&b"layer"[..], Failing);
    for (expect, body) in [
        (Expect::from(layer), Body::from_bytes("something else")),
        (Expect::digest(layer.digest.clone()).with_size(3), Body::from_bytes(bytes.clone())),
        (Expect::anything(), Body::from_reader(failing)),
    ] {
        assert!(to.put_blob(expect, body).await.is_err());
        assert_eq!(to.has(&Expect::from(layer)).await.unwrap(), None);
    }
    put_blobs(&*to, &made).await.unwrap();
    to.commit(Commit::new(&made.manifest)).await.unwrap();
    assert_holds(&oci(&layout, ":x"), &made).await;
    assert_eq!(names_in(&layout).len(), 8);
}

struct Failing;

impl std::io::Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("torn"))
    }
}

#[tokio::test]
async fn modes() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, one, two) = (dir.path().join("l"), image("one"), image("two"));
    let transport = OciLayout::new();
    let at = oci(&layout, ":x");
    let open = async |mode| transport.destination(&at, &how(mode)).await;
    let (first, second) =
        (open(WriteMode::Create).await.unwrap(), open(WriteMode::Create).await.unwrap());
    write_to(first, &one).await.unwrap();
    // The loser of the race finds out at its commit.
    let error = write_to(second, &two).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let error = open(WriteMode::Create).await.unwrap_err();
    assert!(error.to_string().contains("replace it"), "{error}");
    write(&oci(&layout, ":y"), &one).await.unwrap();

    let before = tree(&layout);
    let to = open(WriteMode::Replace).await.unwrap();
    put_blobs(&*to, &two).await.unwrap();
    assert_holds(&oci(&layout, ":y"), &one).await;
    let reader = source(&oci(&layout, ":y")).await.unwrap();
    to.commit(Commit::new(&two.manifest)).await.unwrap();
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 1);
    assert_holds(&oci(&layout, ":x"), &two).await;
    // Open readers see the old bytes.
    assert_eq!(reader.root().await.unwrap().bytes(), one.manifest.bytes());
    assert!(before.keys().all(|name| layout.join(name).exists()));
}

#[tokio::test]
async fn only_one_image_may_be_without_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, one, two) = (dir.path().join("l"), image("one"), image("two"));
    let committed = write(&oci(&layout, ""), &one).await.unwrap();
    assert_holds(&committed.references[0], &one).await;
    write(&oci(&layout, ""), &one).await.unwrap();
    let before = tree(&layout);
    let error = write(&oci(&layout, ""), &two).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("a name"), "{error}");
    assert_eq!(tree(&layout)["index.json"], before["index.json"]);
    // The name goes to the entry that had none.
    write(&oci(&layout, ":x"), &one).await.unwrap();
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn names_of_the_options() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, made) = (dir.path().join("l"), image("one"));
    let transport = OciLayout::new();
    let mut how = WriteOptions::default();
    how.fallback_names = vec![name("not a name"), name("localhost/a__b:1")];
    let to = transport.destination(&oci(&layout, ""), &how).await.unwrap();
    assert_eq!(to.reference(), &oci(&layout, ":localhost/a__b:1"));
    let committed = write_to(to, &made).await.unwrap();
    assert_holds(&committed.references[0], &made).await;
    how.names = vec![name("y"), name("x"), name("y")];
    let to = transport.destination(&oci(&layout, ":x"), &how).await.unwrap();
    assert_eq!(
        write_to(to, &made).await.unwrap().references,
        [oci(&layout, ":x"), oci(&layout, ":y")]
    );
    let names: Vec<_> = source(&oci(&layout, ":y")).await.unwrap().names().to_vec();
    assert_eq!(names, [name("localhost/a__b:1"), name("x"), name("y")]);

    how.names = vec![name("not a name")];
    let error = transport.destination(&oci(&layout, ""), &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = destination(&oci(&layout, ":@0")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn several_images_show_together() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("l");
    let transport = OciLayout::new();
    let (one, two, three) = (image("one"), image("two"), image("three"));
    let mut writer = transport.write(&oci(&layout, ""), &WriteOptions::default()).await.unwrap();
    let first = writer.image(&[name("one"), name("moves")]).await.unwrap();
    assert_eq!(first.accepts().shows, Shows::AtFinish);
    let abandoned = writer.image(&[name("abandoned")]).await.unwrap();
    write_to(first, &one).await.unwrap();
    put_blobs(&*abandoned, &three).await.unwrap();
    drop(abandoned);
    write_to(writer.image(&[name("moves")]).await.unwrap(), &two).await.unwrap();
    assert!(!layout.exists());
    writer.finish().await.unwrap();
    assert_holds(&oci(&layout, ":one"), &one).await;
    assert_holds(&oci(&layout, ":moves"), &two).await;
    assert_eq!(read_index(&layout)["manifests"].as_array().unwrap().len(), 2);
    let abandoned = layout.join("blobs/sha256").join(three.blobs[0].0.digest.encoded());
    assert!(!abandoned.exists());

    let before = tree(&layout);
    let writer = transport.write(&oci(&layout, ""), &WriteOptions::default()).await.unwrap();
    write_to(writer.image(&[name("three")]).await.unwrap(), &three).await.unwrap();
    write_to(writer.image(&[]).await.unwrap(), &two).await.unwrap();
    let error = write_to(writer.image(&[]).await.unwrap(), &one).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    drop(writer);
    assert_eq!(tree(&layout), before);
    let error = transport.write(&oci(&layout, ":x"), &WriteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_layout_that_cannot_be_joined_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (version, index, kind) in [
        (r#"{"imageLayoutVersion":"9.9.9"}"#, r#"{"manifests":[]}"#, ErrorKind::Unsupported),
        (r#"{"imageLayoutVersion":"1.0.0"}"#, "", ErrorKind::Corrupt),
        ("", r#"{"manifests":[]}"#, ErrorKind::Corrupt),
    ] {
        fs::write(dir.path().join("oci-layout"), version).unwrap();
        fs::write(dir.path().join("index.json"), index).unwrap();
        let error = destination(&oci(dir.path(), ":x")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(source(&oci(dir.path(), ":x")).await.unwrap_err().kind(), kind);
        assert_eq!(fs::read_to_string(dir.path().join("index.json")).unwrap(), index);
    }
    // What a writer that was killed first thing leaves is a layout without images.
    fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::remove_file(dir.path().join("index.json")).unwrap();
    assert_eq!(source(&oci(dir.path(), "")).await.unwrap_err().kind(), ErrorKind::NotFound);
    write(&oci(dir.path(), ":x"), &image("one")).await.unwrap();
    assert_holds(&oci(dir.path(), ":x"), &image("one")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn modes_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("l");
    symlink("real", dir.path().join("link")).unwrap();
    write(&oci(&dir.path().join("link"), ":x"), &image("one")).await.unwrap();
    assert!(dir.path().join("real/oci-layout").exists());
    fs::rename(dir.path().join("real"), &layout).unwrap();
    fs::set_permissions(layout.join("index.json"), fs::Permissions::from_mode(0o640)).unwrap();
    write(&oci(&layout, ":y"), &image("two")).await.unwrap();
    let mode = |name: &str| layout.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("index.json"), 0o640);
    // As any new file: 0666 without the umask.
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let plain = plain.metadata().unwrap().permissions().mode() & 0o777;
    let blob = format!("blobs/sha256/{}", image("two").blobs[0].0.digest.encoded());
    assert_eq!((mode(&blob), mode("oci-layout")), (plain, plain));
}

#[tokio::test]
async fn shared_blobs_are_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, shared) = (dir.path().join("l"), dir.path().join("deep/shared"));
    let transport = OciLayout::new().with_shared_blobs(&shared);
    let made = image("one");
    let at = oci(&layout, ":x");
    let to = transport.destination(&at, &WriteOptions::default()).await.unwrap();
    put_blobs(&*to, &made).await.unwrap();
    drop(to);
    assert!(names_in(dir.path()).is_empty());
    let to = transport.destination(&at, &WriteOptions::default()).await.unwrap();
    write_to(to, &made).await.unwrap();
    assert_eq!(names_in(&layout), ["blobs/", "index.json", "oci-layout"]);
    assert_eq!(names_in(&shared).len(), 5);
    let source = transport.source(&at, &transship_core::ReadOptions::default()).await.unwrap();
    source.root().await.unwrap();
    assert_eq!(
        source.blob(&made.blobs[0].0).await.unwrap().bytes(1000).await.unwrap(),
        made.blobs[0].1
    );
    let to = transport
        .destination(&oci(&dir.path().join("m"), ":x"), &WriteOptions::default())
        .await
        .unwrap();
    assert!(to.has(&Expect::from(&made.blobs[0].0)).await.unwrap().is_some());
}
