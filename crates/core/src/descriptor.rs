//! [`Descriptor`]: the facts by which content is named, without loss.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, Error, ErrorKind, MediaType, Platform, Result, fields, is_index_type};

/// A [content descriptor](https://github.com/opencontainers/image-spec/blob/main/descriptor.md), with every field that
/// its JSON had.
///
/// A fact: digest and size are those of the content. What is only hoped for is an [`Expect`](crate::Expect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Descriptor {
    /// What the content is.
    #[serde(default = "no_media_type", deserialize_with = "media_type")]
    pub media_type: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where else it may be got.
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free facts.
    #[serde(default, deserialize_with = "facts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, base64; equal to the content where it is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// For a manifest in an index: what it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// For an artifact's manifest: its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that this release does not know, as they stood.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor of the three facts that each has.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
            other: Map::new(),
        }
    }

    /// Reads one alone, as it stands in an index.
    ///
    /// # Errors
    /// `Corrupt` when it is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "it is no descriptor").caused_by(error))
    }

    /// Refuses fields that readers take differently. [`Document::parse`](crate::Document::parse) does so with all in it.
    ///
    /// # Errors
    /// `Corrupt` for a known field in other letters.
    pub fn check_fields(&self) -> Result<()> {
        fields::check_descriptor(self)
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Whether it is a layer that is not to be distributed, by its type (OCI's `nondistributable`, docker's `foreign`): a place need not
    /// hold it.
    pub fn is_nondistributable(&self) -> bool {
        let media_type = self.media_type.as_ref();
        media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
    }

    /// Whether it may be a manifest or index, by its type: one of those, or none that is said.
    pub fn may_be_manifest(&self) -> bool {
        self.media_type.as_ref().is_empty() || is_index_type(&self.media_type).is_some()
    }

    /// Whether it stands for an attestation that build tools put beside an image, and which is nothing to run
    /// (annotation `vnd.docker.reference.type`).
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
    }

    /// As JSON text, to stand in a manifest.
    pub fn to_json(&self) -> String {
        // All of it is text, numbers and lists of them.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn no_media_type() -> MediaType {
    MediaType::from("")
}

/// Takes `null`, which Go writes for an empty list, as empty.
pub(crate) fn or_default<'de, D, T>(from: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A list of texts, in which Go takes `null` as the empty text.
pub(crate) fn texts<'de, D>(from: D) -> std::result::Result<Vec<String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let texts: Vec<Option<String>> = or_default(from)?;
    Ok(texts.into_iter().map(Option::unwrap_or_default).collect())
}

/// As [`texts`], for annotations.
pub(crate) fn facts<'de, D>(from: D) -> std::result::Result<BTreeMap<String, String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let facts: BTreeMap<String, Option<String>> = or_default(from)?;
    Ok(facts.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

fn media_type<'de, D>(from: D) -> std::result::Result<MediaType, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_else(no_media_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let text = r#"{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"urls":["u"],"annotations":{"a":"b"},"data":"e30=","platform":{"architecture":"amd64","os":"windows","os.version":"10.0","os.features":["win32k"],"features":["sse4"],"x":1},"artifactType":"t","new":{"z":1,"a":2}}"#;
        let parsed: Descriptor = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    }

    #[test]
    fn go_nulls_are_empty() {
        let text = r#"{"mediaType":"m","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"urls":null,"annotations":null,"platform":null}"#;
        let parsed: Descriptor = serde_json::from_str(text).unwrap();
        assert!(parsed.urls.is_empty() && parsed.platform.is_none());
    }
}
