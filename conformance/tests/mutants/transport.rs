//! [`Mutant`]: the transport in memory, with a mistake.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use transship_conformance::Memory;
use transship_core::{
    ArchiveEntry, Archives, CollectMode, CollectOptions, Collected, Collection, DeleteMode,
    DeleteOptions, DeletedNames, Deletion, Digest, Error, ErrorKind, Garbage, ImageDestination,
    ImageName, ImageSource, ReadOptions, Reference, Result, Transport, WriteMode, WriteOptions,
    sha256,
};

use crate::collections::{
    MEANWHILE, deletes_otherwise, loses_what_came, say, takes_silently, takes_unreadable,
};
use crate::commits::names_at_first;
use crate::destination::BrokenDestination;
use crate::fault::Fault;
use crate::source::BrokenSource;
use crate::table::{before_writing, check_table};

/// What the mistakes remember.
#[derive(Debug, Default)]
pub struct State {
    pub counter: AtomicUsize,
    pub busy: AtomicUsize,
    pub open: AtomicUsize,
    pub asked: Mutex<HashMap<String, usize>>,
    pub by_size: Mutex<HashMap<u64, Bytes>>,
    pub locks: Mutex<Vec<String>>,
    pub orphans: Mutex<Vec<ImageName>>,
    pub signatures: Mutex<Vec<Bytes>>,
    /// What deletions left, and where.
    pub left: Mutex<Vec<(String, Garbage)>>,
}

#[derive(Clone, Debug)]
pub struct Mutant {
    pub fault: Fault,
    pub memory: Memory,
    pub state: Arc<State>,
    /// Of this value of the transport alone.
    pub opened: Arc<Mutex<HashMap<String, Arc<dyn ImageSource>>>>,
}

/// The folder of a place that has one.
pub fn folder(at: &Reference) -> Option<PathBuf> {
    let place = at.locator().split([':', '#']).next().unwrap_or_default();
    Path::new(place).parent().filter(|folder| folder.is_dir()).map(Path::to_owned)
}

/// The place without an image's name.
pub fn place(memory: &Memory, at: &Reference) -> Reference {
    let place = at.locator().split([':', '#']).next().unwrap_or_default();
    memory.parse(place).unwrap()
}

/// Makes an archive of nothing, whatever is there.
pub async fn make_empty(memory: &Memory, at: &Reference) -> Result<()> {
    let mut how = WriteOptions::default();
    how.mode = Some(WriteMode::Replace);
    memory.archives().unwrap().write(&place(memory, at), &how).await?.finish().await
}

impl Mutant {
    /// The first image of which a name begins as the one that is looked for.
    async fn by_prefix(
        &self,
        at: &Reference,
        how: &ReadOptions,
    ) -> Result<Option<Box<dyn ImageSource>>> {
        let all = place(&self.memory, at);
        let Some(name) = at.locator().strip_prefix(&format!("{}:", all.locator())) else {
            return Ok(None);
        };
        let reader = self.memory.archives().unwrap().read(&all, how).await?;
        let begins =
            |entry: &&ArchiveEntry| entry.names.iter().any(|n| n.as_str().starts_with(name));
        match reader.entries().iter().find(begins) {
            Some(entry) => Ok(Some(reader.open(entry).await?)),
            None => Ok(None),
        }
    }

    /// The position before the one that is meant, where that is taken for it.
    fn before(&self, at: &Reference) -> Option<Reference> {
        let (place, number) = at.locator().rsplit_once('#')?;
        let number = number.parse::<usize>().ok()?.checked_sub(1)?;
        let wrong = self.fault == Fault::PositionIsOffByOne;
        wrong.then(|| self.memory.parse(&format!("{place}#{number}")).unwrap())
    }

    /// What was opened first by that text, where that is remembered.
    fn remembered(&self, at: &Reference, source: Box<dyn ImageSource>) -> Arc<dyn ImageSource> {
        let source = Arc::from(source);
        if self.fault != Fault::ReferencesAreRemembered {
            return source;
        }
        let mut opened = self.opened.lock().unwrap();
        Arc::clone(opened.entry(at.to_string()).or_insert(source))
    }
}

