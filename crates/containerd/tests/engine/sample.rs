//! [`Sample`]: a small image.

use transship_core::{
    Body, Commit, Committed, Descriptor, Digest, Document, Expect, ImageDestination, Manifest,
    MediaType, ReadOptions, Result, Transport, WriteOptions, sha256,
};

/// An image of some layers of bytes that are no tars, which containerd does not mind.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) config: Vec<u8>,
    pub(crate) root: Manifest,
}

impl Sample {
    /// Each layer of so many bytes that follow from its text.
    pub(crate) fn new(layers: &[&str], size: usize) -> Self {
        let layer = |text: &&str| text.bytes().cycle().take(size).collect::<Vec<u8>>();
        let layers: Vec<_> = layers.iter().map(layer).collect();
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

    pub(crate) fn digest(&self) -> &Digest {
        &self.root.descriptor().digest
    }

    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config])
    }

    /// Puts what is not there.
    pub(crate) async fn put(&self, to: &dyn ImageDestination) -> Result<()> {
        for bytes in self.blobs() {
            let expect = Expect::digest(sha256(bytes)).with_size(bytes.len() as u64);
            if to.has(&expect).await?.is_none() {
                to.put_blob(expect, Body::from_bytes(bytes.clone())).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn write(&self, to: &dyn Transport, name: &str) -> Result<Committed> {
        let destination = to.destination(&to.parse(name)?, &WriteOptions::default()).await?;
        self.put(&*destination).await?;
        destination.commit(Commit::new(&self.root)).await
    }

    /// The layers that a place has of it.
    pub(crate) async fn read(&self, from: &dyn Transport, name: &str) -> Result<Vec<Vec<u8>>> {
        let source = from.source(&from.parse(name)?, &ReadOptions::default()).await?;
        let Document::Image(image) = self.root.document() else { panic!("an index") };
        assert_eq!(source.root().await?.bytes(), self.root.bytes());
        let mut layers = Vec::new();
        for layer in &image.layers {
            layers.push(source.blob(layer).await?.bytes(64 << 20).await?.to_vec());
        }
        Ok(layers)
    }
}
