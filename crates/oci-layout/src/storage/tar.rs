//! A layout in a tar, read at random through an index of it.

use std::sync::Arc;

use transship_archive::TarIndex;
use transship_archive::layout::{LAYOUT_FILE, blob_path};
use transship_core::{Digest, Error, ErrorKind, FileRange, Result, ResultExt};

use super::Storage;

/// A layout in a tar.
#[derive(Debug)]
pub(crate) struct TarStorage(Arc<TarIndex>);

impl TarStorage {
    pub(crate) fn new(index: Arc<TarIndex>) -> Self {
        Self(index)
    }
}

impl Storage for TarStorage {
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        // What a tar without this file is, cut off or not, another transport may tell.
        if name == LAYOUT_FILE && !self.0.contains(name) {
            return Ok(None);
        }
        let range = self.0.get(name).if_found()?;
        range.map(|range| range.bytes(limit, name).map(Into::into)).transpose()
    }

    fn blob(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let path = blob_path(digest);
        match self.0.known(&path) {
            Some(known)
                if known.stored.digest.algorithm() == digest.algorithm()
                    && known.stored.digest != *digest =>
            {
                let message = format!("{path} has the digest {}", known.stored.digest);
                Err(Error::new(ErrorKind::Corrupt, message))
            }
            _ => self.0.get(&path).if_found(),
        }
    }
}
