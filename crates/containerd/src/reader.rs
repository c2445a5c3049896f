//! [`Reader`]: the images of a namespace.

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, Error, ErrorKind, ImageSource, Reference, Result,
};

use crate::api::Containerd;
use crate::find::{self, Stored};
use crate::reference::Locator;
use crate::source::Source;

/// The images of a namespace, as they were when it was opened.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    containerd: Containerd,
    images: Vec<Stored>,
    entries: Vec<ArchiveEntry>,
}

impl Reader {
    pub(crate) async fn open(containerd: Containerd) -> Result<Self> {
        let place = Locator::all(containerd.namespace());
        let images = find::some(&containerd).await?;
        let entry = |(at, image): (usize, &Stored)| {
            let mut entry = ArchiveEntry::new(at, place.with(image.which()).reference());
            entry.names = image.names();
            entry.raw_names.clone_from(&image.raw_names);
            entry
        };
        let entries = images.iter().enumerate().map(entry).collect();
        Ok(Self { reference: place.reference(), containerd, images, entries })
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
        let ours = self.entries.get(entry.index).filter(|ours| ours.reference == entry.reference);
        let image = ours.and_then(|_| self.images.get(entry.index)).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{} is no image of it", entry.reference))
        })?;
        let (containerd, reference) = (self.containerd.clone(), entry.reference.clone());
        Ok(Box::new(Source::open(containerd, reference, image).await?))
    }
}
