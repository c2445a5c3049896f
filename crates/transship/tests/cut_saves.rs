//! Saves of an engine that are cut, or end in the engine's words: nothing of them is left where they were copied to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(all(unix, feature = "docker-daemon", feature = "docker-archive", feature = "oci-layout"))]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;
use transship::transport::{Commit, Expect, WriteOptions};
use transship::{Body, Digest, ErrorKind, Result, Settings, Transfer, TransferOptions, Transports};
use transship_conformance::model::{Built, Image, Layer};

mod answers;

use answers::Answers;

const NAME: &str = "example.org/app:1";

/// What the engine says at the end of a save that fails.
const WORDS: &str = "open /layers/x: no such file";

/// An engine whose saves are what the test says.
struct Engine {
    answers: Answers,
    save: Arc<Mutex<Vec<u8>>>,
}

impl Engine {
    fn start() -> Self {
        let save = Arc::<Mutex<Vec<u8>>>::default();
        let says = Arc::clone(&save);
        let answers = Answers::start(move |path| match path {
            path if path.contains("/images/get") => says.lock().unwrap().clone(),
            path if path.contains("/images/") => {
                let id = format!("sha256:{}", "0".repeat(64));
                json!({"Id": id, "RepoTags": [NAME]}).to_string().into()
            }
            _ => b"{}".to_vec(),
        });
        Self { answers, save }
    }

    fn says(&self, save: &[u8], more: &[u8]) {
        *self.save.lock().unwrap() = [save, more].concat();
    }
}

/// An image with a small layer, and one that is more than is held in memory.
fn image() -> Built {
    let layers = vec![Layer::tar(1, 3000), Layer::tar(2, 1 << 20)];
    Image { layers, ..Image::simple(1) }.build().unwrap()
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}", digest.to_string().replace(':', "/"))
}

/// As engines with the containerd store save it: the lists are last.
fn layout(image: &Built) -> Vec<u8> {
    let root = image.root.descriptor();
    let mut files: Vec<_> = image
        .blobs
        .iter()
        .map(|blob| (blob_path(&blob.descriptor.digest), blob.bytes.to_vec()))
        .collect();
    files.push((blob_path(&root.digest), image.root.bytes().to_vec()));
    let names = json!({"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "1"});
    let entry = json!({"mediaType": root.media_type.to_string(), "digest": root.digest.to_string(),
        "size": root.size, "annotations": names});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    files.push(("index.json".to_owned(), index.into()));
    files.push(("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    tar_of(files)
}

/// As engines with graph drivers save it.
fn docker(image: &Built) -> Vec<u8> {
    let config = image.config().unwrap();
    let hex = |digest: &Digest| digest.to_string().replace("sha256:", "");
    let layers = image.layers();
    let path = |digest: &Digest| format!("{}/layer.tar", hex(digest));
    let paths: Vec<_> = layers.iter().map(|layer| path(&layer.descriptor.digest)).collect();
    let config_path = format!("{}.json", hex(&config.descriptor.digest));
    let list = json!([{"Config": config_path, "RepoTags": [NAME], "Layers": paths}]).to_string();
    let bytes = layers.iter().map(|layer| layer.bytes.to_vec());
    let mut files: Vec<_> = paths.into_iter().zip(bytes).collect();
    files.push((config_path, config.bytes.to_vec()));
    files.push(("manifest.json".to_owned(), list.into()));
    tar_of(files)
}

fn tar_of(files: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o444);
        tar.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Where a tar is cut: at every 4 KiB, behind each entry, and inside its end.
fn cuts(tar: &[u8]) -> Vec<usize> {
    let mut archive = tar::Archive::new(tar);
    let behind = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        usize::try_from(entry.raw_file_position() + entry.size().next_multiple_of(512)).unwrap()
    });
    let end = [1024, 700, 512, 1].map(|left| tar.len() - left);
    (0..tar.len()).step_by(4 << 10).chain(behind).chain(end).collect()
}

/// Every file of a folder, and each folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, None);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

async fn copy(known: &Transports, to: &str, spool: &Path) -> Result<()> {
    let from = known.parse(&format!("docker-daemon:{NAME}"))?;
    let how = TransferOptions::default().with_spool(Some(spool.to_owned()));
    let transfer = Transfer::new(from, known.parse(to)?).options(how);
    let transfer = transfer.from_transports(known.clone()).to_transports(known.clone());
    transfer.run().await.map(drop)
}

/// Copies both forms of a save to a place, cut everywhere: the folder stays as it is. In the end the whole one comes.
async fn nothing_comes(folder: &Path, to: &str) {
    let (engine, spool) = (Engine::start(), tempfile::tempdir().unwrap());
    let (known, before) = (engine.answers.known(), tree(folder));
    let words = json!({ "message": WORDS }).to_string();
    for (form, whole) in [("layout", layout(&image())), ("docker", docker(&image()))] {
        // Elsewhere it comes, when it is whole.
        let elsewhere = tempfile::tempdir().unwrap();
        engine.says(&whole, b"");
        let at = format!("oci:{}/layout:x", elsewhere.path().display());
        copy(&known, &at, spool.path()).await.unwrap();
        let silent = cuts(&whole).into_iter().map(|cut| (cut, ""));
        let telling = cuts(&whole).into_iter().chain([whole.len()]).map(|cut| (cut, &words[..]));
        for (cut, more) in silent.chain(telling) {
            engine.says(&whole[..cut], more.as_bytes());
            let Err(error) = copy(&known, to, spool.path()).await else {
                panic!("{form} {cut} {more}: it was taken")
            };
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{form} {cut} {more}: {error}");
            assert!(more.is_empty() || error.to_string().contains(WORDS), "{form} {cut}: {error}");
            let same = tree(folder) == before && tree(spool.path()).is_empty();
            assert!(same, "{form} {cut} {more}: something is left");
        }
    }
    engine.says(&layout(&image()), b"");
    copy(&known, to, spool.path()).await.unwrap();
    assert!(tree(folder) != before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let to = |name: &str| format!("oci:{}:{name}", folder.path().join("layout").display());
    let known = Transports::linked(&Settings::new()).unwrap();
    let other = Image::simple(2).build().unwrap();
    let at = known.parse(&to("other")).unwrap();
    let place = known.of(&at).unwrap().destination(&at, &WriteOptions::default()).await.unwrap();
    for blob in &other.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        place.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
    }
    place.commit(Commit::new(&other.root)).await.unwrap();
    nothing_comes(folder.path(), &to("new")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_oci_archive_comes_to_be() {
    let folder = tempfile::tempdir().unwrap();
    nothing_comes(folder.path(), &format!("oci-archive:{}/new.tar", folder.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_docker_archive_comes_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("docker-archive:{}/new.tar:{NAME}", folder.path().display());
    nothing_comes(folder.path(), &to).await;
}
