//! The facts of an image, without reading its layers.

use async_trait::async_trait;
use serde_json::Value;
use transship::transport::{
    CONFIG_LIMIT, ImageDocument, ImageSource, IndexDocument, Listed, ResultExt, Visit, Visitor,
    needed_blob, walk_from,
};
use transship::{Descriptor, Error, ErrorKind, Manifest, Platform, Result};

/// The config of an image, as bytes and parsed.
pub(crate) struct Config {
    pub(crate) bytes: Vec<u8>,
    pub(crate) value: Value,
}

impl Config {
    /// Reads the config of an image.
    pub(crate) async fn read(source: &dyn ImageSource, of: &Descriptor) -> Result<Self> {
        let what = || format!("config {}", of.digest);
        let bytes = needed_blob(source, of).await?.bytes(CONFIG_LIMIT).await.context(what)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::new(ErrorKind::Corrupt, "it is not JSON").caused_by(e))
            .context(what)?;
        Ok(Self { bytes: bytes.into(), value })
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn platform(&self) -> Option<Platform> {
        let mut platform = Platform::new(self.text("os")?, self.text("architecture")?);
        platform.variant = self.text("variant").map(str::to_owned);
        platform.os_version = self.text("os.version").map(str::to_owned);
        Some(platform.normalized())
    }

    /// The digests of the plain layers.
    pub(crate) fn diff_ids(&self) -> impl Iterator<Item = &str> {
        let listed = self.value.pointer("/rootfs/diff_ids").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// An entry of an index, or of an index in it.
pub(crate) struct Child {
    pub(crate) descriptor: Descriptor,
    /// Its manifest, if it is there.
    pub(crate) manifest: Option<Manifest>,
    pub(crate) platform: Option<Platform>,
}

/// The entries of an index; those of nested indexes in place of them.
pub(crate) async fn children(source: &dyn ImageSource, index: &Manifest) -> Result<Vec<Child>> {
    walk_from(source, index, &Children { source }).await
}

struct Children<'a> {
    source: &'a dyn ImageSource,
}

#[async_trait]
impl Visitor for Children<'_> {
    type Output = Vec<Child>;

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<Vec<Child>> {
        let descriptor = of.listed.descriptor.clone();
        let platform = match &descriptor.platform {
            Some(said) => Some(said.clone().normalized()),
            None if image.is_runnable() => {
                Config::read(self.source, &image.config).await?.platform()
            }
            None => None,
        };
        Ok(vec![Child { descriptor, manifest: Some(of.manifest.clone()), platform }])
    }

    async fn index(
        &self,
        _: Visit<'_>,
        _: &IndexDocument,
        children: Vec<Vec<Child>>,
    ) -> Result<Vec<Child>> {
        Ok(children.into_iter().flatten().collect())
    }

    fn absent(&self, listed: Listed<'_>, _: Error) -> Result<Vec<Child>> {
        let descriptor = listed.descriptor.clone();
        let platform = descriptor.platform.clone().map(Platform::normalized);
        Ok(vec![Child { descriptor, manifest: None, platform }])
    }
}

/// The size of an image's layers, as stored.
pub(crate) fn layers_size(image: &ImageDocument) -> u64 {
    image.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
}