#[async_trait]
impl Transport for Mutant {
    fn scheme(&self) -> &'static str {
        self.memory.scheme()
    }

    fn syntax(&self) -> &'static str {
        if self.fault == Fault::SyntaxIsEmpty { "" } else { self.memory.syntax() }
    }

    fn default_mode(&self) -> WriteMode {
        self.memory.default_mode()
    }

    async fn holds_indexes(&self, _: &Reference) -> Result<bool> {
        Ok(self.fault != Fault::SaysItHoldsNoIndexes)
    }

    fn compares_roots(&self) -> bool {
        self.fault == Fault::SaysItComparesRoots
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        match self.fault {
            Fault::ParseGrows => {
                let parsed = self.memory.parse(locator)?;
                Ok(Reference::new(parsed.scheme(), format!("{}/", parsed.locator())))
            }
            Fault::ParseRefusesAsNotFound => self
                .memory
                .parse(locator)
                .map_err(|_| Error::new(ErrorKind::NotFound, "there is no such thing")),
            Fault::ParsePanics => {
                let _ = &locator[..locator.len().min(15)];
                self.memory.parse(locator)
            }
            Fault::ParseErrorIsADump => self
                .memory
                .parse(locator)
                .map_err(|_| Error::new(ErrorKind::InvalidInput, format!("{:?}", Some(locator)))),
            Fault::ParseLooks if locator.ends_with(":kit") => {
                let parsed = self.memory.parse(locator)?;
                match self.named(&parsed).now_or_never() {
                    Some(Ok(_)) => Ok(place(&self.memory, &parsed)),
                    _ => Ok(parsed),
                }
            }
            Fault::ParseLowersCase => self.memory.parse(&locator.to_lowercase()),
            _ => self.memory.parse(locator),
        }
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        if self.fault == Fault::ReadingLeavesAFile
            && let Some(folder) = folder(at)
        {
            let number = self.state.counter.fetch_add(1, Ordering::Relaxed);
            std::fs::write(folder.join(format!("read-{number}")), b"").unwrap();
        }
        check_table(self, at)?;
        let before = self.before(at);
        let opened = self.memory.source(before.as_ref().unwrap_or(at), how).await;
        let source = match (self.fault, opened) {
            (Fault::FirstOfSeveral, Err(e)) if e.kind() == ErrorKind::Ambiguous => {
                let first = self.memory.parse(&format!("{}#0", at.locator()))?;
                self.memory.source(&first, how).await?
            }
            (Fault::AmbiguousSaysNoNames, Err(e)) if e.kind() == ErrorKind::Ambiguous => {
                let message = format!("{at} holds several images");
                return Err(Error::new(ErrorKind::Ambiguous, message));
            }
            (Fault::BeyondTheEndIsTheLast, Err(_)) if at.locator().contains('#') => {
                let all = place(&self.memory, at);
                let reader = self.memory.archives().unwrap().read(&all, how).await?;
                reader.open(reader.entries().last().unwrap()).await?
            }
            (Fault::NamesByPrefix, Err(e)) if e.kind() == ErrorKind::NotFound => {
                self.by_prefix(at, how).await?.ok_or(e)?
            }
            (Fault::NamesOnLines, Err(e)) => {
                let names =
                    e.advice().map(ToString::to_string).unwrap_or_default().replace(", ", "\n");
                return Err(Error::new(e.kind(), e.to_string()).with_hint(names));
            }
            (_, opened) => opened?,
        };
        let sole = place(&self.memory, at);
        let place = Some(sole).filter(|_| self.fault == Fault::SourceIsThePlace);
        let inner = self.remembered(at, source);
        Ok(Box::new(BrokenSource { of: self.clone(), at: at.clone(), inner, place }))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let mut how = how.clone();
        before_writing(self, at, how.mode).await?;
        if self.fault == Fault::DroppedOpeningLeavesAFile
            && let Some(folder) = folder(at)
        {
            std::fs::write(folder.join("opening"), b"").unwrap();
            tokio::task::yield_now().await;
            std::fs::remove_file(folder.join("opening")).unwrap();
        }
        match (self.fault, how.mode) {
            (Fault::AppendReplaces, Some(WriteMode::Append))
            | (Fault::CreateReplaces, Some(WriteMode::Create)) => {
                how.mode = Some(WriteMode::Replace);
            }
            (Fault::NoModeReplaces, None) => how.mode = Some(WriteMode::Replace),
            (Fault::OpeningMakesThePlace, Some(WriteMode::Create)) => {
                make_empty(&self.memory, at).await?;
                how.mode = Some(WriteMode::Append);
            }
            (Fault::OpeningEmptiesThePlace, Some(WriteMode::Replace)) => {
                make_empty(&self.memory, at).await?;
            }
            (Fault::FallbackIsAdded, _) if !how.names.is_empty() => {
                how.names.extend(how.fallback_names.clone());
            }
            (Fault::NamesAreIgnored, _) => {
                how.names.clear();
                how.fallback_names.clear();
            }
            _ => {}
        }
        let sole = place(&self.memory, at);
        let at = if self.fault == Fault::NameInTheReferenceIsLost { &sole } else { at };
        if self.fault == Fault::FallbackIsAnOrder && how.names.is_empty() {
            for name in &how.fallback_names {
                name.docker().ok_or_else(|| {
                    Error::new(ErrorKind::InvalidInput, format!("{name} is no docker name"))
                })?;
            }
        }
        let has_name =
            at.locator().strip_prefix(sole.locator()).is_some_and(|r| r.starts_with(':'));
        if self.fault == Fault::FallbackJoinsTheReference && has_name {
            how.names.extend(how.fallback_names.clone());
        }
        let names: Vec<ImageName> = how.names.clone();
        how.names.truncate(names_at_first(self.fault));
        let inner = self.memory.destination(at, &how).await?;
        if self.fault == Fault::BusyIsDone {
            tokio::task::yield_now().await;
        }
        let mut destination = BrokenDestination::new(self.clone(), at.clone(), names, inner);
        if self.fault == Fault::HasOfTheReplaced && how.mode == Some(WriteMode::Replace) {
            how.mode = Some(WriteMode::Append);
            destination.has_also(self.memory.destination(at, &how).await?);
        }
        Ok(Box::new(destination))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        self.memory.archives().map(|_| self as &dyn Archives)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }

    fn collection(&self) -> Option<&dyn Collection> {
        Some(self)
    }
}

