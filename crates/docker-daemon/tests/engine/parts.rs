//! Loads that leave out what the engine has: bytes are counted at the socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use transship_core::{DeleteOptions, Observer, chain_id};

use super::*;

/// The size of each layer: much more than documents and headers have.
pub(crate) const LAYER: usize = 300_000;

/// What documents, tar headers and requests may need.
const BESIDE: u64 = 60_000;

/// An image of plain layers, each with other bytes.
pub(crate) struct Stack {
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) config: Vec<u8>,
    pub(crate) root: Manifest,
}

impl Stack {
    /// One layer for each seed.
    pub(crate) fn new(seeds: &[&str]) -> Self {
        Self::sized(seeds, LAYER)
    }

    /// The same of a few bytes, where these are not counted.
    pub(crate) fn small(seeds: &[&str]) -> Self {
        Self::sized(seeds, 10_000)
    }

    fn sized(seeds: &[&str], size: usize) -> Self {
        let layers: Vec<_> = seeds.iter().map(|seed| layer(seed, size)).collect();
        let ids: Vec<_> = layers.iter().map(|layer| format!("\"{}\"", sha256(layer))).collect();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            ids.join(",")
        )
        .into_bytes();
        let part = |media_type: MediaType, bytes: &[u8]| {
            Descriptor::new(media_type, sha256(bytes), bytes.len() as u64).to_json()
        };
        let parts: Vec<_> = layers.iter().map(|layer| part(MediaType::ImageLayer, layer)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
            MediaType::ImageManifest,
            part(MediaType::ImageConfig, &config),
            parts.join(",")
        );
        Self { layers, config, root: Manifest::new(manifest).unwrap() }
    }

    /// The same, whose top layer is not to be distributed, and is not put.
    pub(crate) fn with_foreign_top(mut self) -> Self {
        let mut root: serde_json::Value = serde_json::from_slice(self.root.bytes()).unwrap();
        let top = root["layers"].as_array_mut().unwrap().last_mut().unwrap();
        top["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
        top["urls"] = serde_json::json!(["https://example.invalid/layer"]);
        self.root = Manifest::new(root.to_string()).unwrap();
        self.layers.pop();
        self
    }

    pub(crate) fn id(&self) -> Digest {
        sha256(&self.config)
    }

    /// What has to be there, as a transfer asks for it.
    fn wants(&self) -> Vec<(Expect, &[u8])> {
        let mut below = None;
        let mut wants = Vec::new();
        for layer in &self.layers {
            let digest = sha256(layer);
            below = Some(chain_id(below.as_ref(), &digest));
            let want = Expect::digest(digest).with_size(layer.len() as u64);
            wants.push((want.with_chain(below.clone()), &layer[..]));
        }
        let config = Expect::digest(self.id()).with_size(self.config.len() as u64);
        wants.push((config, &self.config[..]));
        wants
    }

    /// Puts what is not there.
    pub(crate) async fn put_missing(&self, to: &dyn ImageDestination) -> Result<()> {
        for (want, bytes) in self.wants() {
            if to.has(&want).await?.is_none() {
                to.put_blob(want, Body::from_bytes(bytes.to_vec())).await?;
            }
        }
        Ok(())
    }

    /// Commits, with what has to be put again. Gives the number of these.
    pub(crate) async fn commit(&self, to: Box<dyn ImageDestination>) -> Result<usize> {
        let again = to.verify_found(Commit::new(&self.root)).await?;
        for (want, bytes) in self.wants() {
            if again.contains(want.digest.as_ref().unwrap()) {
                to.put_blob(want, Body::from_bytes(bytes.to_vec())).await?;
            }
        }
        to.commit(Commit::new(&self.root)).await?;
        Ok(again.len())
    }

    pub(crate) async fn open(
        to: &DockerDaemon,
        name: &str,
        how: &WriteOptions,
    ) -> Box<dyn ImageDestination> {
        to.destination(&to.parse(name).unwrap(), how).await.unwrap()
    }

    pub(crate) async fn write(&self, to: &DockerDaemon, name: &str) -> Result<usize> {
        let destination = to.destination(&to.parse(name)?, &WriteOptions::default()).await?;
        self.put_missing(&*destination).await?;
        self.commit(destination).await
    }

    /// That the engine gives back every byte of it.
    pub(crate) async fn reads_back(&self, from: &DockerDaemon, name: &str) {
        let at = from.parse(name).unwrap();
        let source = from.source(&at, &ReadOptions::default()).await.unwrap();
        let root = source.root().await.unwrap();
        let transship_core::Document::Image(image) = root.document() else { panic!("an index") };
        assert_eq!(image.config.digest, self.id(), "{name}");
        for (layer, bytes) in image.layers.iter().zip(&self.layers) {
            let read = source.blob(layer).await.unwrap().bytes(1 << 20).await.unwrap();
            assert!(read == bytes[..], "{name}: another layer");
        }
    }
}

