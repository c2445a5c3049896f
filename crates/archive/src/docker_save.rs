//! The documents of `docker save` archives.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use transship_core::fields::{check_values, other_letters};
use transship_core::{Error, ErrorKind, Result, ResultExt};

pub use crate::saved::{SavedEntry, entries_bytes, parse_entries};

/// The name of the document that lists the images.
pub const MANIFEST_NAME: &str = "manifest.json";

/// The name of the document that older dockers read: names and their top layers.
pub const REPOSITORIES_NAME: &str = "repositories";

/// The most bytes that either of them may have: enough for some 20,000 images of many layers, or ten times as many of few.
pub const MANIFEST_LIMIT: u64 = 64 << 20;

/// The most layers that an image may have. Docker makes 127 at most.
pub const LAYERS_LIMIT: usize = 1 << 16;

/// One image in `manifest.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct SavedImage {
    /// The entry that has the config.
    pub config: String,
    /// The names; `null` for an image without.
    pub repo_tags: Option<Vec<String>>,
    /// The entries that have the layers, the lowest first. `null`, which Go writes for none, is read as none.
    pub layers: Vec<String>,
}

impl SavedImage {
    /// An image with a config and layers, without a name.
    pub fn new(config: impl Into<String>, layers: Vec<String>) -> Self {
        Self { config: config.into(), repo_tags: None, layers }
    }

    /// Names it; no names make it `null`.
    #[must_use]
    pub fn named(mut self, names: Vec<String>) -> Self {
        self.repo_tags = Some(names).filter(|names| !names.is_empty());
        self
    }

    /// The entries of its layers, the lowest first.
    pub fn layer_names(&self) -> &[String] {
        &self.layers
    }

    /// Its names.
    pub fn names(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

/// Reads `manifest.json`. Fields that are not known are let pass.
///
/// # Errors
/// `Corrupt` with the image and the field: one that is missing, malformed, there twice, or written in other letters
/// (`config`), which docker takes for the known one and other readers do not. `LimitExceeded` for too many values, and for
/// more than [`LAYERS_LIMIT`] layers.
pub fn parse_manifest(bytes: &[u8]) -> Result<Vec<SavedImage>> {
    check_values(bytes).context(|| MANIFEST_NAME)?;
    let Images(images) = serde_json::from_slice(bytes).map_err(|e| {
        Error::new(ErrorKind::Corrupt, format!("{MANIFEST_NAME} is malformed")).caused_by(e)
    })?;
    match images.iter().position(|image| image.layers.len() > LAYERS_LIMIT) {
        Some(at) => Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("{MANIFEST_NAME}: image {at} has more than {LAYERS_LIMIT} layers"),
        )),
        None => Ok(images),
    }
}

/// What `repositories` says: for each repository, tags and the IDs of their top layers.
pub type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// Reads `repositories`.
///
/// # Errors
/// `Corrupt`.
pub fn parse_repositories(bytes: &[u8]) -> Result<Repositories> {
    serde_json::from_slice(bytes).map_err(|e| {
        Error::new(ErrorKind::Corrupt, format!("{REPOSITORIES_NAME} is malformed")).caused_by(e)
    })
}

/// Writes `repositories`, sorted.
pub fn repositories_bytes(repositories: &Repositories) -> Bytes {
    // A map of texts has a form in JSON.
    serde_json::to_vec(repositories).unwrap_or_default().into()
}

/// The list, which says in errors which image is malformed.
struct Images(Vec<SavedImage>);

impl<'de> Deserialize<'de> for Images {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ImagesVisitor)
    }
}

struct ImagesVisitor;

impl<'de> Visitor<'de> for ImagesVisitor {
    type Value = Images;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of images")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Images, A::Error> {
        let mut images = Vec::new();
        loop {
            match list.next_element() {
                Ok(Some(image)) => images.push(image),
                Ok(None) => return Ok(Images(images)),
                Err(e) => {
                    return Err(de::Error::custom(format_args!("image {}: {e}", images.len())));
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for SavedImage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ImageVisitor)
    }
}

struct ImageVisitor;

impl<'de> Visitor<'de> for ImageVisitor {
    type Value = SavedImage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image with Config, RepoTags and Layers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<SavedImage, A::Error> {
        let (mut config, mut repo_tags, mut layers) = (None::<String>, None, None);
        while let Some(field) = fields.next_key::<Cow<'de, str>>()? {
            let first = match &*field {
                "Config" => config.replace(fields.next_value()?).is_none(),
                "RepoTags" => repo_tags.replace(fields.next_value()?).is_none(),
                "Layers" => layers.replace(fields.next_value::<Option<Vec<_>>>()?).is_none(),
                other => {
                    check_unknown(other)?;
                    fields.next_value::<IgnoredAny>()?;
                    true
                }
            };
            if !first {
                return Err(de::Error::custom(format_args!("there are two fields {field:?}")));
            }
        }
        let config = config.filter(|config| !config.is_empty());
        Ok(SavedImage {
            config: config.ok_or_else(|| de::Error::missing_field("Config"))?,
            repo_tags: repo_tags.unwrap_or_default(),
            layers: layers.ok_or_else(|| de::Error::missing_field("Layers"))?.unwrap_or_default(),
        })
    }
}

