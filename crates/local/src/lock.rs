//! [`Lock`]: keeping other processes out, and [`LockWait`]: how to wait for those that are there.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use transship_core::{
    Cancel, CollectOptions, DeleteOptions, Error, ErrorKind, Observer, Result, WriteOptions,
};

use crate::sys;
use crate::target::shown;

/// The longest pause between two tries to take a lock that another process holds.
const PAUSE: Duration = Duration::from_millis(20);

/// A wait that takes longer is reported.
const REPORTED: Duration = Duration::from_secs(1);

/// How to wait for a lock that another process holds: which observer gets a notice of a long wait, and when to give up. By
/// default there is no notice and no limit.
#[derive(Clone, Debug, Default)]
pub struct LockWait {
    observer: Observer,
    limit: Option<Duration>,
}

impl LockWait {
    /// Reports to an observer that it waits, after a second, and gives up after `limit`.
    pub fn new(observer: &Observer, limit: Option<Duration>) -> Self {
        Self { observer: observer.clone(), limit }
    }

    /// The observer that gets the notice.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }
}

impl From<&WriteOptions> for LockWait {
    fn from(how: &WriteOptions) -> Self {
        Self::new(&how.observer, how.lock_timeout)
    }
}

impl From<&DeleteOptions> for LockWait {
    fn from(how: &DeleteOptions) -> Self {
        Self::new(&how.observer, how.lock_timeout)
    }
}

impl From<&CollectOptions> for LockWait {
    fn from(how: &CollectOptions) -> Self {
        Self::new(&how.observer, how.lock_timeout)
    }
}

/// An advisory lock on a file or folder, given up when dropped, or when the process ends however it ends.
///
/// It is on what the path named last: if that was replaced while waiting, the lock is on the new one. It belongs to
/// this value, not to the process: two values in one process exclude each other too. Symlinks are followed: the lock is on what
/// they lead to. To stage beside that, resolve the path first with [`Target::look_at`](crate::Target::look_at).
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Waits until there is no other lock on it. The wait is polled, and ends when cancelled.
    ///
    /// # Errors
    /// `NotFound` when nothing is there, `Unsupported` where there are no locks, `Unavailable` when the limit of the wait
    /// is over, `Cancelled`, other I/O errors.
    pub fn exclusive(path: &Path, wait: &LockWait, cancel: &Cancel) -> Result<Self> {
        Self::wait(path, Kind::Exclusive, wait, cancel)
    }

    /// Waits until there is no exclusive lock on it.
    ///
    /// # Errors
    /// As [`exclusive`](Self::exclusive).
    pub fn shared(path: &Path, wait: &LockWait, cancel: &Cancel) -> Result<Self> {
        Self::wait(path, Kind::Shared, wait, cancel)
    }

    /// The lock, unless there is another one.
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

    fn wait(path: &Path, kind: Kind, wait: &LockWait, cancel: &Cancel) -> Result<Self> {
        let mut pause = Duration::from_micros(500);
        let (begun, mut reported) = (Instant::now(), false);
        loop {
            cancel.check()?;
            if let Some(lock) = Self::attempt(path, kind)? {
                return Ok(lock);
            }
            let waited = begun.elapsed();
            if wait.limit.is_some_and(|limit| waited >= limit) {
                return Err(still_locked(path, waited));
            }
            if waited >= REPORTED && !reported {
                reported = true;
                let what = shown(path).display();
                wait.observer.warn(format!("{what} is locked by another process: waiting for it"));
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
        // A lock on what was replaced or removed meanwhile excludes no other process.
        let current = path.metadata().map_err(locking)?;
        Ok(sys::same_file(&ours, &current).then_some(Self(file)))
    }
}

fn still_locked(path: &Path, waited: Duration) -> Error {
    let (what, seconds) = (shown(path).display(), waited.as_secs());
    let message = format!("{what} is still locked by another process after {seconds} s");
    Error::new(ErrorKind::Unavailable, message)
        .with_retryable(false)
        .hint("try again when it has ended, or wait longer")
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
