//! [`Appender`]: appends entries to an archive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use transship_core::{Cache, Cancel, Digest, Error, ErrorKind, FileRange, Result, ResultExt};
use transship_local::{
    Before, FileStamp, KnownParts, LockWait, NewFile, SETTLED, WORTH_SETTLING, change_file,
    copy_range,
};

use super::{Base, copy_parts, place_of};
use crate::draft::Draft;
use crate::{Documents, Entry, Gaps, TarIndex, TarWriter};

/// How often the old entries are copied without the lock, and in vain because another process was faster, before they are
/// copied under it.
const ROUNDS: usize = 3;

/// Of how many entries of the base it stays known what they are. A cache has room for some 30,000 answers.
const KNOWN: usize = 1000;

/// Appends entries to an archive, or writes a new one, as [`ArchiveOutput`](crate::ArchiveOutput) promises.
///
/// - New entries go to a temporary file beside the archive, after a gap as long as the old entries. In the end the old
///   entries are copied into the gap, byte for byte, without the documents that are written anew. Blocks are shared where the
///   filesystem can.
/// - Any number of processes may append to one archive at once. Each locks it only to compare and rename, when everything is
///   copied and synced. One that finds that another was faster appends to the archive that the other made; one that finds
///   this several times then copies under the lock. Entries that both wrote are kept once.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    target: PathBuf,
    /// Written anew, whatever the base has of them.
    documents: &'static [&'static str],
    base: Option<Arc<Base>>,
    /// What becomes the archive; taken when it was to be published, and something else was faster.
    draft: Arc<Draft>,
    /// Names of entries of the base that ours take the place of.
    replaced: BTreeSet<String>,
    /// Where our entries begin.
    from: u64,
    /// Once they were moved from where they were put: up to where they had been put, and where they end now.
    moved: Option<(u64, u64)>,
    cache: Cache,
    /// What was published, where a later write to it can be told.
    new: Option<NewFile>,
}

