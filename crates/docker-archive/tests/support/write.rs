//! Images to write.

use std::path::Path;

use bytes::Bytes;
use serde_json::json;
use transship_core::{
    ArchiveWriter, Archives, Body, Commit, Committed, Expect, ImageDestination, Manifest,
    MediaType, Result, Transport, WriteMode, WriteOptions, sha256,
};
use transship_docker_archive::DockerArchive;

/// A config and plain layers.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) config: Bytes,
    pub(crate) layers: Vec<Bytes>,
}

impl Image {
    pub(crate) fn new(what: &str, layers: &[&str]) -> Self {
        let layers: Vec<Vec<u8>> = layers.iter().map(|text| super::layer(text)).collect();
        let borrowed: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        let config = super::config(what, &borrowed).into();
        Self { config, layers: layers.into_iter().map(Bytes::from).collect() }
    }

    pub(crate) fn manifest(&self) -> Manifest {
        self.manifest_of(
            MediaType::ImageManifest.as_ref(),
            MediaType::ImageConfig.as_ref(),
            MediaType::ImageLayer.as_ref(),
        )
    }

    pub(crate) fn manifest_of(&self, own: &str, config: &str, layer: &str) -> Manifest {
        let described = |bytes: &Bytes, media_type: &str| json!({ "mediaType": media_type, "digest": sha256(bytes).to_string(), "size": bytes.len() });
        let layers: Vec<_> = self.layers.iter().map(|bytes| described(bytes, layer)).collect();
        let document = json!({ "schemaVersion": 2, "mediaType": own, "config": described(&self.config, config), "layers": layers });
        Manifest::new(document.to_string()).unwrap()
    }
}

pub(crate) async fn writer(path: &Path) -> Result<Box<dyn ArchiveWriter>> {
    writer_with(path, WriteMode::Create).await
}

pub(crate) async fn writer_with(path: &Path, mode: WriteMode) -> Result<Box<dyn ArchiveWriter>> {
    let transport = DockerArchive::new();
    let at = transport.parse(&path.display().to_string())?;
    let mut how = WriteOptions::default();
    how.mode = Some(mode);
    Archives::write(&transport, &at, &how).await
}

/// Puts the blobs of an image, the layers first, unless they are there.
pub(crate) async fn put(destination: &dyn ImageDestination, image: &Image) -> Result<()> {
    let layers = image.layers.iter().map(|layer| (layer, MediaType::ImageLayer));
    for (bytes, media_type) in layers.chain([(&image.config, MediaType::ImageConfig)]) {
        let expect =
            Expect::digest(sha256(bytes)).with_size(bytes.len() as u64).with_media_type(media_type);
        if destination.has(&expect).await?.is_none() {
            destination.put_blob(expect, Body::from_bytes(bytes.clone())).await?;
        }
    }
    Ok(())
}

pub(crate) async fn commit(
    destination: Box<dyn ImageDestination + '_>,
    image: &Image,
) -> Result<Committed> {
    put(&*destination, image).await?;
    destination.commit(Commit::new(&image.manifest())).await
}
