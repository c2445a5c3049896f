//! [`TarIndex`]: what a tar holds and where, from one pass over its headers.

mod entry;
mod header;
mod messages;
mod pax;
mod resolve;
mod same;
mod scan;
mod store;
mod window;

use std::collections::HashMap;
use std::collections::hash_map;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transship_core::{Cancel, Candidate, Error, ErrorKind, FileRange, Passed, ReadOptions, Result};

use crate::ArchiveFile;
use header::Type;
use messages::Shown;
use resolve::Lead;
use scan::End;

pub use entry::{Entry, EntryKind};
pub use store::Known;

pub(crate) use header::has_true_checksum;
pub(crate) use scan::{Blocks, Member, Scanner, Step};
pub(crate) use store::{PassedFile, Store};
pub(crate) use window::{BLOCK, BLOCK_LEN, Block};

/// The most entries that an archive may have. An image takes about seven.
pub const ENTRY_LIMIT: usize = 1_000_000;

/// The most bytes that the names and link targets of an archive may have together.
pub const NAMES_LIMIT: usize = 128 << 20;

/// What a tar holds and where.
///
/// - Nothing of it is served that two readers could take differently: such an archive is `Corrupt`.
/// - After it is made, entries are read by position, concurrently, without another look at the headers.
#[derive(Clone)]
pub struct TarIndex(Arc<Inner>);

struct Inner {
    store: Store,
    entries: Vec<Entry>,
    by_name: HashMap<Arc<str>, usize>,
    resolved: Resolved,
    end: End,
}

/// Where names were found to lead, or why nowhere: documents ask for one many times, and links make that costly.
type Resolved = Mutex<HashMap<Box<str>, Result<Arc<Lead>>>>;

/// The most names of which it is remembered where they lead.
const REMEMBERED: usize = 1 << 16;

impl TarIndex {
    /// Reads all headers of an archive, and no payloads but those of entries that share a name.
    ///
    /// # Errors
    /// `Corrupt` with the offset for what is torn, malformed, leads outside the archive or is taken differently by different
    /// readers; `LimitExceeded`; `Cancelled`; I/O errors.
    pub fn read(archive: &ArchiveFile, cancel: &Cancel) -> Result<Self> {
        Self::of(archive.range(), cancel)
    }

