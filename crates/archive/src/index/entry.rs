//! [`Entry`]: one entry of a tar.

use std::sync::Arc;

/// One entry of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name, cleaned: no `./`, no `//`, no `/` at the end.
    pub name: Arc<str>,
    /// What it is.
    pub kind: EntryKind,
    /// Where its header is, in bytes.
    pub header: u64,
    /// Where all that belongs to it begins: its header, or the extension headers before that.
    pub start: u64,
    /// Where it ends, with its padding.
    pub end: u64,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Where its bytes are.
        offset: u64,
        /// How many there are.
        size: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link, with its target as it stands.
    Symlink(Box<str>),
    /// Another name for an entry, with that entry's name as it stands.
    Hardlink(Box<str>),
    /// Anything else, with the header's type byte.
    Other(u8),
}
