//! [`BrokenReader`] and [`BrokenWriter`]: archives, with a mistake.

use std::sync::Mutex;

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Archives, Commit, DeleteOptions, Digest, Document,
    EntryDetails, Error, ErrorKind, ImageDestination, ImageName, ImageSource, Manifest, OnePass,
    Passed, ReadOptions, Reference, Result, Staging, Transport, WriteMode, WriteOptions, cancelled,
};

use crate::destination::BrokenDestination;
use crate::disk::{ends_in_a_block, move_two, stage_two, write_blocks};
use crate::fault::Fault;
use crate::source::BrokenSource;
use crate::table::{before_writing, check_table};
use crate::transport::{Mutant, folder, make_empty, place};

#[async_trait]
impl Archives for Mutant {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        check_table(self, at)?;
        let cut = self.fault == Fault::PassEndsAtABorder && how.passed.is_some();
        let inner = match self.memory.archives().unwrap().read(at, how).await {
            Err(e)
                if (self.fault == Fault::MissingPlaceIsEmpty || cut)
                    && e.kind() == ErrorKind::NotFound =>
            {
                make_empty(&self.memory, at).await?;
                self.memory.archives().unwrap().read(at, how).await?
            }
            inner => inner?,
        };
        let mut entries = self.listed(at, inner.entries().to_vec());
        if how.passed.is_some() && !cut {
            entries.pop();
        }
        Ok(Box::new(BrokenReader { of: self.clone(), inner, entries }))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let mut how = how.clone();
        before_writing(self, at, how.mode).await?;
        let append = how.mode == Some(WriteMode::Append);
        match (self.fault, how.mode) {
            (Fault::AppendReplaces, Some(WriteMode::Append))
            | (Fault::CreateReplaces, Some(WriteMode::Create))
            | (Fault::NoModeOfAWriterReplaces, None) => {
                how.mode = Some(WriteMode::Replace);
            }
            _ => {}
        }
        if self.fault == Fault::AppendLosesTheFirst && append {
            let first = self.memory.parse(&format!("{}#0", at.locator()))?;
            let _ = self.memory.deletion().unwrap().delete(&first, &DeleteOptions::default()).await;
        }
        let sole = place(&self.memory, at);
        let to = if self.fault == Fault::WriterTakesAnImage { &sole } else { at };
        let inner = self.memory.archives().unwrap().write(to, &how).await?;
        let (of, at) = (self.clone(), at.clone());
        let (names, taken) = (Mutex::default(), Mutex::default());
        let base = if append { self.count(&at).await } else { usize::MAX };
        if let Some(folder) = folder(&at).filter(|_| self.fault == Fault::MovesWhatItStaged) {
            stage_two(&folder)?;
        }
        let first = self.first(&at).await;
        Ok(Box::new(BrokenWriter { of, at, inner: Some(inner), names, taken, base, first }))
    }

    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        (self.fault == Fault::EachIsAnArchive).then(|| at.clone())
    }

    fn may_be_archive(&self, at: &Reference) -> bool {
        self.fault != Fault::NoneIsAnArchive && self.archive_of(at).is_none_or(|of| of == *at)
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        let able = matches!(
            self.fault,
            Fault::PassLosesTheLast
                | Fault::AlwaysComesOnce
                | Fault::PassEndsAtABorder
                | Fault::NeverComesOnce
                | Fault::PassesBeforeItAsks
        );
        able.then_some(self)
    }
}

#[async_trait]
impl OnePass for Mutant {
    async fn comes_once(&self, _: &Reference) -> bool {
        self.fault == Fault::AlwaysComesOnce
    }

    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        staging: Option<&dyn Staging>,
    ) -> Result<Passed> {
        if self.fault == Fault::PassEndsAtABorder {
            if ends_in_a_block(at) {
                return Err(Error::new(ErrorKind::Corrupt, "it ends within a block"));
            }
            self.stage_all(at, how, staging).await?;
        }
        Ok(Passed::new(()))
    }
}

