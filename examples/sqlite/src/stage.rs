//! [`Stage`]: what was put and does not show yet.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use transship::transport::{Body, Cancel, Digest, Error, Expect, Result, Stored};

use crate::blobs::{Blobs, CHUNK};
use crate::database::{POLL, make_tables};
use crate::failure::{Failure, Tried};

/// An unnamed database in the spool folder, gone with its last user, however that ends.
#[derive(Debug)]
pub(crate) struct Stage {
    connection: Mutex<Connection>,
    folder: PathBuf,
    next: AtomicI64,
}

impl Stage {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::NamedTempFile::new_in(folder)
            .map_err(|e| Error::io("making a temporary file in", folder, e))?;
        let made = || -> Tried<Connection> {
            let connection = Connection::open(file.path())?;
            connection.busy_timeout(POLL)?;
            // Nothing that is only here has to survive anything.
            connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
            // Chunks come before their blob.
            connection.execute_batch("PRAGMA foreign_keys = OFF;")?;
            make_tables(&connection, "main")?;
            Ok(connection)
        };
        let connection = made().map_err(|e| e.at(file.path()))?;
        // Only the name goes here; SQLite has the file open.
        drop(file);
        let connection = Mutex::new(connection);
        Ok(Self { connection, folder: folder.to_owned(), next: AtomicI64::new(1) })
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a blob in. Others may put theirs meanwhile.
    pub(crate) fn put(&self, expect: &Expect, body: Body, cancel: &Cancel) -> Result<Stored> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let put = self.put_chunks(id, body.expecting(expect)?, cancel).and_then(|stored| {
            self.show(id, &stored).map_err(|e| e.at(&self.folder))?;
            Ok(stored)
        });
        if put.is_err() {
            // The error that was is worth more than one of cleaning up what nobody sees.
            let _ = Blobs::new(&self.connection(), "main").remove_chunks(id);
        }
        put
    }

    /// What was put, if it was.
    pub(crate) fn find(&self, digest: &Digest) -> Result<Option<Stored>> {
        let found = Blobs::new(&self.connection(), "main").find(digest);
        let found = found.map_err(|e| e.at(&self.folder))?;
        Ok(found.map(|found| Stored::new(digest.clone(), found.size)))
    }

    fn put_chunks(&self, id: i64, body: Body, cancel: &Cancel) -> Result<Stored> {
        let mut chunks = body.chunks(cancel)?;
        let mut buffer = Vec::new();
        for number in 0.. {
            buffer.clear();
            let read = chunks.by_ref().take(CHUNK).read_to_end(&mut buffer);
            read.map_err(|e| Error::io("reading", "the blob", e))?;
            if buffer.is_empty() {
                break;
            }
            let added = Blobs::new(&self.connection(), "main").add_chunk(id, number, &buffer);
            added.map_err(|e| e.at(&self.folder))?;
        }
        chunks.finish()
    }

    /// Makes a blob of its chunks, unless another put was faster.
    fn show(&self, id: i64, stored: &Stored) -> Result<(), Failure> {
        let connection = self.connection();
        let blobs = Blobs::new(&connection, "main");
        if blobs.find(&stored.digest)?.is_some() {
            return blobs.remove_chunks(id);
        }
        blobs.add(Some(id), &stored.digest, stored.size).map(|_| ())
    }
}