#[async_trait]
impl Collection for Mutant {
    async fn collect(&self, at: &Reference, how: &CollectOptions) -> Result<Collected> {
        check_table(self, at)?;
        if how.mode == CollectMode::Delete {
            match self.fault {
                Fault::CollectsWhatCameSince => {
                    loses_what_came(self, at, async { Ok(()) }).await?;
                }
                Fault::UnreadableNeedsNothing => takes_unreadable(self, at).await?,
                Fault::TakesMoreThanItSays if how.min_age.is_zero() => {
                    takes_silently(self, at).await?;
                }
                _ => {}
            }
        }
        let takes = match how.mode {
            CollectMode::Look => self.fault == Fault::LookingCollects,
            _ => self.fault == Fault::CollectsAnImage,
        };
        if takes {
            let first = self.memory.parse(&format!("{}#0", at.locator()))?;
            let _ = self.memory.deletion().unwrap().delete(&first, &DeleteOptions::default()).await;
        }
        let takes_about = matches!(
            self.fault,
            Fault::CollectsReferrers
                | Fault::CollectsWhatReferrersNeed
                | Fault::CollectsOldReferrers
        );
        if takes_about && how.mode == CollectMode::Delete {
            self.state.counter.store(1, Ordering::Relaxed);
        }
        if self.fault == Fault::CollectsWhatIsPut && how.mode == CollectMode::Delete {
            self.state.counter.fetch_add(1, Ordering::SeqCst);
        }
        let mut collected = self.memory.collection().unwrap().collect(at, how).await?;
        let young = self.fault == Fault::CollectsTheYoung && !how.min_age.is_zero();
        if young || self.fault == Fault::CollectsNothing {
            collected.garbage.push(Garbage::new(sha256(b""), 0));
        }
        say(self, at, how, &mut collected).await;
        Ok(collected)
    }
}

