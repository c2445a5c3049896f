//! [`Base`]: an archive that another one is made from.

use std::path::Path;
use std::sync::Arc;

use transship_core::{Cancel, Error, ErrorKind, FileRange, Result};
use transship_local::{FileStamp, open_regular};

use crate::index::BLOCK_LEN;
use crate::{Compression, TarIndex, sniff};

/// An archive that another one is made from, as it was when it was opened.
#[derive(Debug)]
pub struct Base {
    index: Arc<TarIndex>,
    stamp: FileStamp,
}

impl Base {
    /// Opens and indexes it.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` when it is compressed as a whole; as [`TarIndex::read`].
    pub fn open(path: &Path, cancel: &Cancel) -> Result<Self> {
        let file = open_regular(path)?;
        let found = file.metadata().map_err(|e| Error::io("looking at", path, e))?;
        Self::of(&FileRange::whole(file, path)?, FileStamp::of(&found), cancel)
    }

    /// Indexes an open file that was in this state.
    pub(super) fn of(range: &FileRange, stamp: FileStamp, cancel: &Cancel) -> Result<Self> {
        let mut head = [0; BLOCK_LEN];
        let n = range.read_at(0, &mut head)?;
        if sniff(&head[..n]) != Compression::Plain {
            let message = format!(
                "{} is compressed as a whole, and only plain archives can be changed",
                range.path().display()
            );
            return Err(Error::new(ErrorKind::Unsupported, message).hint(
                "decompress it first, or copy its images and the new ones to another archive",
            ));
        }
        crate::open::check_is_tar(&head[..n], "it")?;
        let index = Arc::new(TarIndex::of(range, cancel)?);
        Ok(Self { index, stamp })
    }

    /// What it holds and where.
    pub fn index(&self) -> &Arc<TarIndex> {
        &self.index
    }

    pub(super) fn stamp(&self) -> FileStamp {
        self.stamp
    }
}
