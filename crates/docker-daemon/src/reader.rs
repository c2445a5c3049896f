//! [`Reader`]: the images of an engine.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, DockerName, Document, Error, ErrorKind, ImageName, ImageSource,
    ReadOptions, Reference, Result, parse_digest,
};

use crate::api::Engine;
use crate::reference::Locator;
use crate::save;
use crate::source::{self, Source};

/// The images of an engine: those that it lists, or those of a save.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    entries: Vec<ArchiveEntry>,
    engine: Arc<Engine>,
    how: ReadOptions,
    saved: Option<Box<dyn ArchiveReader>>,
}

impl Reader {
    pub(crate) async fn open(engine: Arc<Engine>, how: &ReadOptions) -> Result<Self> {
        let how = how.clone();
        let saved = match how.passed.clone() {
            Some(passed) => source::reader(passed, &how).await?,
            None => None,
        };
        let entries = match &saved {
            Some(saved) => of_save(&**saved).await?,
            None => listed(&engine).await?,
        };
        Ok(Self { reference: Locator::All.reference(), entries, engine, how, saved })
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

    fn details_are_costly(&self) -> bool {
        self.saved.is_none()
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let ours = self.entries.get(entry.index).filter(|ours| ours.reference == entry.reference);
        if ours.is_none() {
            let message = format!("{} is no image of it", entry.reference);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let at = Locator::of(&entry.reference)?;
        if let Some(saved) = &self.saved
            && let Some(inner) = saved.entries().get(entry.index)
        {
            return Ok(Box::new(Kept::of(&at, saved.open(inner).await?, entry)));
        }
        let passed = save::pass(&self.engine, &at, &self.how, None).await?;
        Ok(Box::new(Kept::of(&at, Box::new(Source::open(&at, passed, &self.how).await?), entry)))
    }
}

/// Sources of entries, which have all of the entry's names.
#[derive(Debug)]
struct Kept {
    names: Vec<ImageName>,
    source: Source,
}

impl Kept {
    fn of(at: &Locator, inner: Box<dyn ImageSource>, entry: &ArchiveEntry) -> Self {
        Self { names: entry.names.clone(), source: Source::new(at, inner) }
    }
}

impl transship_core::WrapSource for Kept {
    fn inner(&self) -> &dyn ImageSource {
        &self.source
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }
}

/// What the engine lists, by name.
async fn listed(engine: &Engine) -> Result<Vec<ArchiveEntry>> {
    let images = engine.images().await?;
    images
        .iter()
        .enumerate()
        .map(|(at, image)| {
            let raw: Vec<_> = image.names().cloned().collect();
            let names: Vec<_> = raw.iter().filter_map(|raw| DockerName::parse(raw).ok()).collect();
            let locator = match names.first() {
                Some(name) => Locator::Name(name.clone()),
                None => Locator::Id(parse_digest(&image.id)?),
            };
            let mut entry = ArchiveEntry::new(at, locator.reference());
            entry.names = names.iter().map(ImageName::from).collect();
            entry.raw_names = raw;
            Ok(entry)
        })
        .collect()
}

/// What a save has. An image without a name is known by its ID, which is the digest of its config.
async fn of_save(saved: &dyn ArchiveReader) -> Result<Vec<ArchiveEntry>> {
    let mut entries = Vec::new();
    for inner in saved.entries() {
        let named = inner.names.iter().find_map(ImageName::docker);
        let locator = if let Some(name) = named {
            Locator::Name(name)
        } else {
            let root = saved.open(inner).await?.root().await?;
            let id = match root.document() {
                Document::Image(image) => &image.config.digest,
                _ => &root.descriptor().digest,
            };
            Locator::Id(id.clone())
        };
        let mut entry = inner.clone();
        entry.reference = locator.reference();
        entries.push(entry);
    }
    Ok(entries)
}
