//! [`FileStamp`]: whether a file is the one that it was.

use std::fs::Metadata;

/// Which file it is, and in which state: its identity, size and times. Equal stamps are of one file that was not written to
/// between the two looks, as far as the clock of its filesystem can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Device and inode.
    pub(crate) identity: (u64, u64),
    pub(crate) size: u64,
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

impl FileStamp {
    /// Whether the system tells files apart for good: the identity is not given again while a file is there, and every
    /// write changes a time.
    pub(crate) const EXACT: bool = cfg!(unix);

    /// Of what was found.
    #[cfg(unix)]
    pub fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            identity: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Of what was found.
    #[cfg(not(unix))]
    pub fn of(found: &Metadata) -> Self {
        let parts = |time: std::io::Result<std::time::SystemTime>| {
            let since = time.ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
            let since = since.unwrap_or_default();
            (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()))
        };
        // Open files cannot be replaced there.
        let made = found.created().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        let made = made.unwrap_or_default();
        Self {
            identity: (made.as_secs(), made.subsec_nanos().into()),
            size: found.len(),
            modified: parts(found.modified()),
            changed: (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_written_to_is_in_another_state() {
        let mut file = tempfile::tempfile().unwrap();
        let stamp = |file: &std::fs::File| FileStamp::of(&file.metadata().unwrap());
        let before = stamp(&file);
        assert_eq!(stamp(&file), before);
        file.write_all(b"x").unwrap();
        assert!(stamp(&file) != before);
        assert!(stamp(&tempfile::tempfile().unwrap()) != before);
    }
}
