//! Files that were found true, and have not changed since.
//!
//! A file is identified by device, inode, size, and the times of its last modification and change. Two writes within one
//! tick of the filesystem's clock look the same, so files younger than a tick are not cached, as in git.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use transship_core::{Body, Cache, Cancel, Digest, ErrorKind, Expect, FileRange, Result, Stored};

use crate::{FileStamp, open_regular};

/// Longer than a tick of a filesystem whose times have parts of a second: kernels count at least 100 of them in a second.
const TICK: Duration = Duration::from_millis(20);

/// The same for those whose times are whole seconds, or every other one.
const COARSE_TICK: Duration = Duration::from_secs(3);

/// How long after the last write to a new file it can be noted with [`note_new`]: its writer waits for that.
pub const SETTLED: Duration = TICK;

/// From how many bytes on a writer waits for that. Fewer are hashed again in less time than it takes.
pub const WORTH_SETTLING: u64 = 8 << 20;

/// The blob at a path, if it is there, whole, and true to what is expected. It is hashed now, unless the cache says that it
/// was, and has not changed since.
///
/// # Errors
/// `Cancelled`; I/O errors; `Unsupported` for digests that cannot be checked.
pub fn known_blob(
    path: &Path,
    expect: &Expect,
    cache: &Cache,
    cancel: &Cancel,
) -> Result<Option<Stored>> {
    match look(path, expect, cache, cancel) {
        Ok(stored) => Ok(Some(stored)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
        Err(e) => Err(e),
    }
}

fn look(path: &Path, expect: &Expect, cache: &Cache, cancel: &Cancel) -> Result<Stored> {
    let file = open_regular(path)?;
    let range = FileRange::whole(file, path)?;
    let body = Body::from_file(range.clone()).expecting(expect)?;
    let Some(digest) = expect.digest.as_ref().filter(|_| cache.is_set()) else {
        return body.chunks(cancel)?.finish();
    };
    let (now, before) = (SystemTime::now(), range.file().and_then(stamp_of));
    if let Some(stamp) = before
        && expect.size.is_none_or(|size| size == stamp.size)
        && cache.recall(&stamp.question()).as_deref() == Some(digest.as_ref())
    {
        return Ok(Stored::new(digest.clone(), stamp.size));
    }
    let stored = body.chunks(cancel)?.finish()?;
    if let Some(stamp) = before
        && stamp.is_settled(now)
        && range.file().and_then(stamp_of) == before
    {
        cache.note(&stamp.question(), stored.digest.as_ref());
    }
    Ok(stored)
}

/// A new file after its last write: which one it is, and in which state.
#[derive(Clone, Copy, Debug)]
pub struct NewFile(Option<FileStamp>);

impl NewFile {
    /// Of a file that is not written to any more.
    pub fn of(file: &File) -> Self {
        Self(stamp_of(file))
    }
}

/// Caches the digest of a file that this process has written and just put in place. The caller must have waited for
/// [`SETTLED`] after the last write before putting it there: then every later write changes its modification time. Another
/// file at that path is not cached.
pub fn note_new(path: &Path, new: NewFile, digest: &Digest, cache: &Cache) {
    if cache.is_set()
        && let Some(stamp) = in_place(path, new)
    {
        cache.note(&stamp.question(), digest.as_ref());
    }
}

/// What is known of the parts of one file, each of which has a name, as long as the file stays in one state. So of the entries
/// of an archive.
#[derive(Clone, Debug)]
pub struct KnownParts {
    cache: Cache,
    state: FileStamp,
    /// Whether each change since it was looked at can be seen.
    settled: bool,
}

impl KnownParts {
    /// Of a file that was in a state when it was looked at, after a point in time.
    pub fn of(state: FileStamp, after: Option<SystemTime>, cache: &Cache) -> Self {
        let cache = if FileStamp::EXACT { cache.clone() } else { Cache::default() };
        Self { cache, state, settled: after.is_some_and(|after| state.is_settled(after)) }
    }

    /// Of a file that this process has written and just put in place, after the wait that [`note_new`] asks for. `None` when
    /// another file is there.
    pub fn of_new(path: &Path, new: NewFile, cache: &Cache) -> Option<Self> {
        let state = in_place(path, new)?;
        Some(Self { cache: cache.clone(), state, settled: true })
    }

    /// The digest that a part was found to have.
    pub fn digest(&self, part: &str) -> Option<String> {
        self.cache.recall(&self.question(part))
    }

    /// Whether a part was found to have a digest.
    pub fn has(&self, part: &str, digest: &Digest) -> bool {
        self.digest(part).as_deref() == Some(digest.as_ref())
    }

    /// Caches the digest of a part.
    pub fn note(&self, part: &str, digest: &str) {
        self.cache.note(&self.question(part), digest);
    }

    /// Caches the digest of a part that was read, if the file has not changed meanwhile.
    pub fn note_read(&self, file: &File, part: &str, digest: &Digest) {
        if self.cache.is_set() && self.settled && stamp_of(file) == Some(self.state) {
            self.note(part, digest.as_ref());
        }
    }

    fn question(&self, part: &str) -> String {
        format!("{} part {part}", self.state.question())
    }
}

/// The state of a new file that was just put in place. `None` when another file is there, or its times are of whole seconds, which are
/// too coarse to wait for.
fn in_place(path: &Path, new: NewFile) -> Option<FileStamp> {
    let (file, new) = (open_regular(path).ok()?, new.0?);
    // A new name changes the time of the last change alone.
    let is_it = |now: &FileStamp| FileStamp { changed: now.changed, ..new } == *now;
    stamp_of(&file).filter(|stamp| !stamp.is_coarse() && is_it(stamp))
}

/// `None` where a file may change without a trace.
fn stamp_of(file: &File) -> Option<FileStamp> {
    let stamp = FileStamp::of(&file.metadata().ok()?);
    FileStamp::EXACT.then_some(stamp)
}

impl FileStamp {
    fn question(&self) -> String {
        let Self { identity: (device, inode), size, modified, changed } = self;
        format!(
            "true {device} {inode} {size} {}.{:09} {}.{:09}",
            modified.0, modified.1, changed.0, changed.1
        )
    }

    fn is_coarse(&self) -> bool {
        self.modified.1 == 0 || self.changed.1 == 0
    }

    /// Whether a change from now on would be seen. Times that lie ahead are those of another clock.
    fn is_settled(&self, now: SystemTime) -> bool {
        let tick = if self.is_coarse() { COARSE_TICK } else { TICK };
        let last = self.modified.max(self.changed);
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(last.0), u32::try_from(last.1)) else {
            return false;
        };
        let last = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        now.duration_since(last).is_ok_and(|age| age > tick)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::fs;
    use std::sync::{Arc, Mutex};
    use transship_core::{Memo, sha256};

    #[derive(Clone, Debug, Default)]
    struct Map(Arc<Mutex<HashMap<String, String>>>);

    impl Memo for Map {
        fn recall(&self, question: &str) -> Option<String> {
            self.0.lock().unwrap().get(question).cloned()
        }

        fn note(&self, question: &str, answer: &str) {
            self.0.lock().unwrap().insert(question.to_owned(), answer.to_owned());
        }
    }

    fn find(path: &Path, content: &[u8], cache: &Cache) -> Option<Stored> {
        known_blob(path, &Expect::digest(sha256(content)), cache, &Cancel::new()).unwrap()
    }

    fn settle() {
        std::thread::sleep(TICK + Duration::from_millis(10));
    }

    #[test]
    fn a_young_file_is_not_noted_and_an_old_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let map = Map::default();
        let cache = Cache::new(map.clone());
        fs::write(&path, "content").unwrap();
        assert!(find(&path, b"content", &cache).is_some());
        let young = map.0.lock().unwrap().len();
        settle();
        assert!(find(&path, b"content", &cache).is_some());
        assert_eq!((young, map.0.lock().unwrap().len()), (0, 1));
    }

    #[test]
    fn what_is_known_is_not_read_and_what_changed_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let map = Map::default();
        let cache = Cache::new(map.clone());
        fs::write(&path, "content").unwrap();
        settle();
        find(&path, b"content", &cache).unwrap();
        // A wrong answer shows that the file is not read.
        let lie = sha256(b"another").to_string();
        map.0.lock().unwrap().values_mut().for_each(|answer| answer.clone_from(&lie));
        assert!(find(&path, b"another", &cache).is_some());
        let other_size = Expect::digest(sha256(b"another")).with_size(3);
        assert!(known_blob(&path, &other_size, &cache, &Cancel::new()).unwrap().is_none());

        fs::write(&path, "changed").unwrap();
        assert!(find(&path, b"another", &cache).is_none());
        assert!(find(&path, b"content", &cache).is_none());
        assert!(find(&path, b"changed", &cache).is_some());
        // A file of the same size in its place, and one that is gone.
        fs::write(folder.path().join("new"), "newfile").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(find(&path, b"changed", &cache).is_none());
        fs::remove_file(&path).unwrap();
        assert!(find(&path, b"changed", &cache).is_none());
    }

    #[test]
    fn a_change_after_a_new_file_was_noted_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        for _ in 0..20 {
            let cache = Cache::new(Map::default());
            let new = place(&path);
            note_new(&path, new, &sha256(b"content"), &cache);
            // At once, in the same tick as the rename.
            fs::write(&path, "tampers").unwrap();
            assert!(find(&path, b"content", &cache).is_none());
        }
    }

    /// A new file, whose last write was long ago.
    fn place(path: &Path) -> NewFile {
        let staged = path.with_extension("staged");
        fs::write(&staged, "content").unwrap();
        let new = NewFile::of(&File::open(&staged).unwrap());
        std::thread::sleep(SETTLED);
        fs::rename(&staged, path).unwrap();
        new
    }

    #[test]
    fn another_file_at_the_path_is_not_noted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let map = Map::default();
        let cache = Cache::new(map.clone());
        let new = place(&path);
        note_new(&path, new, &sha256(b"content"), &cache);
        assert_eq!(map.0.lock().unwrap().len(), 1);
        map.0.lock().unwrap().clear();
        let other = folder.path().join("other");
        fs::write(&other, "tampers").unwrap();
        fs::rename(&other, &path).unwrap();
        note_new(&path, new, &sha256(b"content"), &cache);
        assert!(map.0.lock().unwrap().is_empty());
    }

    #[test]
    fn times_ahead_and_whole_seconds_need_longer() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let stamp = |seconds, nanos| FileStamp {
            identity: (1, 1),
            size: 1,
            modified: (1, 1),
            changed: (seconds, nanos),
        };
        assert!(stamp(999, 900_000_000).is_settled(now));
        assert!(!stamp(999, 990_000_000).is_settled(now));
        assert!(!stamp(1_000, 5).is_settled(now));
        assert!(!stamp(998, 0).is_settled(now));
        assert!(stamp(996, 0).is_settled(now));
    }
}
