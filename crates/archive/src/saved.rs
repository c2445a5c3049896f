//! [`SavedEntry`]: an image of a `manifest.json` that is changed and written again.

use bytes::Bytes;
use serde_json::{Map, Value};
use transship_core::{Error, ErrorKind, Result};

use crate::docker_save::{MANIFEST_NAME, SavedImage, parse_manifest};

const REPO_TAGS: &str = "RepoTags";

/// An image in `manifest.json`, with every field that it had where it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedEntry {
    image: SavedImage,
    raw: Option<Map<String, Value>>,
}

impl From<SavedImage> for SavedEntry {
    fn from(image: SavedImage) -> Self {
        Self { image, raw: None }
    }
}

impl SavedEntry {
    /// What is known of it.
    pub fn image(&self) -> &SavedImage {
        &self.image
    }

    /// Gives it other names; no names make them `null`.
    pub fn rename(&mut self, names: Vec<String>) {
        if names == self.image.names() {
            return;
        }
        self.image = std::mem::take(&mut self.image).named(names);
        if let Some(raw) = &mut self.raw {
            let tags = self.image.repo_tags.clone().map_or(Value::Null, Value::from);
            raw.insert(REPO_TAGS.to_owned(), tags);
        }
    }

    fn to_value(&self) -> Value {
        match &self.raw {
            Some(raw) => Value::Object(raw.clone()),
            // Strings and lists of strings have a form in JSON.
            None => serde_json::to_value(&self.image).unwrap_or_default(),
        }
    }
}

/// Reads `manifest.json` to change it.
///
/// # Errors
/// As [`parse_manifest`].
pub fn parse_entries(bytes: &[u8]) -> Result<Vec<SavedEntry>> {
    let images = parse_manifest(bytes)?;
    let raw: Vec<Map<String, Value>> = serde_json::from_slice(bytes).map_err(|e| {
        Error::new(ErrorKind::Corrupt, format!("{MANIFEST_NAME} is malformed")).caused_by(e)
    })?;
    let entry = |(image, raw)| SavedEntry { image, raw: Some(raw) };
    Ok(images.into_iter().zip(raw).map(entry).collect())
}

/// Writes `manifest.json`: what was not changed with every field that it had, in the order that it had.
pub fn entries_bytes(entries: &[SavedEntry]) -> Bytes {
    let all: Vec<Value> = entries.iter().map(SavedEntry::to_value).collect();
    Value::Array(all).to_string().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_nobody_knows_stay() {
        let text = r#"[{"Layers":["a.tar"],"Parent":"p","Config":"c","RepoTags":["x:1"],"LayerSources":{"z":1,"a":2}}]"#;
        let mut entries = parse_entries(text.as_bytes()).unwrap();
        entries[0].rename(vec!["x:1".to_owned()]);
        assert_eq!(entries_bytes(&entries), text);
        entries[0].rename(Vec::new());
        entries.push(SavedImage::new("d", vec![]).named(vec!["y:1".into()]).into());
        let after = text
            .replace(r#"["x:1"]"#, "null")
            .replace("}}]", r#"}},{"Config":"d","RepoTags":["y:1"],"Layers":[]}]"#);
        assert_eq!(entries_bytes(&entries), after);
        parse_entries(b"{}").unwrap_err();
    }
}
