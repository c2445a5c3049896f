//! [`Spool`]: what of a passing archive is kept aside, each content once.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_core::{Body, Cancel, Digest, FileRange, Result};
use transship_local::spool_file;

use crate::file::write_all_at;
use crate::index::{Held, Known};
use crate::outer::spooling;

/// An unnamed file, made when it is first needed.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    /// For messages.
    path: Arc<Path>,
    file: Option<Arc<File>>,
    end: u64,
    kept: HashMap<Digest, FileRange>,
}

impl Spool {
    pub(super) fn new(folder: PathBuf, path: &Path) -> Self {
        Self { folder, path: path.into(), file: None, end: 0, kept: HashMap::new() }
    }

    /// Keeps a file.
    ///
    /// # Errors
    /// Those of the body, I/O errors.
    pub(super) fn keep(&mut self, body: Body, cancel: &Cancel) -> Result<Held> {
        let file = self.file()?;
        let mut chunks = body.chunks(cancel)?;
        let mut at = self.end;
        while let Some(chunk) = chunks.next()? {
            write_all_at(&file, chunk, at).map_err(|e| spooling(&self.path, e))?;
            at += chunk.len() as u64;
        }
        let stored = chunks.finish()?;
        let known = Known::new(stored.clone(), None);
        if let Some(bytes) = self.kept.get(&stored.digest) {
            return Ok(Held { bytes: bytes.clone(), known, staged: false });
        }
        let bytes = FileRange::new(file, Arc::clone(&self.path), self.end, stored.size);
        self.end = at;
        self.kept.insert(stored.digest, bytes.clone());
        Ok(Held { bytes, known, staged: false })
    }

    fn file(&mut self) -> Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(spool_file(&self.folder)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}
