//! [`Reader`], [`Writer`]: a database of images, read or written as a whole.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship::transport::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName,
    ImageSource, Reference, Result, ResultExt, run_blocking,
};

use crate::destination::{Destination, Target};
use crate::parts::Pending;
use crate::publish::Place;
use crate::reference::{Locator, Select};
use crate::source::{Image, Shared, Source};
use crate::stage::Stage;

/// A database being read.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    database: Shared,
    entries: Vec<ArchiveEntry>,
}

impl Reader {
    pub(crate) fn new(locator: &Locator, database: Shared, images: Vec<Image>) -> Self {
        let entry = |(index, image): (usize, Image)| {
            // By digest: a position changes when an image before it is deleted.
            let select = Select::Digest(image.descriptor.digest.clone());
            let mut entry = ArchiveEntry::new(index, locator.with(select).reference());
            entry.names = image.image_names();
            entry.raw_names = image.names;
            entry
        };
        let entries = images.into_iter().enumerate().map(entry).collect();
        Self { reference: locator.reference(), database, entries }
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
        if !self.entries.contains(entry) {
            let message = format!("{} is no image of {}", entry.reference, self.reference);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let select = Locator::of(&entry.reference)?.select;
        let source = Source::open(entry.reference.clone(), self.database.clone(), select);
        Ok(Box::new(source.await?))
    }
}

/// A database being written: the images that were committed wait for `finish`.
#[derive(Debug)]
pub(crate) struct Writer {
    locator: Locator,
    reference: Reference,
    place: Place,
    stage: Arc<Stage>,
    images: Arc<Mutex<Vec<Pending>>>,
}

impl Writer {
    pub(crate) fn new(locator: Locator, place: Place, stage: Arc<Stage>) -> Self {
        let reference = locator.reference();
        Self { locator, reference, place, stage, images: Arc::default() }
    }
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let (place, stage) = (self.place.clone(), Arc::clone(&self.stage));
        let target = Target::Writer(Arc::clone(&self.images));
        Ok(Box::new(Destination::new(&self.locator, names.to_vec(), place, stage, target)))
    }

    async fn finish(&mut self) -> Result<()> {
        let (place, stage) = (self.place.clone(), Arc::clone(&self.stage));
        let images = Arc::clone(&self.images);
        let done = run_blocking(move |cancel| {
            let images = images.lock().unwrap_or_else(PoisonError::into_inner);
            place.publish(&stage, &images, cancel)
        });
        done.await.context(|| &self.reference)
    }
}
