//! What messages say of entries, and again of names that led nowhere.

use std::fmt;

use transship_core::{Error, ErrorKind, Hint};

use super::{Entry, EntryKind};

/// Why a name leads to no entry.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    kind: ErrorKind,
    message: String,
    hint: Option<Hint>,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        let hint = error.advice().cloned();
        Self { kind: error.kind(), message: error.message().to_owned(), hint }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        let error = Self::new(failed.kind, failed.message);
        failed.hint.into_iter().fold(error, Self::hint)
    }
}

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
