//! The scenarios of the two proposals that this project began with: archives of docker's with many images, and a transfer
//! from any place to any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(all(feature = "docker-archive", feature = "oci-layout", feature = "directory"))]

use std::collections::BTreeSet;
use std::path::Path;

use transship::transport::{ArchiveReader, ArchiveWriter, Commit, Expect, ImageSource};
use transship::{
    Body, Digest, Document, ErrorKind, ImageName, Images, ReadOptions, Settings, Source, Transfer,
    TransferOptions, Transports, WriteOptions,
};

const HELLO: &str =
    concat!("docker-archive:", env!("CARGO_MANIFEST_DIR"), "/../../examples/data/hello.tar");
const ARCHIVES: [&str; 3] = ["docker-archive", "oci-archive", "oci"];

/// New values each time, as in another process.
fn transports() -> Transports {
    Transports::linked(&Settings::new()).unwrap()
}

fn place(scheme: &str, folder: &Path, name: &str) -> String {
    format!("{scheme}:{}", folder.join(name).display())
}

fn name(text: &str) -> ImageName {
    ImageName::new(text).unwrap()
}

async fn reader(at: &str) -> Box<dyn ArchiveReader> {
    let transports = transports();
    let at = transports.parse(at).unwrap();
    let archives = transports.of(&at).unwrap().archives().unwrap();
    archives.read(&at, &ReadOptions::default()).await.unwrap()
}

async fn writer(at: &str) -> Box<dyn ArchiveWriter> {
    let transports = transports();
    let at = transports.parse(at).unwrap();
    let archives = transports.of(&at).unwrap().archives().unwrap();
    archives.write(&at, &WriteOptions::default()).await.unwrap()
}

async fn open(text: &str) -> transship::Result<Box<dyn ImageSource>> {
    let transports = transports();
    let at = transports.parse(text)?;
    transports.of(&at)?.source(&at, &ReadOptions::default()).await
}

/// Reads all of an image; gives its config's digest, which no copy changes.
async fn read(image: &dyn ImageSource) -> Digest {
    let root = image.root().await.unwrap();
    let Document::Image(document) = root.document() else { panic!("an image") };
    for blob in document.layers.iter().chain([&document.config]) {
        let bytes = image.blob(blob).await.unwrap().bytes(1 << 20).await.unwrap();
        assert_eq!(bytes.len() as u64, blob.size);
    }
    document.config.digest.clone()
}

async fn copy_all(from: &str, to: &str) {
    let known = transports();
    let mut options = TransferOptions::default();
    options.images = Images::All;
    let (from, to) = (known.parse(from).unwrap(), known.parse(to).unwrap());
    Transfer::new(from, to).options(options).run().await.unwrap();
}

/// An image into a writer, under names; its blobs are put, but for those that are there.
async fn write(image: &dyn ImageSource, to: &dyn ArchiveWriter, names: &[ImageName]) {
    let place = to.image(names).await.unwrap();
    let root = image.root().await.unwrap();
    let Document::Image(document) = root.document() else { panic!("an image") };
    for blob in document.layers.iter().chain([&document.config]) {
        let expect = Expect::from(blob);
        if place.has(&expect).await.unwrap().is_none() {
            let body: Body = image.blob(blob).await.unwrap();
            place.put_blob(expect, body).await.unwrap();
        }
    }
    place.commit(Commit::new(&root)).await.unwrap();
}

#[tokio::test]
async fn every_image_is_listed_and_read_by_text_alone_untagged_ones_too() {
    let folder = tempfile::tempdir().unwrap();
    // Of two images one has no name.
    let mixed = place("docker-archive", folder.path(), "mixed.tar");
    let mut to = writer(&mixed).await;
    let hello = reader(HELLO).await;
    for (entry, names) in hello.entries().iter().zip([&[][..], &[name("x:1")]]) {
        write(&*hello.open(entry).await.unwrap(), &*to, names).await;
    }
    to.finish().await.unwrap();
    for archive in [HELLO, &mixed] {
        let listed = reader(archive).await;
        let mut ids = BTreeSet::new();
        for entry in listed.entries() {
            let by_text = open(&entry.reference.to_string()).await.unwrap();
            let id = read(&*by_text).await;
            assert_eq!(id, read(&*listed.open(entry).await.unwrap()).await);
            for name in &entry.names {
                let by_name = open(&format!("{archive}:{name}")).await.unwrap();
                assert_eq!(read(&*by_name).await, id);
            }
            ids.insert(id.to_string());
        }
        assert_eq!(ids.len(), 2, "{archive}");
    }
}

