//! Fields of documents that readers take differently.
//!
//! Go's JSON takes a field in other letters for the one that is known (`Layers` for `layers`), also with the long s and
//! the Kelvin sign; other readers do not. Nobody may be shown another image than the one that was checked.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::{Descriptor, Error, ErrorKind, Result};

/// The most commas of a document. Each stands for a value, which takes up to some 100 bytes in memory.
pub const COMMAS_LIMIT: usize = 1 << 19;

/// The most lists and objects of a document, nested ones too: each takes up to 1 KB in memory.
pub const LISTS_LIMIT: usize = 1 << 17;

const MANIFEST: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
    "subject",
    "artifactType",
    "annotations",
];

const DESCRIPTOR: &[&str] =
    &["mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"];

const PLATFORM: &[&str] = &["architecture", "os", "os.version", "os.features", "variant"];

const CONFIG: &[&str] = &["architecture", "os", "os.version", "os.features", "variant", "rootfs"];

const ROOTFS: &[&str] = &["type", "diff_ids"];

/// Refuses a document of so many values that parsing it would take many times its size.
///
/// # Errors
/// `LimitExceeded`.
pub fn check_values(bytes: &[u8]) -> Result<()> {
    let (mut commas, mut lists) = (0, 0);
    for byte in bytes {
        commas += usize::from(*byte == b',');
        lists += usize::from(matches!(byte, b'[' | b'{'));
    }
    let message = if commas >= COMMAS_LIMIT {
        format!("it has more than {COMMAS_LIMIT} values")
    } else if lists > LISTS_LIMIT {
        format!("it has more than {LISTS_LIMIT} lists and objects")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

/// Holds the fields of a manifest or index to what all readers take the same way.
pub(crate) fn check_manifest(bytes: &[u8]) -> Result<()> {
    check_values(bytes)?;
    serde_json::Deserializer::from_slice(bytes)
        .deserialize_map(Known(MANIFEST))
        .map_err(|e| Error::new(ErrorKind::Corrupt, "it is not a manifest").caused_by(e))
}

/// Holds the fields of an image config that choose platform and layers to what all readers take the same way.
pub(crate) fn check_config(bytes: &[u8]) -> Result<()> {
    serde_json::Deserializer::from_slice(bytes).deserialize_map(Known(CONFIG)).map_err(no_config)
}

/// As [`check_config`], for the fields of its `rootfs`.
pub(crate) fn check_rootfs<'a>(fields: impl IntoIterator<Item = &'a String>) -> Result<()> {
    match fields.into_iter().find_map(|field| other_letters(field, ROOTFS)) {
        Some(wrong) => Err(Error::new(ErrorKind::Corrupt, wrong).context("rootfs")),
        None => Ok(()),
    }
}

/// The error for bytes that are no image config.
pub(crate) fn no_config(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "it is not an image config").caused_by(error)
}

/// As [`check_manifest`], for the fields of a descriptor in it.
pub(crate) fn check_descriptor(descriptor: &Descriptor) -> Result<()> {
    let of_platform = descriptor.platform.iter().flat_map(|p| p.other.keys());
    let wrong = (descriptor.other.keys().filter_map(|field| other_letters(field, DESCRIPTOR)))
        .chain(of_platform.filter_map(|field| other_letters(field, PLATFORM)))
        .next();
    match wrong {
        Some(wrong) => Err(Error::new(ErrorKind::Corrupt, wrong)
            .context(format!("descriptor {}", descriptor.digest))),
        None => Ok(()),
    }
}

struct Known(&'static [&'static str]);

impl<'de> Visitor<'de> for Known {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<String>()? {
            if let Some(wrong) = other_letters(&field, self.0) {
                return Err(A::Error::custom(wrong));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// What is wrong with a field that is a known one in other letters.
pub fn other_letters(field: &str, known: &[&str]) -> Option<String> {
    let is_it = |known: &&str| *known != field && folded(known).eq(folded(field));
    let known = known.iter().find(|known| is_it(known))?;
    Some(format!("some readers take the field {field:?} for {known:?}"))
}

/// A text as Go compares fields.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    })
}