    /// Reads all headers of a tar that is a part of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of(file: &FileRange, cancel: &Cancel) -> Result<Self> {
        let mut reading = Reading::new(Store::File(file.clone()), cancel);
        let end = scan::scan(file.clone(), cancel, |member| reading.take(&member))?;
        reading.finish(end)
    }

    /// Opens an archive as the options say: one that was read in one pass, or the one at a path (see [`ArchiveFile::open`]), and reads all
    /// headers.
    ///
    /// # Errors
    /// As [`read`](Self::read) and [`ArchiveFile::open`]; `Unsupported` when the stream was no tar.
    pub fn open(path: &Path, how: &ReadOptions, cancel: &Cancel) -> Result<Self> {
        let Some(passed) = &how.passed else {
            return Self::read(&ArchiveFile::open(path, how, cancel)?, cancel);
        };
        let index = passed.get::<Self>();
        index
            .map(|index| Self::clone(&index))
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, "the stream is not a tar"))
    }

    /// Opens what was found at a path, for a transport that may recognize it. `None` if it is no file, or if another transport
    /// could not open it either.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_candidate(found: &Candidate, cancel: &Cancel) -> Result<Option<(Arc<Self>, Passed)>> {
        if found.is_folder() {
            return Ok(None);
        }
        let opened = found.open_once(|path, how| Self::open(path, how, cancel))?;
        Ok(opened.and_then(|opened| Some((opened.get::<Self>()?, opened))))
    }

    /// Its entries, in stored order. Entries with a name that is not UTF-8 are left out, as no document can name them.
    pub fn entries(&self) -> &[Entry] {
        &self.0.entries
    }

    /// The names of its entries, in stored order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.entries.iter().map(|entry| &*entry.name)
    }

    /// Whether there is an entry with a name, of whatever kind. The name is cleaned first; links are not followed.
    pub fn contains(&self, name: &str) -> bool {
        clean(name.as_bytes())
            .ok()
            .flatten()
            .is_some_and(|name| self.0.by_name.contains_key(&*name))
    }

    /// The bytes of a file, through symbolic and hard links.
    ///
    /// # Errors
    /// `NotFound` naming the entry; `Corrupt` when links lead outside the archive, in a circle, through more than 40 others,
    /// or to what is no file, and when the entry is missing in an archive without an end mark.
    pub fn get(&self, name: &str) -> Result<FileRange> {
        let entry = self.entry(&*self.lead(name)?);
        match entry.kind {
            EntryKind::File { offset, size } => self.0.store.range(offset, size),
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}, where a file is expected", Shown(entry)),
            )),
        }
    }

    /// Where the last entry ends, with its padding: the place for more entries.
    pub fn end(&self) -> u64 {
        self.0.end.at
    }

    /// The name of the entry that a name leads to: no link.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn target(&self, name: &str) -> Result<&Arc<str>> {
        Ok(&self.entry(&*self.lead(name)?).name)
    }

    /// The names of the entries that a name leads through, the file last: what has to stay for it to be readable.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn chain(&self, name: &str) -> Result<Vec<Arc<str>>> {
        let lead = self.lead(name)?;
        Ok(lead.links.iter().chain([&self.entry(&lead).name]).cloned().collect())
    }

    /// As [`chain`](Self::chain), of a name whose bytes have to stay; nothing when there are none.
    ///
    /// # Errors
    /// `Corrupt` when links are not followed here: another reader may follow them.
    pub fn staying_chain(&self, name: &str) -> Result<Vec<Arc<str>>> {
        match self.chain(name) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e
                .context("nothing can be deleted")
                .hint("copy what shall stay to another archive")),
            found => found,
        }
    }

    /// What remains of the tar without some entries, in order: the parts of the file, as position and length, without the
    /// end mark. Entries of one name go together.
    pub fn without(&self, goes: &dyn Fn(&Entry) -> bool) -> Vec<(u64, u64)> {
        let (mut parts, mut from) = (Vec::new(), 0);
        for entry in self.0.entries.iter().filter(|entry| goes(entry)) {
            if entry.start > from {
                parts.push((from, entry.start - from));
            }
            from = entry.end;
        }
        if self.0.end.at > from {
            parts.push((from, self.0.end.at - from));
        }
        parts
    }

    /// All of the tar; `None` where it has passed and is nowhere.
    pub fn file(&self) -> Option<&FileRange> {
        match &self.0.store {
            Store::File(file) => Some(file),
            Store::Passed(_) => None,
        }
    }

    /// The digests of a file that came through a pipe and was staged at the destination, so that its bytes cannot be read
    /// here any more; else `None`. Links are followed as in [`get`](Self::get).
    pub fn known(&self, name: &str) -> Option<&Known> {
        match self.entry(&*self.lead(name).ok()?).kind {
            EntryKind::File { offset, .. } => self.0.store.staged(offset),
            _ => None,
        }
    }

    /// Where a name leads. Links are followed once for each name.
    fn lead(&self, name: &str) -> Result<Arc<Lead>> {
        if let Some(known) = self.0.resolved().get(name) {
            return known.clone();
        }
        let found = resolve::resolve(self, name).map(Arc::new);
        let mut resolved = self.0.resolved();
        if resolved.len() < REMEMBERED {
            resolved.insert(name.into(), found.clone());
        }
        found
    }

    fn entry(&self, lead: &Lead) -> &Entry {
        &self.0.entries[lead.at]
    }

    fn at_name(&self, name: &str) -> Option<(usize, &Entry)> {
        self.0.by_name.get(name).map(|at| (*at, &self.0.entries[*at]))
    }

    fn has_end_mark(&self) -> bool {
        self.0.end.marked
    }
}

