//! The documents of `docker save` archives.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use transship_core::{Error, ErrorKind, Result};

/// The name of the document that lists the images.
pub const MANIFEST_NAME: &str = "manifest.json";

/// The name of the document that older dockers read: names and their top layers.
pub const REPOSITORIES_NAME: &str = "repositories";

/// The most bytes that either of them may have: enough for a quarter of a million images.
pub const MANIFEST_LIMIT: u64 = 64 << 20;

/// One image in `manifest.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SavedImage {
    /// The entry that has the config.
    pub config: String,
    /// The names; `null` for an image without.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// The entries that have the layers, the lowest first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
}

impl SavedImage {
    /// An image with a config and layers, without a name.
    pub fn new(config: impl Into<String>, layers: Vec<String>) -> Self {
        Self { config: config.into(), repo_tags: None, layers: Some(layers) }
    }

    /// Names it; no names make it `null`.
    #[must_use]
    pub fn named(mut self, names: Vec<String>) -> Self {
        self.repo_tags = Some(names).filter(|names| !names.is_empty());
        self
    }

    /// Its names.
    pub fn names(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }

    /// The entries of its layers.
    pub fn layer_names(&self) -> &[String] {
        self.layers.as_deref().unwrap_or_default()
    }
}

/// Reads `manifest.json`.
///
/// # Errors
/// `Corrupt` with the image and field that is malformed.
pub fn parse_manifest(bytes: &[u8]) -> Result<Vec<SavedImage>> {
    let images: Vec<SavedImage> = serde_json::from_slice(bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, "manifest.json is malformed").caused_by(e))?;
    for (at, image) in images.iter().enumerate() {
        if image.config.is_empty() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("manifest.json is malformed: image {at} names no config"),
            ));
        }
    }
    Ok(images)
}

/// Writes `manifest.json`, as docker does: compact, in the order given.
pub fn manifest_bytes(images: &[SavedImage]) -> Bytes {
    to_bytes(&images)
}

/// What `repositories` says: for each repository, tags and the IDs of their top layers.
pub type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// Reads `repositories`.
///
/// # Errors
/// `Corrupt`.
pub fn parse_repositories(bytes: &[u8]) -> Result<Repositories> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, "repositories is malformed").caused_by(e))
}

/// Writes `repositories`, sorted.
pub fn repositories_bytes(repositories: &Repositories) -> Bytes {
    to_bytes(repositories)
}

/// Strings, lists and maps of strings: writing them as JSON cannot fail.
fn to_bytes(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
