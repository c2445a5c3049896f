//! [`FileCache`]: a [`Memo`] in a file that processes share.
//!
//! A line for each answer: the question's key, a checksum, the answer. Lines are only added, by one write at the end of
//! the file; of two for one question the later one holds. A line that is torn or damaged fails its checksum and answers
//! nothing. A file that has grown too large is replaced by one with its newer half.
//!
//! The first question reads the file and notes where its lines begin; a line is checked when its question comes. So a full
//! cache costs a command a few milliseconds.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use transship_core::{Memo, sha256};

use crate::target::folder_of;
use crate::{Lock, Publish, put_file, sys};

/// The size from which on a file is replaced by its newer half, in bytes: some 30,000 answers. Each command
/// reads it, so a larger one would be felt where an image is small.
const LIMIT: u64 = 4 << 20;

/// How many bytes of new answers wait to be written.
const BUFFER: usize = 64 << 10;

/// The length of a key, in hexadecimal digits, and half of it.
const KEY: usize = 32;
const HALF: usize = KEY / 2;

/// Odd, and without a pattern.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A cache in a file. It is read at the first question; new answers are written when there are many, and when it is
/// dropped.
///
/// A file that another user owns, or that others may write to, is left alone: then nothing is known. Errors
/// of the file are not reported: without it, all is found out anew.
#[derive(Debug)]
pub struct FileCache {
    path: PathBuf,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` until it is read.
    lines: Option<Lines>,
    /// The answers of this process, by their keys.
    noted: HashMap<String, Box<str>>,
    /// Lines to write.
    new: Vec<u8>,
}

impl State {
    fn recall(&mut self, key: &str, read: impl FnOnce() -> Lines) -> Option<&str> {
        let lines = self.lines.get_or_insert_with(read);
        self.noted.get(key).map(|answer| &**answer).or_else(|| lines.answer(key))
    }
}

/// What was in the file.
#[derive(Debug)]
struct Lines {
    text: Vec<u8>,
    /// Where the last line of each key begins, plus one; 0 is nowhere. A key stands at its [`slot`], or behind it, before the next
    /// slot that is free. A map of the standard library takes several times as long to make, and most commands ask a few questions.
    starts: Vec<u32>,
}

impl Lines {
    fn of(text: Vec<u8>) -> Self {
        // Half of them stay free.
        let lines = memchr::memchr_iter(b'\n', &text).count();
        let mut lines = Self { starts: vec![0; (2 * lines + 1).next_power_of_two()], text };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &lines.text) {
            if let Some(key) = lines.text[start..end].first_chunk() {
                let at = find(&lines.text, &lines.starts, key);
                lines.starts[at] = u32::try_from(start + 1).unwrap_or(0);
            }
            start = end + 1;
        }
        lines
    }

    fn answer(&self, key: &str) -> Option<&str> {
        let at = find(&self.text, &self.starts, key.as_bytes().first_chunk()?);
        let start = usize::try_from(self.starts[at]).ok()?.checked_sub(1)?;
        let rest = &self.text[start..];
        let line = &rest[..memchr::memchr(b'\n', rest)?];
        parse(line).filter(|(found, _)| *found == key).map(|(_, answer)| answer)
    }
}

/// The slot of a key, or the free one where it would be.
fn find(text: &[u8], starts: &[u32], key: &[u8; HALF]) -> usize {
    let mut at = slot(key) % starts.len();
    while let Some(start) = (starts[at] as usize).checked_sub(1)
        && text[start..].first_chunk() != Some(key)
    {
        at = (at + 1) % starts.len();
    }
    at
}

/// Keys are parts of digests: they are spread already, but for being text.
fn slot(key: &[u8; HALF]) -> usize {
    let word = |at: usize| key[at..].first_chunk().copied().map_or(0, u64::from_le_bytes);
    let mixed = (word(0).wrapping_mul(MIX) ^ word(8)).wrapping_mul(MIX);
    // The upper bits are those that all others went into.
    usize::try_from(mixed >> 40).unwrap_or_default()
}

impl FileCache {
    /// A cache in this file, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), limit: LIMIT, state: Mutex::default() }
    }

    /// Where this user's cache is: `transship/known` in `$XDG_CACHE_HOME`, `~/.cache` or `%LOCALAPPDATA%`. `None` where
    /// there is none of these.
    pub fn default_path() -> Option<PathBuf> {
        let folder = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let caches = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .or_else(|| folder("LOCALAPPDATA"))?;
        Some(caches.join("transship").join("known"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Lines {
        Lines::of(newest(&self.path, self.limit * 2))
    }

    /// Writes what is new. What cannot be written is forgotten.
    fn flush(&self, state: &mut State) {
        let new = std::mem::take(&mut state.new);
        if new.is_empty() {
            return;
        }
        let written = append(&self.path, &new);
        if written.is_ok_and(|size| size > self.limit) {
            // Another process may be doing it, or the disk may be full.
            let _ = self.shrink();
        }
    }

    fn shrink(&self) -> transship_core::Result<()> {
        let Some(_lock) = Lock::try_exclusive(&self.path)? else { return Ok(()) };
        let text = newest(&self.path, self.limit / 2);
        let whole: Vec<u8> = text
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| parse(line.trim_ascii_end()).is_some())
            .flatten()
            .copied()
            .collect();
        put_file(&self.path, &whole, Publish::Replace)
    }
}

impl Memo for FileCache {
    fn recall(&self, question: &str) -> Option<String> {
        self.state().recall(&key(question), || self.read()).map(ToOwned::to_owned)
    }

    fn note(&self, question: &str, answer: &str) {
        let key = key(question);
        let mut state = self.state();
        let known = state.recall(&key, || self.read()).is_some_and(|old| old == answer);
        if known || answer.contains('\n') {
            return;
        }
        let line = format!("{key} {} {answer}\n", check(&key, answer));
        state.noted.insert(key, answer.into());
        state.new.extend_from_slice(line.as_bytes());
        if state.new.len() >= BUFFER {
            self.flush(&mut state);
        }
    }
}

impl Drop for FileCache {
    fn drop(&mut self) {
        let mut state = std::mem::take(&mut *self.state());
        self.flush(&mut state);
    }
}

/// The last bytes of a file that is ours.
fn newest(path: &Path, limit: u64) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = sys::open_without_waiting(path)?;
        check_ours(&file)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(limit)))?;
        let mut text = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or_default());
        file.take(limit).read_to_end(&mut text)?;
        Ok(text)
    };
    read().unwrap_or_default()
}

/// Adds to the file by one write, so that what processes add at once stays apart. Gives its size.
fn append(path: &Path, new: &[u8]) -> io::Result<u64> {
    fs::create_dir_all(folder_of(path))?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    sys::private_without_waiting(&mut options);
    let mut file = options.open(path)?;
    check_ours(&file)?;
    file.write_all(new)?;
    Ok(file.metadata()?.len())
}

/// A process that can write to it decides what is believed.
fn check_ours(file: &File) -> io::Result<()> {
    let found = file.metadata()?;
    if found.is_file() && sys::is_private(&found) {
        return Ok(());
    }
    Err(io::ErrorKind::PermissionDenied.into())
}

fn key(question: &str) -> String {
    sha256(question.as_bytes()).encoded().chars().take(KEY).collect()
}

fn check(key: &str, answer: &str) -> String {
    let digest = sha256(format!("{key} {answer}").as_bytes());
    digest.encoded().get(..16).unwrap_or_default().to_owned()
}

/// The key and the answer of a line that is whole.
fn parse(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (key, rest) = line.split_once(' ')?;
    let (sum, answer) = rest.split_once(' ')?;
    (check(key, answer) == sum).then_some((key, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path) -> FileCache {
        FileCache::new(path)
    }

    #[test]
    fn answers_last_and_the_later_one_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/known");
        let cache = opened(&path);
        assert_eq!(cache.recall("a"), None);
        cache.note("a", "1");
        cache.note("b", "x y");
        cache.note("a", "2");
        cache.note("c", "line\nend");
        assert_eq!(cache.recall("a").as_deref(), Some("2"));
        drop(cache);
        let again = opened(&path);
        assert_eq!(again.recall("a").as_deref(), Some("2"));
        assert_eq!(again.recall("b").as_deref(), Some("x y"));
        assert_eq!(again.recall("c"), None);
        let size = path.metadata().unwrap().len();
        again.note("a", "2");
        drop(again);
        assert_eq!(path.metadata().unwrap().len(), size, "nothing new, nothing written");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_at_its_path_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let cache = opened(&path);
        cache.note("a", "1");
        drop(cache);
    }

    #[test]
    fn damage_costs_only_the_lines_that_it_hits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let cache = opened(&path);
        for at in 0..20 {
            cache.note(&format!("q{at}"), &format!("answer {at}"));
        }
        drop(cache);
        let good = fs::read(&path).unwrap();
        let line = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x11;
            fs::write(&path, &bad).unwrap();
            let cache = opened(&path);
            for n in 0..20 {
                let answer = cache.recall(&format!("q{n}"));
                assert!(answer.is_none() || answer == Some(format!("answer {n}")), "{at} {n}");
            }
        }
        fs::write(&path, &good[..good.len() - line / 2]).unwrap();
        let cache = opened(&path);
        cache.note("after", "a tear");
        drop(cache);
        let cache = opened(&path);
        assert_eq!(cache.recall("q18").as_deref(), Some("answer 18"));
        assert_eq!(cache.recall("q19"), None);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        for round in 0..40 {
            let mut cache = opened(&path);
            cache.limit = 10_000;
            for at in 0..20 {
                cache.note(&format!("{round} {at}"), "some answer of a usual length");
            }
        }
        assert!(path.metadata().unwrap().len() <= 12_000);
        let cache = opened(&path);
        assert_eq!(cache.recall("39 19").as_deref(), Some("some answer of a usual length"));
        assert_eq!(cache.recall("0 0"), None);
    }

    #[test]
    fn keys_of_a_full_cache_are_spread() {
        let line = |at: u32| format!("{} some check and answer\n", key(&format!("question {at}")));
        let text: String = (0..60_000).map(line).collect();
        let lines = Lines::of(text.into_bytes());
        let used: Vec<bool> = lines.starts.iter().map(|start| *start != 0).collect();
        assert_eq!(used.iter().filter(|used| **used).count(), 60_000);
        // A key is near its slot: no long row of slots is taken.
        let longest = used.chunk_by(|a, b| a == b).filter(|row| row[0]).map(<[bool]>::len).max();
        assert!(longest.unwrap() < 100, "{longest:?}");
    }

    #[test]
    fn one_key_many_times_is_found_at_its_last_line() {
        let line = |at: u32| {
            let (key, answer) = (key("one"), at.to_string());
            format!("{key} {} {answer}\n", check(&key, &answer))
        };
        let lines = Lines::of((0..20_000).map(line).collect::<String>().into_bytes());
        assert_eq!(lines.answer(&key("one")), Some("19999"));
        assert_eq!(lines.answer(&key("other")), None);
        assert_eq!(Lines::of(Vec::new()).answer(&key("one")), None);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for at in 0..50 {
                        opened(path).note(&format!("{writer} {at}"), "yes");
                    }
                });
            }
        });
        let cache = opened(&path);
        for writer in 0..4 {
            for at in 0..50 {
                assert_eq!(cache.recall(&format!("{writer} {at}")).as_deref(), Some("yes"));
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        opened(&path).note("a", "1");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o622)).unwrap();
        let cache = opened(&path);
        assert_eq!(cache.recall("a"), None);
        cache.note("b", "2");
        drop(cache);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let cache = opened(&path);
        assert_eq!((cache.recall("a").as_deref(), cache.recall("b")), (Some("1"), None));
    }
}