#[tokio::test]
async fn committing_is_not_publishing_and_layers_are_shared() {
    let hello = reader(HELLO).await;
    for scheme in ARCHIVES {
        let folder = tempfile::tempdir().unwrap();
        let at = place(scheme, folder.path(), "new");
        for publish in [false, true] {
            let mut to = writer(&at).await;
            for (number, entry) in hello.entries().iter().enumerate() {
                let names = [name(&format!("x:{number}")), name(&format!("more/x:{number}"))];
                write(&*hello.open(entry).await.unwrap(), &*to, &names).await;
            }
            assert!(!folder.path().join("new").exists(), "{scheme}: nothing shows before finish");
            if publish {
                to.finish().await.unwrap();
            } else {
                drop(to);
                let left = folder.path().read_dir().unwrap().count();
                assert_eq!(left, 0, "{scheme}: a writer that is dropped leaves nothing");
            }
        }
        let listed = reader(&at).await;
        let names: Vec<usize> = listed.entries().iter().map(|entry| entry.names.len()).collect();
        assert_eq!(names, [2, 2], "{scheme}");
    }
}

#[tokio::test]
async fn several_names_in_one_export_are_one_image() {
    let folder = tempfile::tempdir().unwrap();
    for scheme in ARCHIVES {
        let known = transports();
        let to = place(scheme, folder.path(), scheme);
        let from = known.parse(&format!("{HELLO}:@1")).unwrap();
        let source =
            Source::from(from).named(name("a/b:1")).named(name("a/b:2")).named(name("c:3"));
        Transfer::many([source], known.parse(&to).unwrap()).run().await.unwrap();
        let listed = reader(&to).await;
        let [entry] = listed.entries() else { panic!("{scheme}: {:?}", listed.entries()) };
        assert_eq!(entry.names.len(), 3, "{scheme}");
        let id = read(&*open(&format!("{to}:a/b:2")).await.unwrap()).await;
        assert_eq!(id, read(&*open(&format!("{HELLO}:@1")).await.unwrap()).await);
    }
}

#[tokio::test]
async fn errors_name_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let known = transports();
    let dir = place("dir", folder.path(), "one");
    let mut options = TransferOptions::default();
    options.images = Images::All;
    let transfer = Transfer::new(known.parse(HELLO).unwrap(), known.parse(&dir).unwrap());
    let error = transfer.options(options.clone()).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains(&dir) && error.to_string().contains("oci-archive"),
        "{error}"
    );

    options.renames = vec!["*=same:1".parse().unwrap()];
    let layout = known.parse(&place("oci", folder.path(), "layout")).unwrap();
    let transfer = Transfer::new(known.parse(HELLO).unwrap(), layout).options(options);
    let error = transfer.run().await.unwrap_err().to_string();
    assert!(error.contains("hello.tar:@0 and docker-archive:"), "{error}");
    assert!(error.contains("hello.tar:@1 would both be named same:1"), "{error}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn all_goes_everywhere_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = HELLO.to_owned();
    for scheme in ["oci", "oci-archive", "docker-archive"] {
        let to = place(scheme, folder.path(), scheme);
        copy_all(&from, &to).await;
        from = to;
    }
    let (first, last) = (reader(HELLO).await, reader(&from).await);
    for (old, new) in first.entries().iter().zip(last.entries()) {
        assert_eq!(old.names, new.names);
        let (old, new) = (first.open(old).await.unwrap(), last.open(new).await.unwrap());
        assert_eq!(read(&*old).await, read(&*new).await);
    }
    assert_eq!(first.entries().len(), last.entries().len());
}
