//! [`Failure`]: what goes wrong in a database, before it is known in which.

use std::fs::File;
use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHORT_READ;
use transship::transport::{Error, ErrorKind};

/// SQLite's error, or one of ours.
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    Ours(Error),
}

/// Of what is done in a database.
pub(crate) type Tried<T = ()> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Failure {
    /// Whether another process has it locked.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(error) if is_busy(error))
    }

    /// The error that callers see. This is the one place that sorts SQLite's errors into kinds.
    pub(crate) fn at(self, path: &Path) -> Error {
        let error = match self {
            Self::Ours(error) => return error,
            Self::Sql(error) => error,
        };
        let made = |kind, error| Error::new(kind, path.display().to_string()).caused_by(error);
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                made(ErrorKind::Unavailable, error)
                    .hint("another process writes to it; sqlite.busy-timeout=SECONDS waits longer")
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                made(ErrorKind::Corrupt, error)
            }
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                made(ErrorKind::Denied, error)
            }
            Some(ErrorCode::DiskFull) => {
                made(ErrorKind::Unexpected, error).hint("make room there, or choose another place")
            }
            // SQLite does not say why; the system does.
            Some(ErrorCode::CannotOpen) => match File::open(path) {
                Err(why) => Error::io("opening", path, why),
                Ok(_) => made(ErrorKind::Unexpected, error),
            },
            // A page that should be there is not, as of a file that was cut, or whose header claims other pages.
            _ if error
                .sqlite_error()
                .is_some_and(|e| e.extended_code == SQLITE_IOERR_SHORT_READ) =>
            {
                made(ErrorKind::Corrupt, error)
            }
            Some(_) => made(ErrorKind::Unexpected, error),
            // What a row holds is not what this crate has written.
            None => made(ErrorKind::Corrupt, error),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
