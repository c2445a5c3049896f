//! [`Config`]: what of an image config matters here. Its bytes are kept elsewhere and never change.

use serde_json::{Map, Value};
use transship_core::{Digest, Error, ErrorKind, ImageConfig, Platform, Result, sha256};

/// What of an [image config](https://github.com/opencontainers/image-spec/blob/main/config.md) matters here.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The image ID: the digest of the config's bytes, whatever the name of the file that has them.
    pub(crate) id: Digest,
    /// The number of its bytes.
    pub(crate) size: u64,
    /// What the image runs on.
    pub(crate) platform: Platform,
    /// The digests of the plain layers, the lowest first.
    pub(crate) diff_ids: Vec<Digest>,
}

impl Config {
    /// Reads a config.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let config = ImageConfig::parse(bytes)?;
        let Some(diff_ids) = config.diff_ids else {
            return Err(Error::new(ErrorKind::Corrupt, "the config has no rootfs"));
        };
        let platform = config.platform.unwrap_or_else(|| Platform::new("", ""));
        Ok(Self { id: sha256(bytes), size: bytes.len() as u64, platform, diff_ids })
    }

    /// Holds the number of layers to the number of diff IDs.
    pub(crate) fn check_layer_count(&self, layers: usize) -> Result<()> {
        if self.diff_ids.len() == layers {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!("it has {layers} layers, and its config has {} diff IDs", self.diff_ids.len()),
        ))
    }
}

/// All fields of a config.
pub(crate) fn fields(bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "the config is not an image's config").caused_by(error)
}
