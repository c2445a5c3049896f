//! [`Reader`]: the images of an engine.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, Digest, DockerName, Document, EntryDetails, Error, ErrorKind,
    ImageName, ImageSource, Manifest, ReadOptions, Reference, Result, ResultExt, parse_digest,
};

use crate::engine::{Engine, Listed, Locator, Store, no_images};
use crate::save;
use crate::source::{self, Source};

/// The images of an engine: those that it lists, or those of its saves.
#[derive(Debug)]
pub(crate) struct Reader {
    reference: Reference,
    entries: Vec<ArchiveEntry>,
    /// Of each entry.
    locators: Vec<Locator>,
    /// Of each entry that the engine lists. A name may be another image's when the entry is opened.
    ids: Vec<Digest>,
    /// Of each entry, which save has it, and where.
    in_saves: Vec<(usize, usize)>,
    engine: Arc<dyn Engine>,
    how: ReadOptions,
    saves: Option<Vec<Box<dyn ArchiveReader>>>,
}

impl Reader {
    pub(crate) async fn open(engine: Arc<dyn Engine>, how: &ReadOptions) -> Result<Self> {
        let how = how.clone();
        let saves = match &how.passed {
            Some(passed) => Some(source::readers(passed, &how).await?),
            None => None,
        };
        let (mut in_saves, mut ids) = (Vec::new(), Vec::new());
        let found: Vec<Found>;
        if let Some(saves) = &saves {
            (found, in_saves) = of_saves(&*engine, saves).await?.into_iter().unzip();
        } else {
            (found, ids) = listed(&*engine).await?.into_iter().unzip();
        }
        let (entries, locators) = found.into_iter().unzip();
        let reference = engine.reference(&Locator::All);
        Ok(Self { reference, entries, locators, ids, in_saves, engine, how, saves })
    }
}

impl Reader {
    fn locator(&self, entry: &ArchiveEntry) -> Result<&Locator> {
        let ours = self.entries.get(entry.index).filter(|ours| ours.reference == entry.reference);
        ours.and_then(|ours| self.locators.get(ours.index)).ok_or_else(|| {
            let message = format!("{} is no image of it", entry.reference);
            Error::new(ErrorKind::NotFound, message)
        })
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
        self.saves.is_none()
    }

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        if self.saves.is_some() {
            let source = self.open(entry).await?;
            return EntryDetails::read(&*source).await.context(|| &entry.reference);
        }
        // To read its manifest would be to save it.
        let image = self.locator(entry)?.to_string();
        self.engine.inspect(&image).await?.details().context(|| &entry.reference)
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let at = self.locator(entry)?;
        let engine = &*self.engine;
        if let Some(saves) = &self.saves
            && let Some((save, inner)) = self.in_saves.get(entry.index)
            && let Some(save) = saves.get(*save)
            && let Some(inner) = save.entries().get(*inner)
        {
            let inner = save.open(inner).await?;
            return Ok(Box::new(Source::new(engine, at, entry.names.clone(), inner)));
        }
        let passed = save::pass(engine, at, &self.how, None).await?;
        let source = Source::open(engine, at, &passed, &self.how).await?;
        let root = source.root().await?;
        let id = id_of(&root, engine.store().await?);
        if self.ids.get(entry.index).is_some_and(|listed| listed != id) {
            let message = "it is another image than the one that was listed";
            return Err(Error::new(ErrorKind::Conflict, message)
                .context(&entry.reference)
                .hint("list the images again"));
        }
        Ok(Box::new(source))
    }
}

type Found = (ArchiveEntry, Locator);

fn familiar(raw: &str) -> String {
    DockerName::parse(raw).map_or_else(|_| raw.to_owned(), |name| name.familiar())
}

/// What an engine calls an image: the digest of its config, or of its root where that is kept.
fn id_of(root: &Manifest, store: Store) -> &Digest {
    match root.document() {
        Document::Image(image) if store != Store::Containerd => &image.config.digest,
        _ => &root.descriptor().digest,
    }
}

/// What the engine lists, by name, and the ID of each.
async fn listed(engine: &dyn Engine) -> Result<Vec<(Found, Digest)>> {
    let images = engine.images().await?;
    if images.is_empty() {
        return Err(engine.not_there(no_images()).await);
    }
    images
        .iter()
        .enumerate()
        .map(|(at, image)| {
            let raw: Vec<_> = image.names().cloned().collect();
            let names: Vec<_> = raw.iter().filter_map(|raw| DockerName::parse(raw).ok()).collect();
            let id = parse_digest(&image.id)?;
            let locator = match names.first() {
                Some(name) => Locator::Name(name.clone()),
                None => Locator::Id(id.clone()),
            };
            let mut entry = ArchiveEntry::new(at, engine.reference(&locator));
            entry.names = names.iter().map(ImageName::from).collect();
            entry.raw_names = raw;
            Ok(((entry, locator), id))
        })
        .collect()
}

/// An image, in which save it is, and where.
type InSaves = (Found, (usize, usize));

/// The images of all saves.
async fn of_saves(engine: &dyn Engine, saves: &[Box<dyn ArchiveReader>]) -> Result<Vec<InSaves>> {
    let mut found = Vec::new();
    for (at, save) in saves.iter().enumerate() {
        let own = of_save(engine, &**save).await?;
        found.extend(own.into_iter().zip((0..).map(|inner| (at, inner))));
    }
    // docker with a graph driver saves images out of a map, in another order each time.
    if saves.len() > 1 || engine.store().await? == Store::GraphDriver {
        found = in_order(&engine.images().await?, found);
    }
    for (at, ((entry, _), _)) in found.iter_mut().enumerate() {
        // A layout counts each name of an image.
        entry.index = at;
    }
    Ok(found)
}

/// Images in the order of a listing. One whose names came in several saves is one.
fn in_order(listed: &[Listed], mut found: Vec<InSaves>) -> Vec<InSaves> {
    let mut places = HashMap::new();
    for (place, image) in listed.iter().enumerate() {
        let names = image.names().filter_map(|name| DockerName::parse(name).ok());
        places.extend(names.map(|name| (name.to_string(), place)));
        places.insert(image.id.clone(), place);
    }
    let place = |of: &Locator| places.get(&of.to_string()).copied();
    // What came meanwhile is last.
    found.sort_by_key(|((_, locator), _)| place(locator).unwrap_or(usize::MAX));
    found.dedup_by(|((next, locator), (other, _)), ((first, of), (save, _))| {
        // Two images of one save are two, also where a name has moved since.
        let is_same = other != save && place(locator).is_some_and(|at| place(of) == Some(at));
        if is_same {
            first.names.append(&mut next.names);
            first.raw_names.append(&mut next.raw_names);
        }
        is_same
    });
    found
}

/// What a save has. An image without a name is known by its ID.
async fn of_save(engine: &dyn Engine, saved: &dyn ArchiveReader) -> Result<Vec<Found>> {
    let store = engine.store().await?;
    let mut entries = Vec::new();
    for inner in saved.entries() {
        let named = inner.names.iter().find_map(ImageName::docker);
        let locator = if let Some(name) = named {
            Locator::Name(name)
        } else {
            let root = saved.open(inner).await?.root().await?;
            Locator::Id(id_of(&root, store).clone())
        };
        let mut entry = inner.clone();
        if store != Store::Podman {
            // As docker lists them: a layout has them in full.
            entry.raw_names = entry.raw_names.iter().map(|raw| familiar(raw)).collect();
        }
        entry.reference = engine.reference(&locator);
        entries.push((entry, locator));
    }
    Ok(entries)
}
