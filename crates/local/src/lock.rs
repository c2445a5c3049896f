//! [`Lock`]: keeping other processes out.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use transship_core::{Cancel, Error, ErrorKind, Result};

use crate::sys;

/// The longest pause between two looks at a lock that somebody else has.
const PAUSE: Duration = Duration::from_millis(20);

/// An advisory lock on a file or folder, given up when dropped, or when the process ends however it ends.
///
/// It is on what the path named last: if that was replaced while waiting, the lock is on the new one. It belongs to
/// this value, not to the process: two values in one process exclude each other too.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Waits until nobody else has any lock on it. The wait is polled and ends when cancelled.
    ///
    /// # Errors
    /// `NotFound` when nothing is there, `Unsupported` where there are no locks, `Cancelled`, other I/O errors.
    pub fn exclusive(path: &Path, cancel: &Cancel) -> Result<Self> {
        Self::wait(path, Kind::Exclusive, cancel)
    }

    /// Waits until nobody else has an exclusive lock on it.
    ///
    /// # Errors
    /// As [`exclusive`](Self::exclusive).
    pub fn shared(path: &Path, cancel: &Cancel) -> Result<Self> {
        Self::wait(path, Kind::Shared, cancel)
    }

    /// The lock, unless somebody else has one.
    ///
    /// # Errors
    /// As [`exclusive`](Self::exclusive).
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>> {
        Self::attempt(path, Kind::Exclusive)
    }

    /// The locked file, open for reading, and for writing where that was allowed.
    pub fn file(&self) -> &File {
        &self.0
    }

    fn wait(path: &Path, kind: Kind, cancel: &Cancel) -> Result<Self> {
        let mut pause = Duration::from_micros(500);
        loop {
            cancel.check()?;
            if let Some(lock) = Self::attempt(path, kind)? {
                return Ok(lock);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE);
        }
    }

    fn attempt(path: &Path, kind: Kind) -> Result<Option<Self>> {
        let locking = |e| Error::io("locking", path, e);
        let file = open(path).map_err(locking)?;
        let tried = match kind {
            Kind::Exclusive => file.try_lock(),
            Kind::Shared => file.try_lock_shared(),
        };
        match tried {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) if sys::unsupported(&e) => {
                let message = format!("{} cannot be locked", path.display());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .caused_by(e)
                    .hint("choose a filesystem that has locks"));
            }
            Err(TryLockError::Error(e)) => return Err(locking(e)),
        }
        let ours = file.metadata().map_err(locking)?;
        // A lock on what was replaced or removed meanwhile keeps nobody out.
        let current = path.metadata().map_err(locking)?;
        Ok(sys::same_file(&ours, &current).then_some(Self(file)))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Exclusive,
    Shared,
}

/// For writing where possible: network filesystems give exclusive locks on nothing less.
fn open(path: &Path) -> std::io::Result<File> {
    if path.metadata()?.is_file()
        && let Ok(file) = File::options().read(true).write(true).open(path)
    {
        return Ok(file);
    }
    sys::open_without_waiting(path)
}
