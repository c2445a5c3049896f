//! [`Reader`], [`Writer`]: a place of images, read or written as a whole.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName,
    ImageSource, Reference, Result, ResultExt, Shows,
};

use crate::destination::Destination;
use crate::images::Image;
use crate::reference::{Locator, Select, reference};
use crate::source::Source;
use crate::store::Archive;
use crate::writing::{Begun, Writing};

/// A place being read.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    archive: Arc<Archive>,
    entries: Vec<ArchiveEntry>,
}

impl Reader {
    pub(crate) fn new(locator: &Locator, archive: Archive) -> Self {
        let entry = |(index, image): (usize, &Image)| {
            // By digest: a position changes when an image before it is deleted.
            let select = Select::Digest(image.root.digest.clone());
            let mut entry = ArchiveEntry::new(index, reference(&locator.with(select)));
            entry.names.clone_from(&image.names);
            entry.raw_names = image.names.iter().map(ToString::to_string).collect();
            entry
        };
        let entries = archive.images.0.iter().enumerate().map(entry).collect();
        Self { reference: reference(locator), archive: Arc::new(archive), entries }
    }
}

#[async_trait]
impl ArchiveReader for Reader {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let image = self.archive.images.0.get(entry.index);
        let image = image.filter(|_| self.entries.contains(entry)).ok_or_else(|| {
            let message = format!("{} is no image of {}", entry.reference, self.reference);
            Error::new(ErrorKind::NotFound, message)
        })?;
        let archive = Arc::clone(&self.archive);
        Ok(Box::new(Source::new(entry.reference.clone(), archive, image.clone())))
    }
}

/// A place being written.
#[derive(Debug)]
pub(crate) struct Writer {
    locator: Locator,
    reference: Reference,
    writing: Arc<Writing>,
}

impl Writer {
    pub(crate) fn new(locator: Locator, writing: Writing) -> Self {
        Self { reference: reference(&locator), locator, writing: Arc::new(writing) }
    }
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let (locator, writing) = (&self.locator, Arc::clone(&self.writing));
        Ok(Box::new(Destination::new(locator, names, writing, Shows::AtFinish)))
    }

    async fn finish(&mut self) -> Result<()> {
        self.writing.last_step(Begun::publish).await.context(|| &self.reference)
    }
}
