//! [`Blobs`]: content by its digest, in rows of bounded size.

use rusqlite::{Connection, OptionalExtension, params};
use transship::transport::{Digest, Error, ErrorKind};

use crate::failure::Tried;

/// The bytes of a row. SQLite reads and writes rows whole, so this bounds memory.
pub(crate) const CHUNK: u64 = 256 << 10;

/// The blobs of one of the databases of a connection.
#[derive(Clone, Copy)]
pub(crate) struct Blobs<'a> {
    connection: &'a Connection,
    schema: &'static str,
}

/// A blob that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) size: u64,
}

impl Found {
    /// In how many rows it is.
    pub(crate) fn chunks(self) -> u64 {
        self.size.div_ceil(CHUNK)
    }
}

impl<'a> Blobs<'a> {
    pub(crate) fn new(connection: &'a Connection, schema: &'static str) -> Self {
        Self { connection, schema }
    }

    pub(crate) fn find(&self, digest: &Digest) -> Tried<Option<Found>> {
        let sql = format!("SELECT id, size FROM {}.blobs WHERE digest = ?", self.schema);
        let found = self.connection.query_row(&sql, [digest.as_ref()], |row| {
            let size = row.get::<_, i64>(1)?;
            Ok(Found { id: row.get(0)?, size: size.try_into().unwrap_or(0) })
        });
        Ok(found.optional()?)
    }

    /// One row of a blob.
    pub(crate) fn chunk(&self, id: i64, number: u64) -> Tried<Vec<u8>> {
        let sql = format!("SELECT bytes FROM {}.chunks WHERE blob = ? AND number = ?", self.schema);
        let found =
            self.connection.query_row(&sql, params![id, number.cast_signed()], |row| row.get(0));
        found.optional()?.ok_or_else(|| {
            let message = "it was deleted or replaced while it was read";
            Error::new(ErrorKind::Conflict, message).into()
        })
    }

    /// All bytes of a small blob. Nothing has checked them.
    pub(crate) fn bytes(&self, found: Found, limit: u64) -> Tried<Vec<u8>> {
        if found.size > limit {
            let message = format!("it has {} bytes, which is more than {limit}", found.size);
            return Err(Error::new(ErrorKind::LimitExceeded, message).into());
        }
        let mut bytes = Vec::new();
        for number in 0..found.chunks() {
            bytes.extend(self.chunk(found.id, number)?);
        }
        Ok(bytes)
    }

    pub(crate) fn add_chunk(&self, id: i64, number: u64, bytes: &[u8]) -> Tried {
        let sql = format!("INSERT INTO {}.chunks VALUES (?, ?, ?)", self.schema);
        self.connection.execute(&sql, params![id, number.cast_signed(), bytes])?;
        Ok(())
    }

    /// Adds the row that makes chunks a blob; gives its id.
    pub(crate) fn add(&self, id: Option<i64>, digest: &Digest, size: u64) -> Tried<i64> {
        let sql = format!("INSERT INTO {}.blobs VALUES (?, ?, ?)", self.schema);
        self.connection.execute(&sql, params![id, digest.as_ref(), size.cast_signed()])?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(crate) fn remove_chunks(&self, id: i64) -> Tried {
        let sql = format!("DELETE FROM {}.chunks WHERE blob = ?", self.schema);
        self.connection.execute(&sql, [id])?;
        Ok(())
    }
}
