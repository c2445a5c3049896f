//! [`FileStamp`]: whether a file is the one that it was.

use std::fs::Metadata;
use std::time::SystemTime;

/// Which file it is, and in which state: its identity, size and times. Equal stamps are of one file that nobody has
/// written to between the two looks, as far as the clock of its filesystem can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    identity: (u64, u64),
    len: u64,
    modified: Option<SystemTime>,
    changed: (i64, i64),
}

impl FileStamp {
    /// Of what was found.
    pub fn of(found: &Metadata) -> Self {
        let (identity, changed) = facts(found);
        Self { identity, len: found.len(), modified: found.modified().ok(), changed }
    }

    /// Whether both are of one file, in whatever state.
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

#[cfg(unix)]
fn facts(found: &Metadata) -> ((u64, u64), (i64, i64)) {
    use std::os::unix::fs::MetadataExt;
    ((found.dev(), found.ino()), (found.ctime(), found.ctime_nsec()))
}

#[cfg(not(unix))]
fn facts(found: &Metadata) -> ((u64, u64), (i64, i64)) {
    // Open files cannot be replaced there.
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let made = found.created().ok().and_then(since).unwrap_or_default();
    ((made.as_secs(), made.subsec_nanos().into()), (0, 0))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_written_to_is_another_state_of_the_same() {
        let mut file = tempfile::tempfile().unwrap();
        let stamp = |file: &std::fs::File| FileStamp::of(&file.metadata().unwrap());
        let before = stamp(&file);
        assert_eq!(stamp(&file), before);
        file.write_all(b"x").unwrap();
        assert!(stamp(&file) != before && stamp(&file).is_same_file(&before));
        assert!(!stamp(&tempfile::tempfile().unwrap()).is_same_file(&before));
    }
}
