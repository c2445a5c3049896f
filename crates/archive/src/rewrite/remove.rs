//! [`rewrite`]: an archive that loses entries.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use transship_core::{Cancel, Error, ErrorKind, Result};
use transship_local::{LockWait, StagedFile, change_file};

use super::{Base, copy_parts, place_of};
use crate::TarWriter;
use crate::draft::Draft;

/// What an archive becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The names of the entries that go, those of the documents too.
    pub goes: HashSet<Arc<str>>,
    /// What is written behind those that stay.
    pub documents: Vec<(&'static str, Bytes)>,
}

/// Replaces an archive by one that a function makes of it, durably and at once; entries that stay do so byte for byte.
/// The function is called again where the archive was changed meanwhile.
///
/// # Errors
/// `NotFound`; those of the function; `Unavailable` when it stays locked; as [`ArchiveOutput::begin`](crate::ArchiveOutput::begin) to append. What was there is then as it was.
pub fn rewrite(
    path: &Path,
    change: &mut dyn FnMut(&Arc<Base>) -> Result<Rewritten>,
    wait: &LockWait,
    cancel: &Cancel,
) -> Result<()> {
    let (target, _) = place_of(path)?;
    change_file(&target, wait, cancel, &mut |before| {
        let (Some(file), Some(stamp)) = (before.file(), before.stamp()) else {
            let message = format!("there is no file {}", path.display());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let base = Arc::new(Base::of(file, stamp, cancel)?);
        let Rewritten { goes, documents } = change(&base)?;
        let staged = StagedFile::beside(&target)?;
        let parts = base.index().without(&|entry| goes.contains(&entry.name));
        let end = copy_parts(&base, &parts, &staged, 0, cancel)?;
        let mut tar = TarWriter::at(Draft::of(Arc::clone(staged.file())), path, end);
        for (name, bytes) in documents {
            tar.put_bytes(name, &bytes)?;
        }
        tar.finish()?;
        Ok(Some(staged))
    })
}