impl Inner {
    fn resolved(&self) -> MutexGuard<'_, HashMap<Box<str>, Result<Arc<Lead>>>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is below a name makes that name a folder's; it can be nothing else.
    ///
    /// Sorted, because looking up every parent of every name takes minutes for names made to be deep.
    fn check_folders(&self) -> Result<()> {
        let mut sorted: Vec<&Entry> = self.entries.iter().collect();
        sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut below = String::new();
        for entry in self.entries.iter().filter(|entry| entry.kind != EntryKind::Folder) {
            below.clear();
            below.push_str(&entry.name);
            below.push('/');
            let at = sorted.partition_point(|other| *other.name < *below);
            if let Some(other) = sorted.get(at).filter(|other| other.name.starts_with(&below)) {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("{}, and {:?} lies below it", Shown(entry), other.name),
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TarIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarIndex")
            .field("store", &self.0.store)
            .field("entries", &self.0.entries.len())
            .finish_non_exhaustive()
    }
}

struct Limits {
    entries: usize,
    names: usize,
}

/// An index being made.
pub(crate) struct Reading {
    index: Inner,
    names: usize,
    /// Where the last entry ended, with its padding.
    end: u64,
    limits: Limits,
    cancel: Cancel,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("entries", &self.index.entries.len())
            .finish_non_exhaustive()
    }
}

impl Reading {
    pub(crate) fn new(store: Store, cancel: &Cancel) -> Self {
        let end = End { at: 0, marked: false };
        let (by_name, resolved) = (HashMap::new(), Mutex::default());
        let index = Inner { store, entries: Vec::new(), by_name, resolved, end };
        let limits = Limits { entries: ENTRY_LIMIT, names: NAMES_LIMIT };
        Self { index, names: 0, end: 0, limits, cancel: cancel.clone() }
    }

    fn take(&mut self, member: &Member) -> Result<()> {
        match self.look_at(member)? {
            Some(entry) => self.enter(entry),
            None => Ok(()),
        }
    }

    /// The entry that a member becomes; `None` for one that no document can name.
    pub(crate) fn look_at(&mut self, member: &Member) -> Result<Option<Entry>> {
        let shown = || {
            format!("entry {:?} at offset {}", String::from_utf8_lossy(&member.name), member.header)
        };
        let start = self.end;
        self.end = member.offset + member.size.next_multiple_of(BLOCK);
        self.names += member.name.len() + member.link.len();
        let Limits { entries, names } = self.limits;
        if self.index.entries.len() >= entries || self.names > names {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "{}: the archive has more than {entries} entries, or more than {names} bytes of names",
                    shown()
                ),
            ));
        }
        let name = clean(&member.name).map_err(|e| e.context(shown()))?;
        let kind = kind_of(member);
        let (header, end) = (member.header, self.end);
        Ok(name.map(|name| Entry { name: name.into(), kind, header, start, end }))
    }

    /// Adds an entry, whose bytes are there.
    pub(crate) fn enter(&mut self, entry: Entry) -> Result<()> {
        let at = self.index.entries.len();
        match self.index.by_name.entry(Arc::clone(&entry.name)) {
            hash_map::Entry::Vacant(free) => {
                free.insert(at);
            }
            hash_map::Entry::Occupied(first) => {
                let first = &self.index.entries[*first.get()];
                same::check(&self.index.store, first, &entry, &self.cancel)?;
            }
        }
        self.index.entries.push(entry);
        Ok(())
    }

    /// Says where the bytes of a file are that has passed.
    pub(crate) fn hold(&mut self, offset: u64, held: PassedFile) {
        self.index.store.hold(offset, held);
    }

    pub(crate) fn finish(mut self, end: End) -> Result<TarIndex> {
        self.index.end = end;
        self.index.check_folders()?;
        Ok(TarIndex(Arc::new(self.index)))
    }
}

