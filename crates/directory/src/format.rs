//! File names and the version.

use std::io::Read;
use std::path::Path;

use transship_core::{Digest, DigestAlgorithm, Error, ErrorKind, Result, ResultExt};
use transship_local::{Folder, open_regular, read_bounded};

/// The file that says which version it is.
pub(crate) const VERSION: &str = "version";
/// The root.
pub(crate) const MANIFEST: &str = "manifest.json";
/// What the name of a manifest below the root ends with.
pub(crate) const MANIFEST_SUFFIX: &str = ".manifest.json";

/// The most bytes that the signatures of an image have together.
pub(crate) const SIGNATURES_SIZE: u64 = 1 << 20;
/// The most signatures of one manifest, and one more.
pub(crate) const SIGNATURES: usize = 1000;

const VERSION_LIMIT: u64 = 1 << 10;
const VERSION_TEXT: &str = "Directory Transport Version: ";

/// Whether a folder has the version file of an image, of whatever version.
pub(crate) fn has_version_file(folder: &Path) -> bool {
    let mut start = [0; VERSION_TEXT.len()];
    // Not of a pipe, which may never give a byte.
    open_regular(&folder.join(VERSION)).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && start == *VERSION_TEXT.as_bytes()
}

/// The text of the version file.
pub(crate) fn version_text(all_sha256: bool) -> &'static str {
    if all_sha256 {
        "Directory Transport Version: 1.1\n"
    } else {
        "Directory Transport Version: 1.2\n"
    }
}

/// The name of a digest's file.
pub(crate) fn name_of(digest: &Digest) -> String {
    match digest.algorithm() {
        DigestAlgorithm::Sha256 => digest.encoded().to_owned(),
        other => format!("{other}-{}", digest.encoded()),
    }
}

/// The names that a digest's file may have, the likelier first: older tools leave the algorithm out.
pub(crate) fn names_of(digest: &Digest) -> Vec<String> {
    let name = name_of(digest);
    let bare = digest.encoded().to_owned();
    if name == bare { vec![name] } else { vec![name, bare] }
}

/// The name of a signature's file, counted from 1; `None` is the root's.
pub(crate) fn signature_name(of: Option<&str>, number: usize) -> String {
    match of {
        Some(name) => format!("{name}.signature-{number}"),
        None => format!("signature-{number}"),
    }
}

/// Whether a folder is an image's, by its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// It has none.
    None,
    /// A known one.
    Known,
    /// Another one, or another file of that name.
    Other(String),
}

impl Version {
    pub(crate) fn of(folder: &Folder) -> Result<Self> {
        let path = folder.path().join(VERSION);
        let Some(file) = folder.file(VERSION).if_found()? else { return Ok(Self::None) };
        let bytes = read_bounded(&file, &path, VERSION_LIMIT, "the version file")?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        match text.strip_prefix(VERSION_TEXT).map(str::trim_end) {
            Some("1.1" | "1.2") => Self::Known,
            Some(other) => Self::Other(other.to_owned()),
            None => Self::Other(text.chars().take(40).collect()),
        }
    }
}

/// The error of a version that this release does not know.
pub(crate) fn unknown_version(path: &Path, found: &str) -> Error {
    let message = format!(
        "{} is of version {found:?} of the dir format, 1.1 and 1.2 are known",
        path.display()
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// Writes a small file.
pub(crate) fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).map_err(|e| Error::io("writing", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transship_core::parse_digest;

    #[test]
    fn versions() {
        assert_eq!(Version::parse(version_text(true)), Version::Known);
        assert_eq!(Version::parse(version_text(false)), Version::Known);
        assert_eq!(
            Version::parse("Directory Transport Version: 1.10\n"),
            Version::Other("1.10".into())
        );
        assert_eq!(Version::parse("1.2.3"), Version::Other("1.2.3".into()));
    }

    #[test]
    fn names() {
        let hex = "ab".repeat(64);
        let sha512 = parse_digest(&format!("sha512:{hex}")).unwrap();
        assert_eq!(names_of(&sha512), [format!("sha512-{hex}"), hex]);
        let sha256 = transship_core::sha256(b"{}");
        assert_eq!(names_of(&sha256), [sha256.encoded()]);
        assert_eq!(signature_name(None, 1), "signature-1");
        assert_eq!(signature_name(Some("ab"), 2), "ab.signature-2");
    }
}