impl Appender {
    /// Opens the archive, if it is there, and begins to write behind it.
    pub(crate) fn begin(
        path: &Path,
        documents: &'static [&'static str],
        cache: &Cache,
        cancel: &Cancel,
    ) -> Result<(Self, TarWriter)> {
        let (target, is_there) = place_of(path)?;
        let open = || Ok(Arc::new(Base::open(&target, cache, cancel)?));
        let base = if is_there { Some(open()?) } else { None };
        let (path, draft) = (path.to_owned(), Draft::beside(&target)?);
        let replaced = BTreeSet::new();
        let (from, moved, cache, new) = (0, None, cache.clone(), None);
        let mut this =
            Self { path, target, documents, base, draft, replaced, from, moved, cache, new };
        this.from = length(&this.kept());
        let tar = this.writer(this.from);
        Ok((this, tar))
    }

    pub(crate) fn base(&self) -> Option<&Arc<Base>> {
        self.base.as_ref()
    }

    pub(crate) fn replace(&mut self, name: &str) {
        self.replaced.insert(name.to_owned());
    }

    /// Takes entries out again, as long as nothing is joined. `false` where it cannot be done.
    pub(crate) fn take_out(
        &mut self,
        tar: &mut TarWriter,
        gaps: &Gaps,
        cancel: &Cancel,
    ) -> Result<bool> {
        if self.base.is_some() || self.moved.is_some() || self.draft.is_taken() {
            return Ok(false);
        }
        let other = Draft::beside(&self.target)?;
        gaps.leave_out(tar, (&other, &self.path), cancel)?;
        self.draft = other;
        Ok(true)
    }

    pub(crate) fn publish(
        &mut self,
        tar: &mut TarWriter,
        documents: &mut Documents<'_>,
        wait: &LockWait,
        cancel: &Cancel,
    ) -> Result<()> {
        let put_to = tar.pause()?;
        let target = self.target.clone();
        for _ in 0..ROUNDS {
            let changes = match self.complete(put_to, documents, cancel) {
                // What was read is not there any more.
                Err(_) if !cancel.is_cancelled() && !self.base_is_still()? => {
                    self.join(Base::open(&target, &self.cache, cancel).if_found()?);
                    continue;
                }
                changes => changes?,
            };
            if changes {
                self.settle()?;
            }
            let mut overtaken = false;
            change_file(&target, wait, cancel, &mut |before| {
                overtaken = !self.is_joined_to(before) || (changes && self.draft.is_taken());
                Ok(if changes && !overtaken { self.draft.take() } else { None })
            })?;
            if !overtaken {
                return Ok(());
            }
            self.join(Base::open(&target, &self.cache, cancel).if_found()?);
        }
        change_file(&target, wait, cancel, &mut |before| {
            if !self.is_joined_to(before) {
                let base = before.file().zip(before.stamp());
                self.join(base.map(|(file, stamp)| Base::of(file, stamp, cancel)).transpose()?);
            }
            let changes = self.complete(put_to, documents, cancel)?;
            Ok(if changes { self.draft.take() } else { None })
        })
    }

    /// Caches what entries of the archive that was published are: some that are true, by their names, and those of the base
    /// of which it was known.
    pub(crate) fn note(&self, entries: &[(String, Digest)]) {
        let known = self.new.and_then(|new| KnownParts::of_new(&self.target, new, &self.cache));
        let Some(known) = known else { return };
        if let Some(base) = &self.base {
            for (name, digest) in base.known(|name| !self.goes(name)).take(KNOWN) {
                known.note(name, &digest);
            }
        }
        for (name, digest) in entries {
            known.note(name, digest.as_ref());
        }
    }

    /// Makes what is to be published durable. Unless it is small, waits until its last write is so old that a later one can be told
    /// from it, and so can be noted.
    fn settle(&mut self) -> Result<()> {
        let file = self.draft.file()?;
        let (new, written) = (NewFile::of(&file), Instant::now());
        file.sync_all().map_err(|e| Error::io("syncing", &self.path, e))?;
        let is_large = file.metadata().is_ok_and(|found| found.len() >= WORTH_SETTLING);
        if self.cache.is_set() && is_large {
            std::thread::sleep(SETTLED.saturating_sub(written.elapsed()));
            self.new = Some(new);
        }
        Ok(())
    }

    /// Whether what is there is the archive that is joined, unchanged.
    fn is_joined_to(&self, before: &Before) -> bool {
        self.base.as_ref().map(|base| base.stamp()) == before.stamp()
    }

    /// As [`is_joined_to`](Self::is_joined_to), without the lock.
    fn base_is_still(&self) -> Result<bool> {
        let looking = |e| Error::io("looking at", &self.target, e);
        let found = self.target.metadata().map_err(looking).if_found()?;
        Ok(self.base.as_ref().map(|base| base.stamp()) == found.as_ref().map(FileStamp::of))
    }

    /// Takes another archive as the one that is joined. Our entries go to a new file behind it.
    fn join(&mut self, base: Option<Base>) {
        self.base = base.map(Arc::new);
        self.new = None;
        drop(self.draft.take());
    }

    /// Puts the old entries before ours, which were put up to a position, and the documents behind. `false` where the
    /// archive stays as it is.
    fn complete(
        &mut self,
        put_to: u64,
        documents: &mut Documents<'_>,
        cancel: &Cancel,
    ) -> Result<bool> {
        let mut end = match self.moved {
            None => put_to,
            Some((up_to, end)) if up_to == put_to => end,
            Some(_) => {
                let message = "an image was added after publishing had failed";
                return Err(Error::new(ErrorKind::Unsupported, message).hint("copy again"));
            }
        };
        if self.draft.is_taken() || length(&self.kept()) != self.from {
            end = self.move_ours(end, cancel)?;
            self.moved = Some((put_to, end));
        }
        let mut tar = TarWriter::holding(Arc::clone(&self.draft), self.path.as_path(), end);
        documents(self.base.as_ref(), &mut tar)?;
        if self.is_as_before(&tar, end, cancel)? {
            return Ok(false);
        }
        if let Some(base) = &self.base {
            self.draft.with_staged(|staged| copy_parts(base, &self.kept(), staged, 0, cancel))?;
        }
        tar.finish()?;
        Ok(true)
    }

    fn writer(&self, at: u64) -> TarWriter {
        TarWriter::at(Arc::clone(&self.draft), self.path.as_path(), at)
    }

    /// Whether the archive would be what the base is: none of our entries, and documents that say the same.
    fn is_as_before(&self, documents: &TarWriter, end: u64, cancel: &Cancel) -> Result<bool> {
        let (Some(base), Some(held)) = (&self.base, documents.held_from(end)) else {
            return Ok(false);
        };
        if end != self.from || !self.replaced.is_empty() {
            return Ok(false);
        }
        let held = FileRange::in_memory(held.to_vec(), self.path.as_path());
        let now = TarIndex::of(&held, cancel)?;
        say_the_same(&now, base.index(), self.documents, cancel)
    }

    /// Takes our entries to where they belong behind the base of now, but for those that it has, too. Gives where they end.
    fn move_ours(&mut self, end: u64, cancel: &Cancel) -> Result<u64> {
        let ours =
            FileRange::new(self.draft.file()?, self.path.as_path(), self.from, end - self.from);
        let index = TarIndex::of(&ours, cancel)?;
        let stays = |name: &str| !self.goes(name);
        let there = |entry: &Entry| match &self.base {
            Some(base) => base.index().contains(&entry.name) && stays(&entry.name),
            None => false,
        };
        let parts = index.without(&there);
        let other = Draft::beside(&self.target)?;
        let from = length(&self.kept());
        let mut at = from;
        other.with_staged(|staged| {
            for (start, len) in parts {
                copy_range(&ours.part(start, len), staged.file(), staged.path(), at, cancel)?;
                at += len;
            }
            Ok(())
        })?;
        // The tar that was put goes on to hold it.
        drop(self.draft.take());
        (self.draft, self.from) = (other, from);
        Ok(at)
    }

    /// Whether an entry of the base is not kept.
    fn goes(&self, name: &str) -> bool {
        self.documents.contains(&name) || self.replaced.contains(name)
    }

    /// The parts of the base that are kept.
    fn kept(&self) -> Vec<(u64, u64)> {
        let without = |base: &Arc<Base>| base.index().without(&|entry| self.goes(&entry.name));
        self.base.as_ref().map_or_else(Vec::new, without)
    }
}

fn length(parts: &[(u64, u64)]) -> u64 {
    parts.iter().map(|(_, len)| len).sum()
}

/// Whether what was written anew is there with the same bytes, and all of the documents that are there were.
fn say_the_same(
    now: &TarIndex,
    there: &TarIndex,
    documents: &[&str],
    cancel: &Cancel,
) -> Result<bool> {
    let gone = |name: &&str| there.contains(name) && !now.contains(name);
    if documents.iter().any(gone) {
        return Ok(false);
    }
    for name in now.names() {
        if !there.contains(name) {
            return Ok(false);
        }
        let (now, there) = (now.get(name)?, there.get(name)?);
        if !now.same_bytes(&there, cancel)? {
            return Ok(false);
        }
    }
    Ok(true)
}
