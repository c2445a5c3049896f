//! [`LayoutReader`] and [`LayoutWriter`]: several images of a layout.

use std::sync::Arc;

use async_trait::async_trait;
use transship_archive::layout::Malformed;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Cancel, ConfigPlatforms, EntryDetails, Error,
    ErrorKind, ImageDestination, ImageName, ImageSource, Reference, Result, ResultExt, Shows,
    Staging, WriteOptions,
};

use crate::Kind;
use crate::destination::LayoutDestination;
use crate::layout::Layout;
use crate::reference::{Locator, Selector, parse_name};
use crate::select::{self, Image, Root};
use crate::source::LayoutSource;
use crate::write::{Content, Medium, Writing};

/// A layout, opened once.
#[derive(Debug)]
pub(crate) struct LayoutReader {
    reference: Reference,
    layout: Arc<Layout>,
    images: Vec<Image>,
    entries: Vec<ArchiveEntry>,
    /// What stands beside them.
    beside: Vec<ArchiveEntry>,
    platforms: ConfigPlatforms,
}

impl LayoutReader {
    /// Lists the images of a layout. Blocks.
    pub(crate) fn new(
        kind: Kind,
        place: &Locator,
        layout: Arc<Layout>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let images = select::images(&layout, cancel)?;
        let beside = select::besides(&layout);
        let beside = beside.iter().map(|one| entry(kind, place, &layout, one)).collect();
        let mut entries: Vec<_> =
            images.iter().map(|image| entry(kind, place, &layout, image)).collect();
        ArchiveEntry::warn_of_shared_names(&mut entries);
        entries.extend(layout.index().malformed().map(|found| malformed(kind, place, found)));
        entries.sort_by_key(|entry| entry.index);
        let reference = kind.reference(&place.with(Selector::None));
        let platforms = ConfigPlatforms::default();
        Ok(Self { reference, layout, images, entries, beside, platforms })
    }

    fn image(&self, entry: &ArchiveEntry) -> Result<&Image> {
        // Both stand in the order of their positions; entries that are malformed are no images.
        let at = self.entries.binary_search_by_key(&entry.index, |entry| entry.index).ok();
        if at.is_none_or(|at| self.entries[at].reference != entry.reference) {
            let message = format!("{} is no image of it", entry.reference);
            return Err(Error::new(ErrorKind::NotFound, message).context(&self.reference));
        }
        match self.images.binary_search_by_key(&entry.index, |image| image.index) {
            Ok(at) => Ok(&self.images[at]),
            Err(_) => Err(select::malformed(&self.layout, entry.index).context(&self.reference)),
        }
    }
}

#[async_trait]
impl ArchiveReader for LayoutReader {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn beside(&self) -> &[ArchiveEntry] {
        &self.beside
    }

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        let source = self.open(entry).await?;
        let details = EntryDetails::read_with(&*source, &self.platforms).await;
        let mut details = details.context(|| &entry.reference)?;
        if let Root::Together(_) = self.image(entry)?.root {
            details.root = None;
        }
        Ok(details)
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let (layout, reference) = (Arc::clone(&self.layout), entry.reference.clone());
        let (root, names) = if self.beside.contains(entry) {
            let stored = layout.index().stored_at(entry.index)?.map(Root::Entry);
            let gone = || Error::new(ErrorKind::NotFound, format!("{reference} is not there"));
            (stored.ok_or_else(gone)?, entry.names.clone())
        } else {
            let image = self.image(entry)?;
            (image.root.clone(), image.names())
        };
        Ok(Box::new(LayoutSource::new(layout, reference, root, names)))
    }
}

/// An image's entry. Its reference is by digest, which holds whatever others write to the layout; only where a digest
/// cannot be written in a reference, it is by position.
fn entry(kind: Kind, place: &Locator, layout: &Layout, image: &Image) -> ArchiveEntry {
    let select = match &image.root {
        Root::Together(_) => Selector::None,
        root => {
            let digest = root.descriptor(layout).digest.clone();
            let by_digest = place.with(Selector::Digest(digest));
            if Locator::parse(&by_digest.to_string()).is_ok_and(|parsed| parsed == by_digest) {
                by_digest.select
            } else {
                Selector::Index(image.index)
            }
        }
    };
    let mut entry = ArchiveEntry::new(image.index, kind.reference(&place.with(select)));
    entry.names = image.names();
    for name in &image.raw_names {
        if parse_name(name).is_err() {
            entry.warnings.push(format!("the name {name:?} cannot stand in a reference"));
        }
    }
    entry.raw_names.clone_from(&image.raw_names);
    entry
}

/// The entry of what is no image because it is malformed: opening it says so.
fn malformed(kind: Kind, place: &Locator, found: Malformed<'_>) -> ArchiveEntry {
    let reference = kind.reference(&place.with(Selector::Index(found.position)));
    let mut entry = ArchiveEntry::new(found.position, reference);
    entry.warnings.push(found.error().to_string());
    entry
}

/// Opens a layout for several images.
pub(crate) async fn write(
    medium: Medium,
    at: &Reference,
    how: &WriteOptions,
) -> Result<Box<dyn ArchiveWriter>> {
    let place = medium.kind().place(at)?;
    if place.select != Selector::None {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "it names an image, where a place for several is needed",
        )
        .context(at)
        .hint("leave out what stands behind the path"));
    }
    let writing = Writing::open(medium, &place, how).await.context(|| at)?;
    let reference = writing.reference(Selector::None);
    Ok(Box::new(LayoutWriter { writing, reference }))
}

/// Writes several images to a layout; they show all together.
#[derive(Debug)]
pub(crate) struct LayoutWriter {
    writing: Arc<Writing>,
    reference: Reference,
}

impl LayoutWriter {
    pub(crate) fn writing(&self) -> &Arc<Writing> {
        &self.writing
    }
}

#[async_trait]
impl ArchiveWriter for LayoutWriter {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let opened = LayoutDestination::new(Arc::clone(&self.writing), names, Shows::AtFinish);
        Ok(Box::new(opened.context(|| &self.reference)?))
    }

    fn staging(&self) -> Option<&dyn Staging> {
        self.writing.stages().then_some(self as &dyn Staging)
    }

    async fn finish(&mut self) -> Result<()> {
        self.writing.content().last_step(Content::publish).await.context(|| &self.reference)
    }
}