/// Refuses a field that docker takes for one of ours, written in other letters.
fn check_unknown<E: de::Error>(field: &str) -> Result<(), E> {
    match other_letters(field, &["Config", "RepoTags", "Layers"]) {
        Some(wrong) => Err(de::Error::custom(wrong)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_write() {
        let text = r#"[{"Config":"c.json","RepoTags":null,"Layers":["a.tar","b.tar"]},{"Config":"d","RepoTags":["x:1","y:2"],"Layers":[]}]"#;
        let images = parse_manifest(text.as_bytes()).unwrap();
        assert_eq!(images[0], SavedImage::new("c.json", vec!["a.tar".into(), "b.tar".into()]));
        assert_eq!(images[1].names(), ["x:1", "y:2"]);
        let entries: Vec<SavedEntry> = images.into_iter().map(SavedEntry::from).collect();
        assert_eq!(entries_bytes(&entries), text);
        let others = r#"[{"Layers":null,"Parent":"","Config":"c","LayerSources":{"sha256:x":{}}}]"#;
        assert_eq!(parse_manifest(others.as_bytes()).unwrap(), [SavedImage::new("c", vec![])]);
        assert!(parse_manifest(b" [] ").unwrap().is_empty());
    }

    #[test]
    fn small_values_are_limited() {
        use transship_core::fields::COMMAS_LIMIT;
        let image = r#"{"Config":"c","Layers":[]},"#;
        let many = format!("[{}]", image.repeat(COMMAS_LIMIT / 2 + 1));
        assert_eq!(parse_manifest(many.as_bytes()).unwrap_err().kind(), ErrorKind::LimitExceeded);
        let layers = format!(r#"[{{"Config":"c","Layers":["{:0>60}"]}}]"#, 1);
        assert!(parse_manifest(layers.as_bytes()).is_ok());
    }

    #[test]
    fn layers_are_limited() {
        let many = |count| vec![r#""l""#; count].join(",");
        let layers = |count| format!(r#"[{{"Config":"c","Layers":[{}]}}]"#, many(count));
        assert!(parse_manifest(layers(LAYERS_LIMIT).as_bytes()).is_ok());
        let error = parse_manifest(layers(LAYERS_LIMIT + 1).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn what_is_malformed_says_where() {
        let good = r#"{"Config":"c","Layers":[]}"#;
        for (bad, says) in [
            (r#"{"Layers":[]}"#, "Config"),
            (r#"{"Config":"","Layers":[]}"#, "Config"),
            (r#"{"Config":null,"Layers":[]}"#, "null"),
            (r#"{"Config":"c"}"#, "Layers"),
            (r#"{"Config":"c","Config":"d","Layers":[]}"#, "two fields"),
            (r#"{"Config":"c","config":"d","Layers":[]}"#, "some readers take"),
            (r#"{"Config":"c","Layer\u017f":[],"Layers":[]}"#, "some readers take"),
            (r#"{"Config":"c","Layers":[1]}"#, "integer"),
            (r#""c""#, "an image with"),
        ] {
            let error = parse_manifest(format!("[{good},{bad}]").as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bad}");
            let text = error.to_string();
            assert!(text.contains("image 1: ") && text.contains(says), "{text}");
        }
        for bad in ["", "{}", "null", "[{}", "[] []"] {
            assert_eq!(parse_manifest(bad.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn repositories_are_sorted() {
        let text = r#"{"a":{"1":"x","2":"y"},"b":{"latest":"z"}}"#;
        let read = parse_repositories(text.as_bytes()).unwrap();
        assert_eq!(repositories_bytes(&read), text);
        assert_eq!(parse_repositories(b"[]").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
