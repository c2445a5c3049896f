//! [`Reader`], [`Writer`]: a place of images, read or written as a whole.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName,
    ImageSource, Reference, Result, ResultExt, Shows,
};

use crate::destination::{Destination, Place, Stage};
use crate::reference::{Locator, Select};
use crate::source::Source;
use crate::store::{Container, Image};

/// A place being read.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    container: Arc<Container>,
    entries: Vec<ArchiveEntry>,
}

impl Reader {
    pub(crate) fn new(locator: &Locator, container: Arc<Container>) -> Self {
        let entry = |(index, image): (usize, &Image)| {
            // By digest: a position changes when an image before it is deleted.
            let select = Select::Digest(image.root.descriptor().digest.clone());
            let mut entry = ArchiveEntry::new(index, locator.with(select).reference());
            entry.names.clone_from(&image.names);
            entry.raw_names = image.names.iter().map(ToString::to_string).collect();
            entry
        };
        let entries = container.images.iter().enumerate().map(entry).collect();
        Self { reference: locator.reference(), container, entries }
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
        let image = self.container.images.get(entry.index);
        let image = image.filter(|_| self.entries.contains(entry)).ok_or_else(|| {
            let message = format!("{} is no image of {}", entry.reference, self.reference);
            Error::new(ErrorKind::NotFound, message)
        })?;
        let container = Arc::clone(&self.container);
        Ok(Box::new(Source::new(entry.reference.clone(), container, image.clone())))
    }
}

/// A place being written.
#[derive(Debug)]
pub(crate) struct Writer {
    reference: Reference,
    place: Place,
    stage: Arc<Stage>,
}

impl Writer {
    pub(crate) fn new(place: Place) -> Self {
        Self { reference: place.locator.reference(), place, stage: Arc::default() }
    }
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let (place, stage) = (self.place.clone(), Arc::clone(&self.stage));
        Ok(Box::new(Destination::new(place, names, stage, Shows::AtFinish)))
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.stage.publish(&self.place).context(|| &self.reference)
    }
}
