//! [`Reader`]: an archive being read; [`Writer`]: one being written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use transship_archive::Compressor;
use transship_core::{
    ArchiveEntry, ArchiveReader, ArchiveWriter, Cancel, EntryDetails, Error, ErrorKind,
    ImageDestination, ImageName, ImageSource, ReadOptions, Reference, Result, ResultExt, Shows,
    Staging, WriteOptions, run_blocking, without_repeats,
};
use transship_local::Unpublished;

use crate::contents::Contents;
use crate::destination::Destination;
use crate::reference::{Locator, Selector, archive_name, reference_to};
use crate::source::Source;
use crate::writing::Writing;

/// An archive being read.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    contents: Arc<Contents>,
    entries: Vec<ArchiveEntry>,
}

impl Reader {
    /// Opens, indexes and lists it.
    pub(crate) async fn open(place: Locator, how: ReadOptions) -> Result<Self> {
        let work = move |cancel: &Cancel| {
            let contents = Contents::open(&place, &how, cancel)?;
            let entries = contents.entries(cancel)?;
            let reference = reference_to(&contents.place);
            Ok(Self { reference, contents: Arc::new(contents), entries })
        };
        run_blocking(work).await
    }

    fn position(&self, entry: &ArchiveEntry) -> Result<usize> {
        let ours = self.entries.get(entry.index);
        if ours.is_some_and(|ours| ours.reference == entry.reference) {
            return Ok(entry.index);
        }
        let message = format!("{} is no image of it", entry.reference);
        Err(Error::new(ErrorKind::NotFound, message).context(&self.reference))
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

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        let at = self.position(entry)?;
        let contents = Arc::clone(&self.contents);
        run_blocking(move |cancel| contents.details(at, cancel)).await.context(|| &self.reference)
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let at = self.position(entry)?;
        Ok(Box::new(Source::new(entry.reference.clone(), Arc::clone(&self.contents), at)))
    }
}

impl Contents {
    /// What is known of an image without reading its layers. Layers that are missing count nothing.
    fn details(&self, at: usize, cancel: &Cancel) -> Result<EntryDetails> {
        let (config, _) = self.config(at)?;
        let mut details = EntryDetails::default();
        details.root = self.stored.find(&self.index, &config.id);
        // A layer that is there twice is stored once.
        let names: BTreeSet<_> = self.images[at].layer_names().iter().collect();
        let mut files = BTreeMap::new();
        for name in names {
            cancel.check()?;
            files.extend(self.file(name).ok().map(|file| (file.offset(), file.len())));
        }
        details.size = files.values().sum();
        details.image_id = Some(config.id.clone());
        details.platforms = vec![config.platform.clone()];
        Ok(details)
    }
}

/// An archive being written.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) reference: Reference,
    pub(crate) writing: Arc<Unpublished<Writing>>,
    stages: bool,
}

impl Writer {
    /// Begins an archive. Nothing shows.
    pub(crate) async fn begin(
        place: Locator,
        compressor: Option<Compressor>,
        how: WriteOptions,
    ) -> Result<Self> {
        let reference = reference_to(&place);
        if place.select != Selector::None {
            let message =
                format!("{reference} names an image, and an archive of images is written");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint(format!("write to {}", reference_to(&place.with(Selector::None)))));
        }
        let writing = begin(place, compressor, how).await?;
        let stages = writing.hold()?.stages();
        Ok(Self { reference, writing, stages })
    }
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let names = docker_names(names).context(|| &self.reference)?;
        let image = Destination::new(Arc::clone(&self.writing), names, Shows::AtFinish);
        Ok(Box::new(image.context(|| &self.reference)?))
    }

    fn staging(&self) -> Option<&dyn Staging> {
        self.stages.then_some(self as &dyn Staging)
    }

    async fn finish(&mut self) -> Result<()> {
        self.writing.last_step(Writing::finish).await.context(|| &self.reference)
    }
}

/// Opens a place for the only image of a new archive.
pub(crate) async fn sole_image(
    locator: Locator,
    compressor: Option<Compressor>,
    how: WriteOptions,
) -> Result<Destination> {
    let reference = reference_to(&locator);
    let mut names = Vec::new();
    match &locator.select {
        Selector::None => {}
        Selector::Name(name) => names.push(ImageName::from(name)),
        Selector::Index(_) | Selector::Digest(_) => {
            let message = format!("{reference} can be read and not written");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("an image is written under a name, or without one: PATH:NAME or PATH"));
        }
    }
    names.extend(docker_names(&how.names).context(|| &reference)?);
    if names.is_empty() {
        let usable = how.fallback_names.iter().filter_map(|name| archive_name(name.as_str()).ok());
        names.extend(usable.map(|name| ImageName::from(&name)));
    }
    let writing = begin(locator.with(Selector::None), compressor, how).await?;
    Destination::new(writing, without_repeats(names), Shows::AtCommit)
}

async fn begin(
    place: Locator,
    compressor: Option<Compressor>,
    how: WriteOptions,
) -> Result<Arc<Unpublished<Writing>>> {
    let reference = reference_to(&place);
    let begun = run_blocking(move |cancel| Writing::begin(place, compressor, &how, cancel)).await;
    Ok(Arc::new(Unpublished::new(begun.context(|| reference)?)))
}

/// Canonical names, each once.
fn docker_names(names: &[ImageName]) -> Result<Vec<ImageName>> {
    let canonical = names.iter().map(|name| match archive_name(name.as_str()) {
        Ok(name) => Ok(ImageName::from(&name)),
        Err(error) => Err(Error::new(ErrorKind::Unsupported, "an archive holds docker names only")
            .caused_by(error)),
    });
    Ok(without_repeats(canonical.collect::<Result<_>>()?))
}