impl Mutant {
    /// How many names the image has that is meant, and a reference by its position.
    async fn named(&self, at: &Reference) -> Result<Option<(usize, Reference)>> {
        let all = place(&self.memory, at);
        let name = at.locator().strip_prefix(all.locator()).and_then(|rest| rest.strip_prefix(':'));
        let archives = self.memory.archives().unwrap();
        let reader = archives.read(&all, &ReadOptions::default()).await?;
        let found = reader
            .entries()
            .iter()
            .find(|entry| entry.names.iter().any(|own| Some(own.as_str()) == name));
        let position = |index: usize| self.memory.parse(&format!("{}#{index}", all.locator()));
        found.map(|entry| Ok((entry.names.len(), position(entry.index)?))).transpose()
    }
}

#[async_trait]
impl Deletion for Mutant {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        if deletes_otherwise(self, at, how).await? {
            return Ok(());
        }
        let all = place(&self.memory, at);
        if self.fault == Fault::DeletionTakesReferrers {
            self.state.counter.store(1, Ordering::Relaxed);
        }
        match self.fault {
            Fault::DeletesAll => {
                self.memory.source(at, &ReadOptions::default()).await?;
                make_empty(&self.memory, at).await
            }
            Fault::DeletesTheFirst => {
                self.memory
                    .deletion()
                    .unwrap()
                    .delete(&self.memory.parse(&format!("{}#0", all.locator()))?, how)
                    .await
            }
            Fault::DeletesByAnyName => {
                let named = self.named(at).await?;
                let at = named.as_ref().map_or(at, |(_, position)| position);
                self.memory.deletion().unwrap().delete(at, how).await
            }
            Fault::DeletesOneNameOfAll => {
                let how = how.clone().with_names(DeletedNames::Given);
                self.memory.deletion().unwrap().delete(at, &how).await
            }
            Fault::LookingDeletes => {
                let how = how.clone().with_mode(DeleteMode::Delete);
                self.memory.deletion().unwrap().delete(at, &how).await
            }
            Fault::KeepsTheLastName if matches!(self.named(at).await?, Some((1, _))) => Ok(()),
            Fault::DeletesOneOfSeveral => {
                match self.memory.deletion().unwrap().delete(at, how).await {
                    Err(e) if e.kind() == ErrorKind::Ambiguous => {
                        let first = self.memory.parse(&format!("{}#0", all.locator()))?;
                        self.memory.deletion().unwrap().delete(&first, how).await
                    }
                    done => done,
                }
            }
            Fault::DroppedDeletionKeepsItsLock | Fault::DroppedDeletionOfOneKeepsItsLock => {
                if self.state.locks.lock().unwrap().contains(&all.to_string()) {
                    return Err(Error::new(ErrorKind::Unavailable, "it is locked"));
                }
                self.state.locks.lock().unwrap().push(all.to_string());
                tokio::task::yield_now().await;
                let done = self.memory.deletion().unwrap().delete(at, how).await;
                self.state.locks.lock().unwrap().retain(|lock| *lock != all.to_string());
                done
            }
            Fault::DeletesNothing => match self.memory.deletion().unwrap().delete(at, how).await {
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                done => done,
            },
            _ => self.memory.deletion().unwrap().delete(at, how).await,
        }
    }

    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        let deletion = self.memory.deletion().unwrap();
        match self.fault {
            Fault::DeletesAnyRoot => self.delete(at, how).await,
            Fault::DeletesNoRoot => {
                let look = how.clone().with_mode(DeleteMode::Look);
                deletion.delete_if(at, root, &look).await
            }
            Fault::EachRootIsAnother => {
                Err(Error::new(ErrorKind::Conflict, format!("{at} is another image")))
            }
            Fault::LooksBeforeItDeletes => {
                let look = how.clone().with_mode(DeleteMode::Look);
                deletion.delete_if(at, root, &look).await?;
                // However long the other one takes.
                tokio::time::sleep(10 * MEANWHILE).await;
                deletion.delete(at, how).await
            }
            _ => deletion.delete_if(at, root, how).await,
        }
    }
}
