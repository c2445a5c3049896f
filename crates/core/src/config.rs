//! [`ImageConfig`]: what an image config says of platform and layers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::descriptor::texts;
use crate::{Digest, MediaType, Platform, Result, fields, media_types, sha256};

/// What matters here of an [image config](https://github.com/opencontainers/image-spec/blob/main/config.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageConfig {
    /// What the image runs on; `None` where operating system or architecture is not said.
    pub platform: Option<Platform>,
    /// The digests of the plain layers, the lowest first; `None` where they are not said. Of a `rootfs` that has none, an
    /// empty list.
    pub diff_ids: Option<Vec<Digest>>,
}

/// The [chain ID](https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid) of a layer on those below it:
/// what names the files that they make together.
pub fn chain_id(below: Option<&Digest>, diff_id: &Digest) -> Digest {
    match below {
        None => diff_id.clone(),
        Some(below) => sha256(format!("{below} {diff_id}").as_bytes()),
    }
}

/// A field's value; `null` and what is empty say nothing.
#[derive(Deserialize)]
struct Raw {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    #[serde(default, rename = "os.features", deserialize_with = "texts")]
    os_features: Vec<String>,
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    // Go writes null for an empty list.
    diff_ids: Option<Vec<Digest>>,
    #[serde(flatten)]
    #[expect(clippy::zero_sized_map_values, reason = "serde flattens into maps alone")]
    other: BTreeMap<String, IgnoredAny>,
}

impl ImageConfig {
    /// Reads a config.
    ///
    /// # Errors
    /// `Corrupt` when it is none, or has a field that readers take differently.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        fields::check_config(bytes)?;
        let raw: Raw = serde_json::from_slice(bytes).map_err(fields::no_config)?;
        let fields_of_rootfs = raw.rootfs.iter().flat_map(|rootfs| rootfs.other.keys());
        fields::check_rootfs(fields_of_rootfs)?;
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let platform = some(raw.os).zip(some(raw.architecture)).map(|(os, architecture)| {
            let mut platform = Platform::new(os, architecture);
            platform.variant = some(raw.variant);
            platform.os_version = some(raw.os_version);
            platform.os_features = raw.os_features;
            platform
        });
        let diff_ids = raw.rootfs.map(|rootfs| rootfs.diff_ids.unwrap_or_default());
        Ok(Self { platform, diff_ids })
    }

    /// Whether a media type is that of an image's config, and not of an artifact's.
    pub fn is_type(media_type: &MediaType) -> bool {
        *media_type == MediaType::ImageConfig || media_type.as_ref() == media_types::DOCKER_CONFIG
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_tools_write() {
        let id = sha256(b"");
        for (text, platform, layers) in [
            (r#"{"architecture":"arm","os":"linux","variant":"v7","os.version":""}"#.to_owned(), "linux/arm/v7", None),
            (r#"{"os":"windows","architecture":"arm64","variant":"v8","os.version":"10.0","os.features":null,
                "rootfs":{"type":"layers","diff_ids":null},"config":{"Healthcheck":{}}}"#.to_owned(), "windows/arm64/v8:10.0", Some(0)),
            (r#"{"os":null,"architecture":null,"variant":null,"os.features":[null],"rootfs":null}"#.to_owned(), "", None),
            (r#"{"config":{"OS":1,"Rootfs":2},"history":[{"Architecture":1}],"rootfs":{}}"#.to_owned(), "", Some(0)),
            (format!(r#"{{"rootfs":{{"diff_ids":["{id}"]}}}}"#), "", Some(1)),
            ("{}".to_owned(), "", None),
        ] {
            let config = ImageConfig::parse(text.as_bytes()).unwrap();
            let shown = config.platform.map(|platform| platform.to_string()).unwrap_or_default();
            assert_eq!((shown.as_str(), config.diff_ids.map(|ids| ids.len())), (platform, layers), "{text}");
        }
    }

    #[test]
    fn what_readers_take_differently_is_refused() {
        for (text, why) in [
            (r#"{"architecture":"amd64","Architecture":"arm64"}"#, "some readers take the field"),
            (r#"{"OS":"linux"}"#, "some readers take the field"),
            (r#"{"o\u017f":"linux"}"#, "some readers take the field"),
            (r#"{"os.Version":"1"}"#, "some readers take the field"),
            (r#"{"RootFS":{}}"#, "some readers take the field"),
            (r#"{"rootfs":{"diff_ids":[],"Diff_IDs":[]}}"#, "some readers take the field"),
            (r#"{"os":"linux","os":"plan9"}"#, "duplicate field"),
            (r#"{"rootfs":{"diff_ids":[],"diff_ids":[]}}"#, "duplicate field"),
            (r#"{"rootfs":{"diff_ids":["sha256:short"]}}"#, "not an image config"),
            ("[]", "not an image config"),
            ("", "not an image config"),
            ("hello", "not an image config"),
        ] {
            let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }
}
