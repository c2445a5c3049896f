//! [`SlippingReader`] and [`SlippingWriter`]: archives, with a slip.

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Archives, Document, EntryDetails, Error, ErrorKind,
    ImageDestination, ImageName, ImageSource, Platform, ReadOptions, Reference, Result, Transport,
    WriteMode, WriteOptions,
};

use super::Slip;
use super::destination::SlippingDestination;
use super::source::SlippingSource;
use super::transport::{LONG, Slipping, later};

#[async_trait]
impl Archives for Slipping {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        self.in_first().await?;
        if self.slip == Slip::ListingBlocks {
            std::thread::sleep(LONG);
        }
        if self.slip == Slip::ListingNeedsTheImage && *at != self.place(at) {
            self.memory.source(at, how).await?;
        }
        let inner = self.archives_of_memory().read(at, how).await?;
        let mut entries = inner.entries().to_vec();
        match self.slip {
            Slip::RawNamesLackOne => {
                for entry in &mut entries {
                    entry.raw_names.pop();
                }
            }
            Slip::RawNamesAreLowered => {
                for raw in entries.iter_mut().flat_map(|entry| &mut entry.raw_names) {
                    *raw = raw.to_lowercase();
                }
            }
            Slip::NamesComeTwice => {
                for entry in entries.iter_mut().filter(|entry| entry.names.len() > 1) {
                    entry.names.push(entry.names[0].clone());
                }
            }
            Slip::EntriesCountFromOne => entries.iter_mut().for_each(|entry| entry.index += 1),
            Slip::ListingIsSorted => {
                entries.sort_by_key(|entry| entry.names.first().map(|n| n.as_str().to_owned()));
                for (at, entry) in entries.iter_mut().enumerate() {
                    entry.index = at;
                }
            }
            Slip::BesideIsListed => {
                for entry in inner.entries() {
                    let source = inner.open(entry).await?;
                    let of = source.root_descriptor().unwrap().digest.clone();
                    for (tag, _) in source.referrers().unwrap().beside(&of).await? {
                        let mut beside = ArchiveEntry::new(entries.len(), entry.reference.clone());
                        beside.names = vec![ImageName::new(&tag)?];
                        entries.push(beside);
                    }
                }
            }
            Slip::BasesAreHidden => {
                let bases = self.bases(at).await?;
                entries.retain(|entry| !bases.contains(&entry.reference));
            }
            _ => {}
        }
        Ok(Box::new(SlippingReader { of: self.clone(), at: at.clone(), inner, entries }))
    }

    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        let (place, _) = at.locator().split_once('@')?;
        (self.slip == Slip::ArchiveEndsAtAnAt)
            .then(|| Reference::new(at.scheme(), place.to_owned()))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let mut how = how.clone();
        self.go_to_next(at, how.mode).await?;
        let mut inner = self.archives_of_memory().write(at, &how).await?;
        if self.slip == Slip::WriterCreateLooksOnce && how.mode == Some(WriteMode::Create) {
            how.mode = Some(WriteMode::Replace);
            inner = self.archives_of_memory().write(at, &how).await?;
        }
        Ok(Box::new(SlippingWriter { of: self.clone(), at: at.clone(), inner: Some(inner) }))
    }
}

#[derive(Debug)]
struct SlippingReader {
    of: Slipping,
    at: Reference,
    inner: Box<dyn ArchiveReader>,
    entries: Vec<ArchiveEntry>,
}

impl SlippingReader {
    /// As the one in memory knows it.
    fn real(&self, entry: &ArchiveEntry) -> Result<&ArchiveEntry> {
        let ours = self.entries.contains(entry);
        let real = self.inner.entries().iter().find(|real| real.reference == entry.reference);
        real.filter(|_| ours)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "it is of another reader"))
    }
}

#[async_trait]
impl ArchiveReader for SlippingReader {
    fn reference(&self) -> &Reference {
        if self.of.slip == Slip::ReaderIsTheImage { &self.at } else { self.inner.reference() }
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        if self.of.slip == Slip::DetailsBlock {
            std::thread::sleep(LONG);
        }
        let mut details = self.inner.details(self.real(entry)?).await?;
        let root = self.inner.open(self.real(entry)?).await?.root().await?;
        let Document::Index(index) = root.document() else { return Ok(details) };
        match self.of.slip {
            Slip::DetailsCountAttestations => {
                let attested = index.manifests.iter().filter(|child| child.is_attestation());
                details.platforms.extend(attested.map(|_| Platform::new("unknown", "unknown")));
            }
            Slip::DetailsForgetTheNested => {
                let own: Vec<_> =
                    index.manifests.iter().filter_map(|child| child.platform.clone()).collect();
                details.platforms.retain(|platform| own.contains(platform));
            }
            _ => {}
        }
        Ok(details)
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let inner = self.inner.open(self.real(entry)?).await?;
        Ok(Box::new(SlippingSource::new(self.of.clone(), inner)))
    }
}

#[derive(Debug)]
struct SlippingWriter {
    of: Slipping,
    at: Reference,
    inner: Option<Box<dyn ArchiveWriter>>,
}

#[async_trait]
impl ArchiveWriter for SlippingWriter {
    fn reference(&self) -> &Reference {
        self.inner.as_ref().unwrap().reference()
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let names: Vec<_> = names.iter().map(|name| self.of.spell(name)).collect();
        let inner = self.inner.as_ref().unwrap().image(&names).await?;
        let (of, at) = (self.of.clone(), self.at.clone());
        Ok(Box::new(SlippingDestination::new(of, at, None, inner)))
    }

    async fn finish(&mut self) -> Result<()> {
        if self.of.slip == Slip::FinishBlocks {
            std::thread::sleep(LONG);
        }
        if self.of.slip != Slip::FinishEndsLater {
            return self.inner.as_mut().unwrap().finish().await;
        }
        let inner = self.inner.take();
        later(async move {
            if let Some(mut inner) = inner {
                drop(inner.finish().await);
            }
        });
        Ok(())
    }
}
