//! The documents of an OCI layout: `oci-layout` and `index.json`, read and changed without losing what we do not know.
//!
//! Format: [image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md).

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Result, ResultExt, parse_digest,
};

/// The name of the file that says that a folder is a layout.
pub const LAYOUT_FILE: &str = "oci-layout";

/// What that file says.
pub const LAYOUT_BYTES: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The name of the file that lists the images.
pub const INDEX_FILE: &str = "index.json";

/// The folder of the blobs.
pub const BLOBS: &str = "blobs";

/// The largest `index.json` that is read, in bytes.
pub const INDEX_LIMIT: u64 = 64 << 20;

/// The largest `oci-layout` that is read, in bytes.
pub const LAYOUT_LIMIT: u64 = 64 << 10;

/// The annotation of an entry with a name in the layout, often only a tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation of an entry with a full docker name, as containerd, buildx and docker write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The annotation of an `index.json` with the digests of what the layout refers to and lacks because those for whom it
/// was made have it: sorted, with spaces between. Other tools see a sparse layout.
pub const NEEDS: &str = "dev.transship.needs";

/// Where a blob is in a layout: `blobs/ALGORITHM/ENCODED`. Digests hold nothing that leads out of the folder.
pub fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS}/{}/{}", digest.algorithm(), digest.digest())
}

/// Checks the content of `oci-layout`.
///
/// # Errors
/// `Corrupt` when it is malformed, `Unsupported` for another version than 1.0.0.
pub fn check_layout(bytes: &[u8]) -> Result<()> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupt, "oci-layout is malformed").caused_by(e))?;
    match value.get("imageLayoutVersion").and_then(Value::as_str) {
        Some("1.0.0") => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("the layout's version is {other:?}, only 1.0.0 is known"),
        )),
        None => Err(Error::new(ErrorKind::Corrupt, "oci-layout has no imageLayoutVersion")),
    }
}

/// The field of the entries in an `index.json`.
const ENTRIES: &str = "manifests";

/// An `index.json`: the entries as descriptors, and every field as it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutIndex {
    /// All fields; that of the entries is empty, and keeps their place.
    document: Map<String, Value>,
    /// The entries as they stood.
    raw: Vec<Value>,
    entries: Vec<Descriptor>,
}

impl Default for LayoutIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl LayoutIndex {
    /// One without entries.
    pub fn new() -> Self {
        let mut document = Map::new();
        document.insert("schemaVersion".to_owned(), json!(2));
        document.insert(
            "mediaType".to_owned(),
            json!(transship_core::MediaType::ImageIndex.to_string()),
        );
        document.insert(ENTRIES.to_owned(), json!([]));
        Self { document, raw: Vec::new(), entries: Vec::new() }
    }

    /// Reads one.
    ///
    /// # Errors
    /// `Corrupt` when it is no index, or is a manifest as well.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let what = || INDEX_FILE;
        let Document::Index(index) = Document::parse(bytes).context(what)? else {
            return Err(Error::new(ErrorKind::Corrupt, "it is no index").context(INDEX_FILE));
        };
        let malformed = |e| Error::new(ErrorKind::Corrupt, "index.json is malformed").caused_by(e);
        let mut document: Map<String, Value> = serde_json::from_slice(bytes).map_err(malformed)?;
        let raw = match document.insert(ENTRIES.to_owned(), json!([])) {
            Some(Value::Array(raw)) => raw,
            _ => Vec::new(),
        };
        Ok(Self { document, raw, entries: index.manifests })
    }

    /// The entries, in stored order.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// What the layout is said to lack; see [`NEEDS`].
    ///
    /// # Errors
    /// `Corrupt` when the annotation is malformed.
    pub fn needs(&self) -> Result<Vec<Digest>> {
        self.needs_text()
            .split_whitespace()
            .map(parse_digest)
            .collect::<Result<_>>()
            .context(|| NEEDS)
    }

    fn needs_text(&self) -> &str {
        let annotation = self.document.get("annotations").and_then(|all| all.get(NEEDS));
        annotation.and_then(Value::as_str).unwrap_or_default()
    }

    /// Adds to what the layout is said to lack, and takes out of it what a function says.
    pub fn change_needs<'a>(
        &mut self,
        more: impl IntoIterator<Item = &'a str>,
        keep: impl Fn(&str) -> bool,
    ) {
        let old = self.needs_text().to_owned();
        let mut all: BTreeSet<&str> = more.into_iter().collect();
        all.extend(old.split_whitespace());
        all.retain(|digest| keep(digest));
        let text = Vec::from_iter(all).join(" ");
        if text == old {
            return;
        }
        let annotations = self.document.entry("annotations").or_insert_with(|| json!({}));
        if annotations.is_null() {
            *annotations = json!({});
        }
        let Some(annotations) = annotations.as_object_mut() else { return };
        if text.is_empty() {
            annotations.shift_remove(NEEDS);
        } else {
            annotations.insert(NEEDS.to_owned(), json!(text));
        }
        if annotations.is_empty() {
            self.document.shift_remove("annotations");
        }
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: Descriptor) {
        self.raw.push(to_value(&entry));
        self.entries.push(entry);
    }

    /// Puts another entry at a position.
    ///
    /// # Panics
    /// When there is none at that position.
    pub fn replace(&mut self, at: usize, entry: Descriptor) {
        self.raw[at] = to_value(&entry);
        self.entries[at] = entry;
    }

    /// Keeps the entries of which a function of position and descriptor says so.
    pub fn retain(&mut self, mut keep: impl FnMut(usize, &Descriptor) -> bool) {
        let kept: Vec<bool> = self.entries.iter().enumerate().map(|(i, e)| keep(i, e)).collect();
        let mut flags = kept.iter();
        self.raw.retain(|_| flags.next().copied().unwrap_or(true));
        let mut flags = kept.iter();
        self.entries.retain(|_| flags.next().copied().unwrap_or(true));
    }

    /// As it is stored: entries that were not touched with every field they had, in the order they had.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory does not fail, and all of it has a form in JSON.
        serde_json::to_vec(&Stored(self)).unwrap_or_default()
    }
}

