//! [`Store`]: where the bytes of an archive's files are.

use std::collections::HashMap;

use transship_core::{Digest, Error, ErrorKind, FileRange, Result, Stored};

/// Where the bytes of an archive's files are.
#[derive(Debug)]
pub(crate) enum Store {
    /// In the archive.
    File(FileRange),
    /// The archive has passed: here and there, by their offset in it.
    Passed(HashMap<u64, PassedFile>),
}

/// A file that has passed.
#[derive(Clone, Debug)]
pub(crate) struct PassedFile {
    pub(crate) bytes: FileRange,
    pub(crate) known: Known,
    /// Whether it was given away, so that it may not be read again.
    pub(crate) staged: bool,
}

/// What is known of a file because it has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known {
    /// The sha256 digest and the size of its bytes.
    pub stored: Stored,
    /// The sha256 digest of what it is decompressed, if it was found to be compressed and was decompressed while it passed.
    pub plain: Option<Digest>,
}

impl Known {
    pub(crate) fn new(stored: Stored, plain: Option<Digest>) -> Self {
        Self { stored, plain }
    }
}

impl Store {
    pub(crate) fn range(&self, offset: u64, size: u64) -> Result<FileRange> {
        match self {
            Self::File(file) => Ok(file.part(offset, size)),
            Self::Passed(held) => {
                held.get(&offset).map(|held| held.bytes.clone()).ok_or_else(|| {
                    Error::new(
                        ErrorKind::Unexpected,
                        format!("the file at offset {offset} was not kept"),
                    )
                })
            }
        }
    }

    pub(crate) fn known(&self, offset: u64) -> Option<&Known> {
        match self {
            Self::File(_) => None,
            Self::Passed(held) => held.get(&offset).map(|held| &held.known),
        }
    }

    /// As [`known`](Self::known), of what was given away.
    pub(crate) fn staged(&self, offset: u64) -> Option<&Known> {
        match self {
            Self::Passed(held) => {
                held.get(&offset).filter(|held| held.staged).map(|held| &held.known)
            }
            Self::File(_) => None,
        }
    }

    pub(crate) fn hold(&mut self, offset: u64, held: PassedFile) {
        if let Self::Passed(all) = self {
            all.insert(offset, held);
        }
    }
}