impl Mutant {
    /// Stages all layers.
    async fn stage_all(
        &self,
        at: &Reference,
        how: &ReadOptions,
        staging: Option<&dyn Staging>,
    ) -> Result<()> {
        let Some(staging) = staging else { return Ok(()) };
        let reader = self.memory.archives().unwrap().read(at, how).await?;
        for entry in reader.entries() {
            let source = reader.open(entry).await?;
            let mut waiting = vec![source.root().await?];
            while let Some(manifest) = waiting.pop() {
                for part in manifest.document().parts() {
                    match source.manifest(part).await {
                        Ok(below) => waiting.push(below),
                        Err(_) => {
                            if let Ok(body) = source.blob(part).await {
                                staging.stage(body).await?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// How many images are there.
    async fn count(&self, at: &Reference) -> usize {
        let archives = self.memory.archives().unwrap();
        let reader = archives.read(&place(&self.memory, at), &ReadOptions::default()).await;
        reader.map_or(0, |reader| reader.entries().len())
    }

    /// The root of the first image.
    async fn first(&self, at: &Reference) -> Option<Digest> {
        let first = self.memory.parse(&format!("{}#0", place(&self.memory, at).locator())).ok()?;
        let source = self.memory.source(&first, &ReadOptions::default()).await.ok()?;
        Some(source.root().await.ok()?.descriptor().digest.clone())
    }

    fn listed(&self, at: &Reference, mut entries: Vec<ArchiveEntry>) -> Vec<ArchiveEntry> {
        match self.fault {
            Fault::IndexOffByOne => {
                for (number, entry) in entries.iter_mut().enumerate() {
                    let text = format!("{}#{}", place(&self.memory, at).locator(), number + 1);
                    entry.reference = self.memory.parse(&text).unwrap();
                }
            }
            Fault::LastImageIsLost => drop(entries.pop()),
            Fault::UntaggedIsHidden => entries.retain(|entry| !entry.names.is_empty()),
            Fault::OrderIsReversed => entries.reverse(),
            Fault::OnlyTheFirstName => {
                for entry in &mut entries {
                    entry.names.truncate(1);
                    entry.raw_names.truncate(1);
                }
            }
            Fault::AnEntryForEachName => {
                let split = |entry: ArchiveEntry| vec![entry.clone(); entry.names.len().max(1)];
                entries = entries.into_iter().flat_map(split).collect();
            }
            _ => {}
        }
        entries
    }
}

#[derive(Debug)]
struct BrokenReader {
    of: Mutant,
    inner: Box<dyn ArchiveReader>,
    entries: Vec<ArchiveEntry>,
}

#[async_trait]
impl ArchiveReader for BrokenReader {
    fn reference(&self) -> &Reference {
        self.inner.reference()
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn details_are_costly(&self) -> bool {
        self.of.fault == Fault::EstimatesAreTooHigh || self.inner.details_are_costly()
    }

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        if self.of.fault == Fault::DetailsOfTheFirst {
            return self.inner.details(&self.inner.entries()[0]).await;
        }
        let mut details = self.inner.details(entry).await?;
        if self.of.fault == Fault::SizeCountsTheConfig {
            details.size += 1;
        }
        if self.of.fault == Fault::EstimatesAreTooHigh {
            details.size += 2 << 20;
        }
        if self.of.fault == Fault::LayersCountEachTime
            && let Document::Image(image) = self.inner.open(entry).await?.root().await?.document()
        {
            details.size = image.layers.iter().map(|layer| layer.size).sum();
        }
        if self.of.fault == Fault::PlatformsAreForgotten && details.image_id.is_none() {
            details.platforms.clear();
        }
        if self.of.fault == Fault::ImageIdIsTheManifests {
            details.image_id = details.root.as_ref().map(|root| root.digest.clone());
        }
        Ok(details)
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let mut ours = entry.clone();
        let listed = self.entries.iter().any(|own| own.reference == entry.reference);
        if !listed && self.of.fault != Fault::ReaderOpensAnybodysEntry {
            let message = format!("{} is no image of it", entry.reference);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        if let Some(real) = self.inner.entries().iter().find(|real| real.index == entry.index) {
            ours.reference = real.reference.clone();
        }
        if self.of.fault == Fault::ReaderLooksAgain {
            return self.of.source(&ours.reference, &ReadOptions::default()).await;
        }
        let inner = self.inner.open(&ours).await?.into();
        Ok(Box::new(BrokenSource { of: self.of.clone(), at: ours.reference, inner, place: None }))
    }
}

#[derive(Debug)]
pub struct BrokenWriter {
    of: Mutant,
    at: Reference,
    inner: Option<Box<dyn ArchiveWriter>>,
    /// Those of the image before.
    names: Mutex<Vec<ImageName>>,
    taken: Mutex<Vec<ImageName>>,
    /// How many images were there when it was opened.
    base: usize,
    /// The first of them.
    first: Option<Digest>,
}

#[async_trait]
impl ArchiveWriter for BrokenWriter {
    fn reference(&self) -> &Reference {
        &self.at
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let before = std::mem::replace(&mut *self.names.lock().unwrap(), names.to_vec());
        let mut names = names.to_vec();
        match self.of.fault {
            Fault::NamesGoToTheNext => names = before,
            Fault::NamesFoldCase => {
                let lower = |name: &ImageName| ImageName::new(&name.as_str().to_lowercase());
                names = names.iter().map(lower).collect::<Result<_>>()?;
            }
            Fault::NamesLeak if names.is_empty() => names = before,
            Fault::FirstKeepsItsName => {
                let mut taken = self.taken.lock().unwrap();
                names.retain(|name| !taken.contains(name));
                taken.extend(names.iter().cloned());
            }
            _ => {}
        }
        let inner = match self.of.fault {
            Fault::WriterShowsAtCommit => {
                let mut how = WriteOptions::default();
                how.mode = Some(WriteMode::Append);
                how.names.clone_from(&names);
                self.of.memory.destination(&self.at, &how).await?
            }
            _ => self.inner.as_ref().unwrap().image(&names).await?,
        };
        let mut image = BrokenDestination::new(self.of.clone(), self.at.clone(), names, inner);
        image.says_at_finish();
        Ok(Box::new(image))
    }

    async fn finish(&mut self) -> Result<()> {
        if self.inner.is_none() {
            return Err(cancelled());
        }
        if self.of.fault == Fault::MovesWhatItStaged
            && let Some(folder) = folder(&self.at)
        {
            move_two(&folder)?;
        }
        if self.of.fault == Fault::WriterFinishesOverItsBase {
            for number in (self.base..self.of.count(&self.at).await).rev() {
                let at = self.of.memory.parse(&format!("{}#{number}", self.at.locator()))?;
                self.of.memory.deletion().unwrap().delete(&at, &DeleteOptions::default()).await?;
            }
        }
        if self.of.fault == Fault::JoinsWhatWas && self.of.first(&self.at).await != self.first {
            make_empty(&self.of.memory, &self.at).await?;
        }
        if self.of.fault == Fault::FinishInTwoSteps {
            make_empty(&self.of.memory, &self.at).await?;
            tokio::task::yield_now().await;
        }
        if self.of.fault == Fault::DroppedImageLeavesItsName {
            let orphans = std::mem::take(&mut *self.of.state.orphans.lock().unwrap());
            if !orphans.is_empty() {
                let nothing = Manifest::new(r#"{"schemaVersion":2,"manifests":[]}"#)?;
                let inner = self.inner.as_ref().unwrap();
                inner.image(&orphans).await?.commit(Commit::new(&nothing)).await?;
            }
        }
        let done = self.inner.as_mut().unwrap().finish().await;
        if self.of.fault == Fault::PassEndsAtABorder {
            write_blocks(&self.at)?;
        }
        if done.is_ok() || self.of.fault == Fault::FinishesOnce {
            self.inner = None;
        }
        done
    }
}

impl Drop for BrokenWriter {
    fn drop(&mut self) {
        if self.of.fault == Fault::DroppedWriterFinishes
            && let Some(mut inner) = self.inner.take()
        {
            // In memory nothing has to be waited for.
            let _ = futures_util::FutureExt::now_or_never(inner.finish());
        }
    }
}
