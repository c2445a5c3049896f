//! [`MediaType`]: what content is, as a text.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A [media type](https://github.com/opencontainers/image-spec/blob/main/media-types.md). Those of an image's parts have names
/// here; others keep their text, [those of docker](crate::media_types) too.
///
/// `From` makes it from a text, without a check. Two are equal exactly if their texts are.
///
/// ```
/// use transship_core::MediaType;
///
/// let media_type = MediaType::from("application/vnd.oci.image.index.v1+json");
/// assert_eq!(media_type, MediaType::ImageIndex);
/// assert_eq!(MediaType::from("text/plain").as_ref(), "text/plain");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "String")]
#[non_exhaustive]
pub enum MediaType {
    /// The manifest of an image or artifact.
    ImageManifest,
    /// An index of manifests.
    ImageIndex,
    /// The config of an image.
    ImageConfig,
    /// A layer: a plain tar.
    ImageLayer,
    /// A layer: a tar in gzip.
    ImageLayerGzip,
    /// A layer: a tar in zstd.
    ImageLayerZstd,
    /// A layer that is not to be distributed: a plain tar.
    ImageLayerNonDistributable,
    /// A layer that is not to be distributed: a tar in gzip.
    ImageLayerNonDistributableGzip,
    /// A layer that is not to be distributed: a tar in zstd.
    ImageLayerNonDistributableZstd,
    /// `{}`, for a descriptor that stands for no content; its digest is [`EMPTY_JSON_DIGEST`](crate::EMPTY_JSON_DIGEST).
    EmptyJson,
    /// The text of another one. `From` alone makes it, so that it is none of the texts above.
    #[non_exhaustive]
    Other(String),
}

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
pub(crate) const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
pub(crate) const FOREIGN_GZIP: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
pub(crate) const FOREIGN_ZSTD: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

static NAMED: [MediaType; 10] = [
    MediaType::ImageManifest,
    MediaType::ImageIndex,
    MediaType::ImageConfig,
    MediaType::ImageLayer,
    MediaType::ImageLayerGzip,
    MediaType::ImageLayerZstd,
    MediaType::ImageLayerNonDistributable,
    MediaType::ImageLayerNonDistributableGzip,
    MediaType::ImageLayerNonDistributableZstd,
    MediaType::EmptyJson,
];

impl AsRef<str> for MediaType {
    fn as_ref(&self) -> &str {
        match self {
            Self::ImageManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::ImageIndex => "application/vnd.oci.image.index.v1+json",
            Self::ImageConfig => "application/vnd.oci.image.config.v1+json",
            Self::ImageLayer => LAYER,
            Self::ImageLayerGzip => LAYER_GZIP,
            Self::ImageLayerZstd => LAYER_ZSTD,
            Self::ImageLayerNonDistributable => FOREIGN,
            Self::ImageLayerNonDistributableGzip => FOREIGN_GZIP,
            Self::ImageLayerNonDistributableZstd => FOREIGN_ZSTD,
            Self::EmptyJson => "application/vnd.oci.empty.v1+json",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for MediaType {
    fn from(text: &str) -> Self {
        named(text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        named(&text).unwrap_or(Self::Other(text))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_ref())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_ref())
    }
}

fn named(text: &str) -> Option<MediaType> {
    NAMED.iter().find(|named| named.as_ref() == text).cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_named_type_and_its_text_are_one() {
        let nondistributable = "application/vnd.oci.image.layer.nondistributable.v1.tar";
        let texts = [
            (MediaType::ImageManifest, "application/vnd.oci.image.manifest.v1+json"),
            (MediaType::ImageIndex, "application/vnd.oci.image.index.v1+json"),
            (MediaType::ImageConfig, "application/vnd.oci.image.config.v1+json"),
            (MediaType::ImageLayer, "application/vnd.oci.image.layer.v1.tar"),
            (MediaType::ImageLayerGzip, "application/vnd.oci.image.layer.v1.tar+gzip"),
            (MediaType::ImageLayerZstd, "application/vnd.oci.image.layer.v1.tar+zstd"),
            (MediaType::ImageLayerNonDistributable, nondistributable),
            (MediaType::ImageLayerNonDistributableGzip, &format!("{nondistributable}+gzip")),
            (MediaType::ImageLayerNonDistributableZstd, &format!("{nondistributable}+zstd")),
            (MediaType::EmptyJson, "application/vnd.oci.empty.v1+json"),
        ];
        let mut set = HashSet::new();
        for (named, text) in texts {
            assert_eq!(named.as_ref(), text);
            assert_eq!(MediaType::from(text), named);
            assert_eq!(MediaType::from(text.to_owned()), named);
            assert_eq!(named.to_string(), text);
            assert!(set.insert(named), "{text}");
            assert!(!set.insert(MediaType::from(text)), "{text}");
        }
    }

    #[test]
    fn another_type_is_its_text() {
        let near = MediaType::ImageManifest.to_string().to_uppercase();
        for text in ["", "text/plain", "application/vnd.docker.container.image.v1+json", &near] {
            let other = MediaType::from(text);
            assert!(matches!(&other, MediaType::Other(held) if held == text), "{text}");
            assert_eq!(other, MediaType::from(text.to_owned()));
            assert_eq!((other.as_ref(), other.to_string()), (text, text.to_owned()));
        }
    }

    #[test]
    fn json_is_the_text() {
        for media_type in NAMED.iter().chain([&MediaType::from("a \"b\"")]) {
            let json = serde_json::to_string(media_type).unwrap();
            assert_eq!(json, serde_json::to_string(media_type.as_ref()).unwrap());
            assert_eq!(&serde_json::from_str::<MediaType>(&json).unwrap(), media_type);
        }
        assert!(serde_json::from_str::<MediaType>("null").is_err());
    }
}
