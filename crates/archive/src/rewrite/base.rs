//! [`Base`]: an archive that another one is made from.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use transship_core::{
    Body, Cache, Cancel, Digest, Error, ErrorKind, Expect, FileRange, Result, Stored,
};
use transship_local::{FileStamp, KnownParts, open_regular};

use crate::index::BLOCK_LEN;
use crate::{Compression, TarIndex, sniff};

/// An archive that another one is made from, as it was when it was opened.
#[derive(Debug)]
pub struct Base {
    index: Arc<TarIndex>,
    stamp: FileStamp,
    known: KnownParts,
}

impl Base {
    /// Opens and indexes it.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` when it is compressed as a whole; as [`TarIndex::read`].
    pub fn open(path: &Path, cache: &Cache, cancel: &Cancel) -> Result<Self> {
        let before = SystemTime::now();
        let file = open_regular(path)?;
        let found = file.metadata().map_err(|e| Error::io("looking at", path, e))?;
        let stamp = FileStamp::of(&found);
        let base = Self::of(&FileRange::whole(file, path)?, stamp, cancel)?;
        Ok(Self { known: KnownParts::of(stamp, Some(before), cache), ..base })
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
        Ok(Self { index, stamp, known: KnownParts::of(stamp, None, &Cache::default()) })
    }

    /// What it holds and where.
    pub fn index(&self) -> &Arc<TarIndex> {
        &self.index
    }

    /// An entry, if it is there, whole, and has a digest. It is hashed now, unless the cache says that it was, and that the archive has
    /// not changed since, or was made from one where it was.
    ///
    /// # Errors
    /// `Cancelled`; I/O errors; `Unsupported` for digests that cannot be checked.
    pub fn true_entry(
        &self,
        name: &str,
        digest: &Digest,
        cancel: &Cancel,
    ) -> Result<Option<Stored>> {
        let Ok(range) = self.index.get(name) else { return Ok(None) };
        if self.known.has(name, digest) {
            return Ok(Some(Stored::new(digest.clone(), range.len())));
        }
        let body = Body::from_file(range.clone()).expecting(&Expect::digest(digest.clone()));
        match body.and_then(|body| body.chunks(cancel)?.finish()) {
            Ok(stored) => {
                if let Some(file) = range.file() {
                    self.known.note_read(file, name, digest);
                }
                Ok(Some(stored))
            }
            Err(e) if e.kind() == ErrorKind::Corrupt => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The entries whose digests are known, and these, as far as a name leads through entries that stay.
    pub(super) fn known(
        &self,
        stays: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&str, String)> {
        let stays = move |name: &&str| {
            self.index.chain(name).is_ok_and(|chain| chain.iter().all(|name| stays(name)))
        };
        let known = |name| Some((name, self.known.digest(name)?));
        self.index.names().filter_map(known).filter(move |(name, _)| stays(name))
    }

    pub(super) fn stamp(&self) -> FileStamp {
        self.stamp
    }
}
