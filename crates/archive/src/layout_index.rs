//! [`LayoutIndex`]: an `index.json`, read and changed without losing what we do not know.

use std::collections::BTreeSet;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use transship_core::fields::check_values;
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Result, ResultExt, parse_digest,
};

use crate::layout::{ENTRIES_LIMIT, INDEX_FILE, INDEX_LIMIT, NEEDS, NEEDS_LIMIT};

/// The field of the entries in an `index.json`.
const ENTRIES: &str = "manifests";

/// The field of what is known of all of it.
const ANNOTATIONS: &str = "annotations";

/// The most malformed entries of an `index.json` that are reported one by one; with more of them, all of it is malformed.
const MALFORMED_LIMIT: usize = 1000;

/// The most lists and objects in one entry, so that a copy of it is cheap. Those that tools write have three.
const ENTRY_LISTS_LIMIT: usize = 4096;

/// An `index.json`: the entries as descriptors, and every field as it stood.
///
/// An entry that is malformed hides itself only: it is none of the [`entries`](Self::entries), and stays as it stands.
#[derive(Clone, Debug)]
pub struct LayoutIndex {
    /// All fields; that of the entries is `[]`, and keeps their place.
    fields: Fields,
    /// The entries as they stood, malformed ones too.
    stored: Vec<StoredEntry>,
    /// Those that are not malformed, and where they are stored.
    entries: Vec<Descriptor>,
    positions: Vec<usize>,
}

type Fields = Vec<(String, Box<RawValue>)>;

#[derive(Clone, Debug)]
struct StoredEntry {
    text: Box<RawValue>,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Malformed,
}

/// A malformed entry of an `index.json`.
#[derive(Clone, Copy, Debug)]
pub struct Malformed<'a> {
    /// Its position.
    pub position: usize,
    /// It as it stands.
    pub text: &'a str,
}

impl Malformed<'_> {
    /// What is wrong with it.
    pub fn error(&self) -> Error {
        let error = match Descriptor::parse(self.text.as_bytes()) {
            Err(error) => error,
            Ok(_) => Error::new(ErrorKind::Corrupt, "it is no descriptor"),
        };
        error.context(format!("{INDEX_FILE}: entry {} is malformed", self.position))
    }

    /// Whether a text in it passes a test: it may be its name.
    pub fn has_text(&self, test: impl Fn(&str) -> bool) -> bool {
        texts(self.text).is_none_or(|texts| texts.iter().any(|text| test(text)))
    }
}

/// All text in a JSON document, names of fields too; `None` when some of it is no text.
fn texts(json: &str) -> Option<Vec<String>> {
    let (mut texts, mut rest) = (Vec::new(), json);
    while let Some(begin) = rest.find('"') {
        let mut parser = serde_json::Deserializer::from_str(&rest[begin..]).into_iter::<String>();
        texts.push(parser.next()?.ok()?);
        rest = &rest[begin + parser.byte_offset()..];
    }
    Some(texts)
}

/// An `index.json` as it stands: its fields, and the entries apart.
struct Parsed {
    fields: Fields,
    entries: Vec<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_map(ParsedVisitor)
    }
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Parsed, A::Error> {
        let (mut fields, mut entries) = (Fields::new(), None);
        while let Some(key) = map.next_key::<String>()? {
            let value = if key == ENTRIES {
                // Go writes null for an empty list.
                entries = map.next_value::<Option<_>>()?;
                raw(&Value::Array(Vec::new()))
            } else {
                map.next_value()?
            };
            fields.push((key, value));
        }
        Ok(Parsed { fields, entries: entries.unwrap_or_default() })
    }
}

impl PartialEq for LayoutIndex {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Default for LayoutIndex {
    fn default() -> Self {
        Self::new()
    }
}

impl LayoutIndex {
    /// One without entries.
    pub fn new() -> Self {
        let media_type = transship_core::MediaType::ImageIndex.to_string();
        let fields =
            [("schemaVersion", json!(2)), ("mediaType", json!(media_type)), (ENTRIES, json!([]))];
        let fields = fields.map(|(key, value)| (key.to_owned(), raw(&value))).into();
        Self { fields, stored: Vec::new(), entries: Vec::new(), positions: Vec::new() }
    }