/// An index with its entries in their place, not copied.
struct Stored<'a>(&'a LayoutIndex);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.document.len()))?;
        for (key, value) in &self.0.document {
            if key == ENTRIES {
                map.serialize_entry(key, &self.0.raw)?;
            } else {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// Everything in a descriptor has a form in JSON.
fn to_value(entry: &Descriptor) -> Value {
    serde_json::to_value(entry).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::MediaType;

    const ENTRY: &str = r#"{"size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"m","annotations":{"z":"1","a":"2"},"x":[1]}"#;

    #[test]
    fn nothing_that_is_not_touched_changes() {
        let text =
            format!(r#"{{"x":{{"b":1,"a":2}},"manifests":[{ENTRY},{ENTRY}],"schemaVersion":2}}"#);
        let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(index.to_bytes()).unwrap(), text);
        index.retain(|at, _| at == 1);
        index.push(Descriptor::new(MediaType::ImageManifest, transship_core::sha256(b""), 0));
        let after = String::from_utf8(index.to_bytes()).unwrap();
        assert!(
            after.starts_with(&format!(r#"{{"x":{{"b":1,"a":2}},"manifests":[{ENTRY},{{"media"#))
        );
        assert_eq!(LayoutIndex::parse(after.as_bytes()).unwrap().entries(), index.entries());
    }

    #[test]
    fn what_is_lacking_is_said_and_unsaid() {
        let text = r#"{"annotations":{"a":"b"},"manifests":[],"schemaVersion":2}"#;
        let mut index = LayoutIndex::parse(text.as_bytes()).unwrap();
        let all: Vec<_> = [&b"1"[..], b"2"].map(transship_core::sha256).into();
        index.change_needs(all.iter().map(AsRef::as_ref), |_| true);
        index.change_needs([all[0].as_ref()], |_| true);
        let read = LayoutIndex::parse(&index.to_bytes()).unwrap();
        let mut needs = read.needs().unwrap();
        needs.sort_by_key(|digest| all.iter().position(|one| one == digest));
        assert_eq!(needs, all);
        index.change_needs([], |_| false);
        assert_eq!(index.to_bytes(), text.as_bytes());

        let mut fresh = LayoutIndex::new();
        let bytes = fresh.to_bytes();
        fresh.change_needs([all[0].as_ref()], |_| true);
        fresh.change_needs([], |_| false);
        assert_eq!(fresh.to_bytes(), bytes);
        let bad = format!(r#"{{"annotations":{{"{NEEDS}":"x"}},"manifests":[]}}"#);
        assert!(LayoutIndex::parse(bad.as_bytes()).unwrap().needs().is_err());
    }

    #[test]
    fn what_is_no_index() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"manifests":[],"layers":[]}"#,
            r#"{"manifests":[],"manifests":[]}"#,
        ] {
            let error = LayoutIndex::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
        }
        assert!(LayoutIndex::parse(br#"{"manifests":null}"#).unwrap().entries().is_empty());
        assert!(LayoutIndex::parse(&LayoutIndex::new().to_bytes()).unwrap().entries().is_empty());
    }

    #[test]
    fn versions() {
        check_layout(LAYOUT_BYTES).unwrap();
        let kind = |text: &str| check_layout(text.as_bytes()).unwrap_err().kind();
        assert_eq!(kind(r#"{"imageLayoutVersion":"9.9.9"}"#), ErrorKind::Unsupported);
        assert_eq!(kind("{}"), ErrorKind::Corrupt);
        assert_eq!(kind("1.0.0"), ErrorKind::Corrupt);
    }
}
