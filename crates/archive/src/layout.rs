//! The documents of an OCI layout: `oci-layout` and `index.json`, read and changed without losing what we do not know.
//!
//! Format: [image layout](https://github.com/opencontainers/image-spec/blob/main/image-layout.md).

use serde_json::Value;
use transship_core::{Descriptor, Digest, Error, ErrorKind, Result};

pub use crate::layout_index::{LayoutIndex, Malformed};

/// The name of the file that says that a folder is a layout.
pub const LAYOUT_FILE: &str = "oci-layout";

/// What that file says.
pub const LAYOUT_BYTES: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The name of the file that lists the images.
pub const INDEX_FILE: &str = "index.json";

/// The folder of the blobs.
pub const BLOBS: &str = "blobs";

/// The largest `index.json` that is read, in bytes. In memory it is there three times: read, as entries, and as it is
/// written anew.
pub const INDEX_LIMIT: u64 = 32 << 20;

/// The most entries of an `index.json`. To list one takes up to 3 KB and 40 us: for all of them 120 MB and 2 s.
pub const ENTRIES_LIMIT: usize = 40_000;

/// The largest `oci-layout` that is read, in bytes.
pub const LAYOUT_LIMIT: u64 = 64 << 10;

/// The annotation of an entry with a name in the layout, often only a tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation of an entry with a full docker name, as containerd, buildx and docker write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The annotation of an `index.json` with the digests of what the layout refers to and lacks because those for whom it
/// was made have it: sorted, with spaces between. Other tools see a sparse layout.
pub const NEEDS: &str = "dev.transship.needs";

/// The most digests in [`NEEDS`]: each is looked for when a layout is opened, in 10 us.
pub const NEEDS_LIMIT: usize = 100_000;

/// Where a blob is in a layout: `blobs/ALGORITHM/ENCODED`. Digests hold nothing that leads out of the folder.
pub fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS}/{}/{}", digest.algorithm(), digest.encoded())
}

/// The name of an entry, as it stands: the full one of containerd where there is one, else `ref.name`.
pub fn entry_name(entry: &Descriptor) -> Option<&str> {
    let annotation = |key| entry.annotation(key).filter(|name| !name.is_empty());
    annotation(CONTAINERD_NAME).or_else(|| annotation(REF_NAME))
}

/// Takes the names off an entry.
pub fn strip_names(entry: &mut Descriptor) {
    entry.annotations.retain(|key, _| key != CONTAINERD_NAME && key != REF_NAME);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        check_layout(LAYOUT_BYTES).unwrap();
        let kind = |text: &str| check_layout(text.as_bytes()).unwrap_err().kind();
        assert_eq!(kind(r#"{"imageLayoutVersion":"9.9.9"}"#), ErrorKind::Unsupported);
        assert_eq!(kind("{}"), ErrorKind::Corrupt);
        assert_eq!(kind("1.0.0"), ErrorKind::Corrupt);
    }
}