fn kind_of(member: &Member) -> EntryKind {
    let target = || std::str::from_utf8(&member.link).ok().map(Box::from);
    let kind = match member.kind {
        Type::File => Some(EntryKind::File { offset: member.offset, size: member.size }),
        Type::Folder => Some(EntryKind::Folder),
        Type::Symlink => target().map(EntryKind::Symlink),
        Type::Hardlink => target().map(EntryKind::Hardlink),
        Type::Other(flag) => Some(EntryKind::Other(flag)),
        Type::Pax(_) | Type::LongName | Type::LongLink => None,
    };
    // A link whose target is no text leads nowhere that a document can name.
    kind.unwrap_or(EntryKind::Other(b'?'))
}

/// A name as documents give it: `./a//b/` is `a/b`. `None` for the root itself and for what is not UTF-8.
pub(crate) fn clean(name: &[u8]) -> Result<Option<String>> {
    let parts = || name.split(|b| *b == b'/');
    if name.starts_with(b"/") || parts().any(|part| part == b"..") {
        return Err(Error::new(ErrorKind::Corrupt, "its name leads outside the archive")
            .hint("names in an archive of images are relative and have no \"..\""));
    }
    let mut cleaned = Vec::with_capacity(name.len());
    for part in parts().filter(|part| !part.is_empty() && *part != b".") {
        if !cleaned.is_empty() {
            cleaned.push(b'/');
        }
        cleaned.extend_from_slice(part);
    }
    Ok(String::from_utf8(cleaned).ok().filter(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_limited() {
        let cancel = Cancel::new();
        let taken = |limits| {
            let store = Store::Passed(HashMap::new());
            let mut reading = Reading { limits, ..Reading::new(store, &cancel) };
            let member = |n: usize| {
                let (name, link) = (format!("{n:06}").into_bytes(), b"link".to_vec());
                Member { kind: Type::Symlink, name, link, header: 0, offset: 0, size: 0 }
            };
            let failed = (0..1000).find_map(|n| Some((n, reading.take(&member(n)).err()?.kind())));
            failed.unwrap()
        };
        let names = Limits { entries: 900, names: 1000 };
        assert_eq!(taken(names), (100, ErrorKind::LimitExceeded));
        let entries = Limits { entries: 50, names: 1000 };
        assert_eq!(taken(entries), (50, ErrorKind::LimitExceeded));
    }

    /// An image may list ten thousands of layers under one name that leads through many links.
    #[test]
    fn links_are_followed_once_for_each_name() {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in [("file", &b"1"[..]), ("other", b"22")] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        let mut link = tar::Header::new_ustar();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        link.set_mode(0o777);
        tar.append_link(&mut link, "link", "file").unwrap();
        let tar = FileRange::in_memory(tar.into_inner().unwrap(), Path::new("a.tar"));
        let index = TarIndex::of(&tar, &Cancel::new()).unwrap();
        assert_eq!(index.get("link").unwrap().len(), 1);
        // Another answer in its place shows that the links are not followed again.
        let other = Arc::new(Lead { at: index.0.by_name["other"], links: Vec::new() });
        index.0.resolved().insert("link".into(), Ok(Arc::clone(&other)));
        assert_eq!(index.get("link").unwrap().len(), 2);
        assert_eq!(**index.target("link").unwrap(), *"other");
        assert_eq!(index.chain("link").unwrap().len(), 1);
        // Nor are those that lead nowhere.
        let error = index.get("no").unwrap_err();
        assert_eq!(index.chain("no").unwrap_err().to_string(), error.to_string());
        index.0.resolved().insert("no".into(), Ok(other)).unwrap().unwrap_err();
        assert_eq!(index.get("no").unwrap().len(), 2);
    }

    #[test]
    fn names_are_cleaned() {
        for (name, cleaned) in [
            ("a", Some("a")),
            ("./a//b/", Some("a/b")),
            ("a/./b", Some("a/b")),
            (".a/..b", Some(".a/..b")),
            ("./", None),
            ("", None),
        ] {
            assert_eq!(clean(name.as_bytes()).unwrap().as_deref(), cleaned, "{name}");
        }
    }
}
