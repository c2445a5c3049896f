//! [`Spool`]: what of a passing archive is kept aside, each content once.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_core::{Body, Cancel, Digest, FileRange, Result, Stored};
use transship_local::spool_file;

use crate::compression::spooling;
use crate::index::{Known, PassedFile};
use transship_local::write_all_at;

/// The most bytes that are kept in memory, for all small files together: the documents of an archive mostly fit, and then no
/// temporary file is needed.
const MEMORY: usize = 4 << 20;

/// A file up to this size is kept in memory while there is room.
const SMALL: u64 = 256 << 10;

/// Small files in memory, and an unnamed file for others, made when it is first needed.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    in_memory: usize,
    /// For messages.
    path: Arc<Path>,
    file: Option<Arc<File>>,
    end: u64,
    kept: HashMap<Digest, FileRange>,
}

impl Spool {
    pub(super) fn new(folder: PathBuf, path: &Path) -> Self {
        let (path, kept) = (path.into(), HashMap::new());
        Self { folder, in_memory: 0, path, file: None, end: 0, kept }
    }

    /// Keeps a file.
    pub(super) fn keep(&mut self, body: Body, cancel: &Cancel) -> Result<PassedFile> {
        match body.expected().size {
            Some(size) if size <= SMALL && self.in_memory < MEMORY => self.remember(body, cancel),
            _ => self.store(body, cancel),
        }
    }

    fn remember(&mut self, body: Body, cancel: &Cancel) -> Result<PassedFile> {
        let (mut chunks, mut bytes) = (body.chunks(cancel)?, Vec::new());
        while let Some(chunk) = chunks.next()? {
            bytes.extend_from_slice(chunk);
        }
        let stored = chunks.finish()?;
        Ok(self.held(stored, |this| {
            this.in_memory += bytes.len();
            FileRange::in_memory(bytes, Arc::clone(&this.path))
        }))
    }

    /// What is kept now, or was already.
    fn held(&mut self, stored: Stored, keep: impl FnOnce(&mut Self) -> FileRange) -> PassedFile {
        let known = Known::new(stored.clone(), None);
        let bytes = if let Some(bytes) = self.kept.get(&stored.digest) {
            bytes.clone()
        } else {
            let bytes = keep(self);
            self.kept.insert(stored.digest, bytes.clone());
            bytes
        };
        PassedFile { bytes, known, staged: false }
    }

    fn store(&mut self, body: Body, cancel: &Cancel) -> Result<PassedFile> {
        let file = self.file()?;
        let mut chunks = body.chunks(cancel)?;
        let mut at = self.end;
        while let Some(chunk) = chunks.next()? {
            write_all_at(&file, chunk, at).map_err(|e| spooling(&self.path, e))?;
            at += chunk.len() as u64;
        }
        let stored = chunks.finish()?;
        Ok(self.held(stored.clone(), |this| {
            let bytes = FileRange::new(file, Arc::clone(&this.path), this.end, stored.size);
            this.end = at;
            bytes
        }))
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
