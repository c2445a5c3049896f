//! A registry, the transport, and images to send.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use transship_core::{
    Body, Commit, Committed, Descriptor, EMPTY_JSON_DIGEST, Expect, ImageDestination, ImageSource,
    Manifest, MediaType, Notice, Observer, ReadOptions, Result, Transport, WriteOptions,
    parse_digest,
};
use transship_registry::{Registry, RegistryOptions};
use transship_test_registry::{Options, Registry as Server};

/// An image in memory.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) blobs: Vec<(Descriptor, Bytes)>,
}

/// An image of one layer.
pub(crate) fn image(layer: impl Into<Bytes>) -> Image {
    let layer = layer.into();
    let layer = (described(MediaType::ImageLayer, &layer), layer);
    let config = Bytes::from(json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [layer.0.digest.to_string()] } }).to_string());
    let config = (described(MediaType::ImageConfig, &config), config);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest.as_ref(),
        "config": config.0,
        "layers": [layer.0],
    });
    let manifest = Manifest::new(manifest.to_string()).unwrap();
    Image { manifest, blobs: vec![layer, config] }
}

/// An artifact about an image.
pub(crate) fn about(subject: &Descriptor, text: &str) -> Image {
    let empty = Descriptor::new(MediaType::EmptyJson, parse_digest(EMPTY_JSON_DIGEST).unwrap(), 2);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest.as_ref(),
        "artifactType": "application/vnd.example.sbom",
        "config": empty,
        "layers": [empty],
        "subject": subject,
        "annotations": { "text": text },
    });
    let manifest = Manifest::new(manifest.to_string()).unwrap();
    Image { manifest, blobs: vec![(empty, Bytes::from_static(b"{}"))] }
}

pub(crate) fn described(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, transship_core::sha256(bytes), bytes.len() as u64)
}

/// Bytes that no compression and no shift hides.
pub(crate) fn noise(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = (0..size).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.collect()
}

pub(crate) fn serve(change: impl FnOnce(&mut Options)) -> Server {
    let mut options = Options::default();
    change(&mut options);
    Server::start(options).unwrap()
}

pub(crate) fn open() -> Server {
    serve(|_| {})
}

/// The transport, with short waits.
pub(crate) fn client(change: impl FnOnce(&mut RegistryOptions)) -> Registry {
    let mut options = RegistryOptions::default();
    options.first_wait = Duration::from_millis(1);
    options.idle_timeout = Duration::from_secs(5);
    options.anonymous = true;
    change(&mut options);
    Registry::new(options)
}

pub(crate) fn plain() -> Registry {
    client(|_| {})
}

/// What an observer heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Notice>>>);

impl Heard {
    pub(crate) fn observer(&self) -> Observer {
        let heard = Arc::clone(&self.0);
        Observer::new(move |notice| heard.lock().unwrap().push(notice))
    }

    pub(crate) fn retries(&self) -> usize {
        let heard = self.0.lock().unwrap();
        heard.iter().filter(|notice| matches!(notice, Notice::Retrying { .. })).count()
    }

    pub(crate) fn text(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

pub(crate) async fn source(
    registry: &Registry,
    server: &Server,
    rest: &str,
) -> Result<Box<dyn ImageSource>> {
    let at = registry.parse(&format!("//{}/{rest}", server.host()))?;
    registry.source(&at, &ReadOptions::default()).await
}

pub(crate) async fn destination(
    registry: &Registry,
    server: &Server,
    rest: &str,
    how: &WriteOptions,
) -> Result<Box<dyn ImageDestination>> {
    let at = registry.parse(&format!("//{}/{rest}", server.host()))?;
    registry.destination(&at, how).await
}

/// Sends an image as the engine does: what is there already stays.
pub(crate) async fn push(
    registry: &Registry,
    server: &Server,
    rest: &str,
    image: &Image,
) -> Result<Committed> {
    let to = destination(registry, server, rest, &WriteOptions::default()).await?;
    put(&*to, image).await?;
    to.commit(Commit::new(&image.manifest)).await
}

pub(crate) async fn put(to: &dyn ImageDestination, image: &Image) -> Result<()> {
    for (descriptor, bytes) in &image.blobs {
        if to.has(&Expect::from(descriptor)).await?.is_none() {
            to.put_blob(Expect::from(descriptor), Body::from_bytes(bytes.clone())).await?;
        }
    }
    Ok(())
}

/// Reads an image, whole and checked.
pub(crate) async fn pull(registry: &Registry, server: &Server, rest: &str) -> Result<Image> {
    read(&*source(registry, server, rest).await?).await
}

pub(crate) async fn read(from: &dyn ImageSource) -> Result<Image> {
    let manifest = from.root().await?;
    let mut blobs = Vec::new();
    if let transship_core::Document::Image(image) = manifest.document() {
        for of in image.layers.iter().chain([&image.config]) {
            blobs.push((of.clone(), from.blob(of).await?.bytes(1 << 30).await?));
        }
    }
    Ok(Image { manifest, blobs })
}

/// `METHOD /path` of all that was asked.
pub(crate) fn asked(server: &Server) -> Vec<String> {
    let exchanges = server.exchanges();
    exchanges.iter().map(|one| format!("{} {}", one.method, one.path)).collect()
}

/// Waits for what happens in the background.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