    /// Reads one.
    ///
    /// # Errors
    /// `Corrupt` when it is no index, or is a manifest as well, or has an entry that readers take differently, or very
    /// many that are malformed; `LimitExceeded` for too many entries or values.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        check_values(bytes).context(|| INDEX_FILE)?;
        let malformed = |e| Error::new(ErrorKind::Corrupt, "it is malformed").caused_by(e);
        let parsed: Parsed =
            serde_json::from_slice(bytes).map_err(malformed).context(|| INDEX_FILE)?;
        let mut index = Self { fields: parsed.fields, ..Self::new() };
        let header = Document::parse(&index.to_bytes()).context(|| INDEX_FILE)?;
        if !header.is_index() {
            return Err(Error::new(ErrorKind::Corrupt, "it is no index").context(INDEX_FILE));
        }
        check_entries(parsed.entries.len()).context(|| INDEX_FILE)?;
        for text in parsed.entries {
            index.read(text).context(|| INDEX_FILE)?;
        }
        Ok(index)
    }

    fn read(&mut self, text: Box<RawValue>) -> Result<()> {
        let position = self.stored.len();
        let entry = || format!("entry {position}");
        if text.get().matches(['[', '{']).nth(ENTRY_LISTS_LIMIT).is_some() {
            let message = format!("it has more than {ENTRY_LISTS_LIMIT} lists and objects");
            return Err(Error::new(ErrorKind::LimitExceeded, message).context(entry()));
        }
        let form = match Descriptor::parse(text.get().as_bytes()) {
            Ok(descriptor) => {
                descriptor.check_fields().context(entry)?;
                self.entries.push(descriptor);
                self.positions.push(position);
                Form::Whole
            }
            // Its name is not known here, and another reader may find one.
            Err(error) if texts(text.get()).is_none() => return Err(error.context(entry())),
            Err(error) if position - self.entries.len() == MALFORMED_LIMIT => {
                let which = format!("{} and {MALFORMED_LIMIT} others are malformed", entry());
                return Err(error.context(which));
            }
            Err(_) => Form::Malformed,
        };
        self.stored.push(StoredEntry { text, form });
        Ok(())
    }

    /// Where an entry is stored among all of them, malformed ones too: the `N` of `@N`.
    ///
    /// # Panics
    /// When there is none.
    pub fn position(&self, at: usize) -> usize {
        self.positions[at]
    }

    /// How many entries are stored, malformed ones too.
    pub fn stored_len(&self) -> usize {
        self.stored.len()
    }

    /// Which of the [`entries`](Self::entries) is stored at a position; `None` when nothing is stored there.
    ///
    /// # Errors
    /// `Corrupt` when it is malformed.
    pub fn stored_at(&self, position: usize) -> Result<Option<usize>> {
        match self.positions.binary_search(&position) {
            Ok(at) => Ok(Some(at)),
            Err(_) => match self.malformed().find(|entry| entry.position == position) {
                Some(entry) => Err(entry.error()),
                None => Ok(None),
            },
        }
    }