/// A tar with a file that does not compress.
fn layer(seed: &str, size: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(size);
    let mut block = sha256(seed.as_bytes()).to_string();
    while content.len() < size {
        block = sha256(block.as_bytes()).to_string();
        content.extend_from_slice(block.as_bytes());
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, format!("file-{seed}"), &content[..]).unwrap();
    tar.into_inner().unwrap()
}

/// Passes everything on to another socket, and counts what is sent there.
pub(crate) struct Counting {
    folder: tempfile::TempDir,
    sent: Arc<AtomicU64>,
}

impl Counting {
    pub(crate) fn before(engine: PathBuf) -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let sent = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&engine).await else { continue };
                let ((mut from, mut to), (mut back, mut answer)) =
                    (client.into_split(), server.into_split());
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(n @ 1..) = from.read(&mut buffer).await {
                        counted.fetch_add(n as u64, Ordering::Relaxed);
                        if answer.write_all(&buffer[..n]).await.is_err() {
                            break;
                        }
                    }
                });
                tokio::spawn(async move { tokio::io::copy(&mut back, &mut to).await });
            }
        });
        Self { folder, sent }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}/s", self.folder.path().display())
    }

    /// How many bytes were sent since this was asked last.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}

/// Loads an image of five layers, then one with another top, then one of which a layer went meanwhile.
pub(crate) async fn second_load_sends_what_is_new(engine: PathBuf) {
    let counting = Counting::before(engine);
    let to = daemon(&counting.host());
    let first = Stack::new(&["a", "b", "c", "d", "e"]);
    assert_eq!(first.write(&to, "example.org/app:1").await.unwrap(), 0);
    let all = counting.sent();
    assert!(all > 5 * LAYER as u64, "{all}");

    let second = Stack::new(&["a", "b", "c", "d", "other"]);
    assert_eq!(second.write(&to, "example.org/app:2").await.unwrap(), 0);
    let new = counting.sent();
    let least = LAYER as u64;
    assert!((least..least + BESIDE).contains(&new), "{new} bytes for a layer of {LAYER}");
    second.reads_back(&to, "example.org/app:2").await;
    counting.sent();

    // Another value knows the same of the engine.
    assert_eq!(first.write(&daemon(&counting.host()), "example.org/app:3").await.unwrap(), 0);
    first.reads_back(&to, "example.org/app:3").await;
}

/// What was there when it was asked for, and is not when it is loaded: all is sent, once.
pub(crate) async fn what_has_gone_is_sent_again(engine: PathBuf) {
    let counting = Counting::before(engine);
    let to = daemon(&counting.host());
    let base = Stack::new(&["f", "g", "h"]);
    base.write(&to, "example.org/base:1").await.unwrap();
    let retried = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&retried);
    let how = WriteOptions::default().with_observer(Observer::new(move |notice| {
        if let transship_core::Notice::Retrying { what, .. } = notice {
            heard.lock().unwrap().push(what);
        }
    }));
    let over = Stack::new(&["f", "g", "h", "i"]);
    let destination = Stack::open(&to, "example.org/over:1", &how).await;
    counting.sent();
    over.put_missing(&*destination).await.unwrap();
    let at = to.parse("example.org/base:1").unwrap();
    to.deletion().unwrap().delete(&at, &DeleteOptions::default()).await.unwrap();
    assert_eq!(over.commit(destination).await.unwrap(), 5, "four layers and the config");
    let sent = counting.sent();
    let most = 5 * LAYER as u64 + 2 * BESIDE;
    assert!((4 * LAYER as u64..most).contains(&sent), "{sent}");
    assert_eq!(retried.lock().unwrap().len(), 1, "{retried:?}");
    over.reads_back(&to, "example.org/over:1").await;
}
