//! [`Database`]: an open database of images, and transactions in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use transship::transport::{Cancel, Error, ErrorKind, Result};

use crate::failure::Tried;

/// Tells databases of this kind from others: "tshp".
const APPLICATION: i64 = 0x7473_6870;

/// Whether a file that begins like this is a database of ours. The application ID stands at this place of the header.
pub(crate) fn is_ours(head: &[u8]) -> bool {
    let application = head.get(68..72).and_then(|bytes| bytes.try_into().ok());
    head.starts_with(b"SQLite format 3\0")
        && application.is_some_and(|bytes| i64::from(u32::from_be_bytes(bytes)) == APPLICATION)
}

/// The version of the tables.
const VERSION: i64 = 1;

/// SQLite waits so long for a lock before we look whether anybody still waits for us.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// A database of images that is there.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    path: PathBuf,
    patience: Duration,
}

impl Database {
    /// Opens what is at a path; `None` when nothing is there, or an empty file.
    pub(crate) fn open(path: &Path, patience: Duration, cancel: &Cancel) -> Result<Option<Self>> {
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("looking at", path, e)),
            Ok(found) if !found.is_file() => {
                let message = format!("{} is no regular file", path.display());
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            Ok(_) => {}
        }
        // Not read-only: what a writer that was killed has left is rolled back when the database is opened next.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = || -> Tried<Connection> {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(POLL)?;
            connection.execute_batch("PRAGMA foreign_keys = ON;")?;
            // The first that looks into the file.
            patiently(patience, cancel, || {
                Ok(connection.execute_batch("PRAGMA synchronous = EXTRA;")?)
            })?;
            Ok(connection)
        };
        let connection = opened().map_err(|e| e.at(path))?;
        let database = Self { connection, path: path.to_owned(), patience };
        let there = database.read(cancel, |connection| is_there(connection, "main"))?;
        Ok(there.then_some(database))
    }

    /// The database at a path.
    ///
    /// # Errors
    /// `NotFound` when none is there, and those of opening it.
    pub(crate) fn existing(path: &Path, patience: Duration, cancel: &Cancel) -> Result<Self> {
        Self::open(path, patience, cancel)?.ok_or_else(|| {
            let message = format!("there is no database at {}", path.display());
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Does some reading, all of it of one state of the database.
    pub(crate) fn read<T>(
        &self,
        cancel: &Cancel,
        work: impl FnOnce(&Connection) -> Tried<T>,
    ) -> Result<T> {
        let begun = patiently(self.patience, cancel, || {
            let transaction = self.connection.unchecked_transaction()?;
            // Only the first look can find it locked.
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(transaction)
        });
        begun.and_then(|transaction| work(&transaction)).map_err(|e| e.at(&self.path))
    }

    /// Changes it, all at once or not at all.
    pub(crate) fn write<T>(
        &self,
        cancel: &Cancel,
        work: impl FnOnce(&Connection) -> Tried<T>,
    ) -> Result<T> {
        in_transaction(&self.connection, self.patience, cancel, work).map_err(|e| e.at(&self.path))
    }
}

/// Runs work as the only writer, and commits it.
pub(crate) fn in_transaction<T>(
    connection: &Connection,
    patience: Duration,
    cancel: &Cancel,
    work: impl FnOnce(&Connection) -> Tried<T>,
) -> Tried<T> {
    let immediate = TransactionBehavior::Immediate;
    let begin = || Ok(Transaction::new_unchecked(connection, immediate)?);
    // Dropped before its commit, it is rolled back.
    let transaction = patiently(patience, cancel, begin)?;
    let done = work(&transaction)?;
    // Readers have to end first.
    patiently(patience, cancel, || Ok(transaction.execute_batch("COMMIT")?))?;
    Ok(done)
}

/// Tries again while another process has it locked.
pub(crate) fn patiently<T>(
    patience: Duration,
    cancel: &Cancel,
    mut work: impl FnMut() -> Tried<T>,
) -> Tried<T> {
    let begun = Instant::now();
    loop {
        cancel.check()?;
        match work() {
            Err(e) if e.is_busy() && begun.elapsed() < patience => thread::sleep(POLL / 10),
            done => return done,
        }
    }
}

/// Whether a database of images is there, rather than an empty one.
///
/// # Errors
/// `Unsupported` for databases of another kind or of a newer release.
pub(crate) fn is_there(connection: &Connection, schema: &str) -> Tried<bool> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number(&format!("PRAGMA {schema}.application_id"))?;
    if application == 0 && number(&format!("SELECT count(*) FROM {schema}.sqlite_schema"))? == 0 {
        return Ok(false);
    }
    let message = if application != APPLICATION {
        "it is an SQLite database, and not one of images"
    } else if number(&format!("PRAGMA {schema}.user_version"))? != VERSION {
        "it was written by a newer release"
    } else {
        return Ok(true);
    };
    Err(Error::new(ErrorKind::Unsupported, message).into())
}

/// Makes the tables of a new database, within a transaction.
pub(crate) fn make_tables(connection: &Connection, schema: &str) -> Tried {
    let tables = include_str!("schema.sql").replace("TABLE ", &format!("TABLE {schema}."));
    connection.execute_batch(&format!(
        "PRAGMA {schema}.application_id = {APPLICATION}; PRAGMA {schema}.user_version = {VERSION};
         {tables}"
    ))?;
    Ok(())
}