    /// The malformed entries, in stored order.
    pub fn malformed(&self) -> impl Iterator<Item = Malformed<'_>> {
        let stored = self.stored.iter().enumerate();
        let malformed = stored.filter(|(_, entry)| entry.form == Form::Malformed);
        malformed.map(|(position, entry)| Malformed { position, text: entry.text.get() })
    }

    /// Keeps the malformed entries of which a function says so.
    pub fn retain_malformed(&mut self, keep: impl Fn(Malformed<'_>) -> bool) {
        let goes: BTreeSet<usize> =
            self.malformed().filter(|entry| !keep(*entry)).map(|entry| entry.position).collect();
        if !goes.is_empty() {
            self.retain_stored(|position| !goes.contains(&position));
        }
    }

    fn retain_stored(&mut self, keep: impl Fn(usize) -> bool) {
        let mut position = 0;
        self.stored.retain(|_| {
            position += 1;
            keep(position - 1)
        });
        let stored = self.stored.iter().enumerate();
        let whole = stored.filter(|(_, entry)| entry.form == Form::Whole);
        self.positions = whole.map(|(position, _)| position).collect();
    }

    /// The entries that are not malformed, in stored order.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// What the layout is said to lack; see [`NEEDS`].
    ///
    /// # Errors
    /// `Corrupt` when the annotation is malformed, `LimitExceeded` for too many digests.
    pub fn needs(&self) -> Result<Vec<Digest>> {
        let text = self.needs_text();
        if text.split_whitespace().nth(NEEDS_LIMIT).is_some() {
            let message = format!("it has more than {NEEDS_LIMIT} digests");
            return Err(Error::new(ErrorKind::LimitExceeded, message).context(NEEDS));
        }
        text.split_whitespace().map(parse_digest).collect::<Result<_>>().context(|| NEEDS)
    }

    fn needs_text(&self) -> String {
        let annotations = self.annotations();
        let needs = annotations.as_ref().and_then(|all| all.get(NEEDS));
        needs.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn annotations(&self) -> Option<Map<String, Value>> {
        let (_, annotations) = self.fields.iter().find(|(key, _)| key == ANNOTATIONS)?;
        serde_json::from_str(annotations.get()).ok()
    }

    /// Adds to what the layout is said to lack, and takes out of it what a function says.
    pub fn change_needs<'a>(
        &mut self,
        more: impl IntoIterator<Item = &'a str>,
        keep: impl Fn(&str) -> bool,
    ) {
        let old = self.needs_text();
        let mut all: BTreeSet<&str> = more.into_iter().collect();
        all.extend(old.split_whitespace());
        all.retain(|digest| keep(digest));
        let text = Vec::from_iter(all).join(" ");
        if text == old {
            return;
        }
        let mut annotations = self.annotations().unwrap_or_default();
        if text.is_empty() {
            annotations.shift_remove(NEEDS);
        } else {
            annotations.insert(NEEDS.to_owned(), json!(text));
        }
        let at = self.fields.iter().position(|(key, _)| key == ANNOTATIONS);
        match at {
            Some(at) if annotations.is_empty() => drop(self.fields.remove(at)),
            Some(at) => self.fields[at].1 = raw(&annotations),
            None => self.fields.push((ANNOTATIONS.to_owned(), raw(&annotations))),
        }
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: Descriptor) {
        self.positions.push(self.stored.len());
        self.stored.push(StoredEntry { text: raw(&entry), form: Form::Whole });
        self.entries.push(entry);
    }

    /// Puts another entry in the place of one of the [`entries`](Self::entries).
    ///
    /// # Panics
    /// When there is none.
    pub fn replace(&mut self, at: usize, entry: Descriptor) {
        self.stored[self.positions[at]].text = raw(&entry);
        self.entries[at] = entry;
    }

    /// Keeps the [`entries`](Self::entries) of which a function of index and descriptor says so, and those that are
    /// malformed.
    pub fn retain(&mut self, mut keep: impl FnMut(usize, &Descriptor) -> bool) {
        let (mut at, mut goes) = (0, BTreeSet::new());
        let positions = &self.positions;
        self.entries.retain(|entry| {
            let stays = keep(at, entry);
            if !stays {
                goes.insert(positions[at]);
            }
            at += 1;
            stays
        });
        self.retain_stored(|position| !goes.contains(&position));
    }

    /// As [`to_bytes`](Self::to_bytes), if [`parse`](Self::parse) takes it.
    ///
    /// # Errors
    /// `LimitExceeded` for too many entries, bytes or values; `Corrupt` for a malformed list of what it lacks.
    pub fn to_file(&self) -> Result<Vec<u8>> {
        let bytes = self.to_bytes();
        self.needs()?;
        check_entries(self.stored.len())
            .and_then(|()| check_values(&bytes))
            .context(|| INDEX_FILE)?;
        if bytes.len() as u64 > INDEX_LIMIT {
            let message = format!("it would have more than {INDEX_LIMIT} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, message).context(INDEX_FILE));
        }
        Ok(bytes)
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
        let mut map = to.serialize_map(Some(self.0.fields.len()))?;
        for (key, value) in &self.0.fields {
            if key == ENTRIES {
                let entries: Vec<&RawValue> = self.0.stored.iter().map(|e| &*e.text).collect();
                map.serialize_entry(key, &entries)?;
            } else {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

fn check_entries(count: usize) -> Result<()> {
    if count <= ENTRIES_LIMIT {
        return Ok(());
    }
    let message = format!("it has {count} entries, {ENTRIES_LIMIT} are the most");
    Err(Error::new(ErrorKind::LimitExceeded, message).hint("keep the images in several layouts"))
}

/// What is written anew: all of it has a form in JSON.
fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
