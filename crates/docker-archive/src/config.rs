//! [`Config`]: what of an image config matters here. Its bytes are kept elsewhere and never change.

use serde::Deserialize;
use serde_json::{Map, Value};
use transship_core::{Digest, Error, ErrorKind, Platform, Result, sha256};

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

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "os.version")]
    os_version: Option<String>,
    #[serde(default, rename = "os.features")]
    os_features: Option<Vec<String>>,
    #[serde(default)]
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    // Go writes null for an empty list.
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

impl Config {
    /// Reads a config.
    ///
    /// # Errors
    /// `Corrupt` when it is not one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(malformed)?;
        let Some(rootfs) = raw.rootfs else {
            return Err(Error::new(ErrorKind::Corrupt, "the config has no rootfs"));
        };
        let mut platform = Platform::new(raw.os, raw.architecture);
        platform.variant = raw.variant.filter(|variant| !variant.is_empty());
        platform.os_version = raw.os_version.filter(|version| !version.is_empty());
        platform.os_features = raw.os_features.unwrap_or_default();
        Ok(Self {
            id: sha256(bytes),
            size: bytes.len() as u64,
            platform,
            diff_ids: rootfs.diff_ids.unwrap_or_default(),
        })
    }

    /// Holds the number of layers to the number of diff IDs.
    ///
    /// # Errors
    /// `Corrupt` when they differ.
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
///
/// # Errors
/// `Corrupt` when it is no JSON object.
pub(crate) fn fields(bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "the config is not an image's config").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_write() {
        let bytes = br#"{"os":"windows","architecture":"arm64","variant":"v8","os.version":"10.0",
            "os.features":null,"rootfs":{"type":"layers","diff_ids":null},"config":{"Healthcheck":{}}}"#;
        let config = Config::parse(bytes).unwrap();
        assert_eq!(config.platform.to_string(), "windows/arm64/v8:10.0");
        assert_eq!((config.id, config.size), (sha256(bytes), bytes.len() as u64));
        assert!(config.diff_ids.is_empty());
    }

    #[test]
    fn what_is_no_config() {
        for bad in ["", "[]", "{}", "nonsense", r#"{"rootfs":{"diff_ids":["sha256:short"]}}"#] {
            assert_eq!(
                Config::parse(bad.as_bytes()).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{bad}"
            );
        }
    }
}
