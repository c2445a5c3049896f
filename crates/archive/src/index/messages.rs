//! What messages say of entries.

use std::fmt;

use super::{Entry, EntryKind};

/// An entry as messages show it.
pub(super) struct Shown<'a>(pub(super) &'a Entry);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.0.kind {
            EntryKind::File { .. } => "a file",
            EntryKind::Folder => "a folder",
            EntryKind::Symlink(_) | EntryKind::Hardlink(_) => "a link",
            EntryKind::Other(_) => "no file",
        };
        write!(f, "the entry {:?} at offset {} is {what}", self.0.name, self.0.header)
    }
}
