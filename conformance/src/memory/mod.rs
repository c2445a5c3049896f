//! A correct transport to read and to break in tests (the one to begin with is the scaffold): images in memory,
//! `mem:PLACE[:NAME|#INDEX]`.

mod archive;
mod destination;
mod fixture;
mod reader;
mod tars;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, CollectOptions, Collected, Collection, DeleteMode,
    DeleteOptions, Deletion, Digest, Error, ErrorKind, ImageDestination, ImageName, ImageSource,
    ReadOptions, Reference, Result, Transport, WriteMode, WriteOptions,
};

use crate::Layers;
use archive::Archive;
use destination::{Destination, Target};
use reader::{Reader, Source};
use writer::Writer;

/// What stands before the colon.
const SCHEME: &str = "mem";

/// Images in memory, and a [`Fixture`](crate::Fixture) of itself. Clones share the images.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    places: Arc<Mutex<HashMap<String, Arc<Archive>>>>,
    layers: Layers,
    room: Room,
    formats: Formats,
}

/// Which manifests a place takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Formats {
    #[default]
    Any,
    /// Those of OCI.
    Oci,
}

/// How many images a place holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Room {
    #[default]
    Many,
    /// One, which is the place.
    One,
}

/// A parsed locator.
#[derive(Clone, Debug)]
struct Locator {
    place: String,
    select: Select,
}

#[derive(Clone, Debug)]
enum Select {
    Sole,
    Name(ImageName),
    Index(usize),
}

impl Memory {
    /// Where nothing is yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No images, in a place that takes tars alone as layers, as places do that unpack them. Images have to come whole.
    pub fn of_tars() -> Self {
        Self { layers: Layers::Tars, ..Self::default() }
    }

    /// No images, in a place that takes OCI's manifests and indexes alone.
    pub fn of_oci() -> Self {
        Self { formats: Formats::Oci, ..Self::default() }
    }

    /// No images, in places that hold one each and are its name, as a folder may be: `mem:PLACE`.
    pub fn of_one() -> Self {
        Self { room: Room::One, ..Self::default() }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<String, Arc<Archive>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, place: &str) -> Result<Arc<Archive>> {
        self.places().get(place).cloned().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("nothing is at {SCHEME}:{place}"))
        })
    }

    /// Where a place is its image, nothing stands behind it.
    fn locator(&self, text: &str) -> Result<Locator> {
        let locator = Locator::parse(text)?;
        match locator.select {
            Select::Name(_) | Select::Index(_) if self.room == Room::One => {
                Err(invalid(text, "a place holds one image, and is its name"))
            }
            _ => Ok(locator),
        }
    }

    /// Refuses what a place of one image cannot do.
    fn check_room(&self, at: &Reference, how: &WriteOptions) -> Result<()> {
        let why = match how.names.first() {
            _ if self.room == Room::Many => return Ok(()),
            Some(name) => format!("{at} keeps no names, and cannot keep {name}"),
            None if how.mode == Some(WriteMode::Append) => format!("{at} holds one image"),
            None => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported, why).hint("write to another place"))
    }

    /// A blob of any image in the place that a reference means; `None` where it is not there.
    fn blob(&self, digest: &Digest, from: &Reference) -> Option<Bytes> {
        let place = Locator::of(from).ok()?.place;
        let archive = self.open(&place).ok()?;
        archive.0.iter().find_map(|image| image.parts.blobs.get(digest).cloned())
    }

    /// Changes an archive that is there, or a new one, all at once.
    fn change(
        &self,
        place: &str,
        mode: WriteMode,
        change: impl FnOnce(&mut Archive) -> Result<()>,
    ) -> Result<()> {
        let mut places = self.places();
        let mut archive = Archive::base(places.get(place), mode, place)?;
        change(&mut archive)?;
        places.insert(place.to_owned(), Arc::new(archive));
        Ok(())
    }
}

impl Locator {
    fn parse(text: &str) -> Result<Self> {
        let cut = text.find([':', '#']).unwrap_or(text.len());
        let (place, rest) = text.split_at(cut);
        if place.is_empty() || place.chars().any(char::is_control) {
            return Err(invalid(text, "the place is empty or has control characters"));
        }
        let select = match (rest.strip_prefix(':'), rest.strip_prefix('#')) {
            (Some(name), _) => Select::Name(ImageName::new(name)?),
            (_, Some(index)) => Select::Index(parse_index(text, index)?),
            _ => Select::Sole,
        };
        Ok(Self { place: place.to_owned(), select })
    }

    fn of(at: &Reference) -> Result<Self> {
        Self::parse(at.locator_in(SCHEME)?)
    }

    fn with(&self, select: Select) -> Self {
        Self { place: self.place.clone(), select }
    }

    fn reference(&self) -> Reference {
        let place = &self.place;
        Reference::new(
            SCHEME,
            match &self.select {
                Select::Sole => place.clone(),
                Select::Name(name) => format!("{place}:{name}"),
                Select::Index(at) => format!("{place}#{at}"),
            },
        )
    }
}

fn parse_index(text: &str, index: &str) -> Result<usize> {
    let parsed = index.parse::<usize>().ok().filter(|at| at.to_string() == index);
    parsed.ok_or_else(|| invalid(text, "the index is no number, or not written as numbers are"))
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{SCHEME}:{text}: {why}"))
        .hint("the form is PLACE, PLACE:NAME or PLACE#INDEX")
}

#[async_trait]
impl Transport for Memory {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        match self.room {
            Room::Many => "PLACE[:NAME|#INDEX]",
            Room::One => "PLACE",
        }
    }

    fn default_mode(&self) -> WriteMode {
        match self.room {
            Room::Many => WriteMode::Append,
            Room::One => WriteMode::Replace,
        }
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Ok(self.locator(locator)?.reference())
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let locator = self.locator(at.locator_in(SCHEME)?)?;
        let image = self.open(&locator.place)?.choose(&locator, at)?;
        Ok(Box::new(Source::new(at.clone(), image)))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let locator = self.locator(at.locator_in(SCHEME)?)?;
        self.check_room(at, how)?;
        let mut names = match &locator.select {
            Select::Sole => Vec::new(),
            Select::Name(name) => vec![name.clone()],
            Select::Index(_) => return Err(invalid(at.locator(), "an index is for reading")),
        };
        names.extend(how.names.iter().cloned());
        if names.is_empty() && self.room == Room::Many {
            names.clone_from(&how.fallback_names);
        }
        let mode = how.mode.unwrap_or(self.default_mode());
        let base = Archive::base(self.places().get(&locator.place), mode, &locator.place)?;
        let target = Target::Place { memory: self.clone(), mode };
        Ok(Box::new(Destination::new(locator, names, &base, self.clone(), target)))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        (self.room == Room::Many).then_some(self as &dyn Archives)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }

    fn collection(&self) -> Option<&dyn Collection> {
        Some(self)
    }
}

#[async_trait]
impl Archives for Memory {
    async fn read(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let locator = Locator::of(at)?.with(Select::Sole);
        let archive = self.open(&locator.place)?;
        Ok(Box::new(Reader::new(&locator, &archive)))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let locator = Locator::of(at)?;
        if !matches!(locator.select, Select::Sole) {
            return Err(invalid(at.locator(), "names are given to each image of an archive"));
        }
        let mode = how.mode.unwrap_or(WriteMode::Append);
        let base = Archive::base(self.places().get(&locator.place), mode, &locator.place)?;
        Ok(Box::new(Writer::new(self.clone(), locator, mode, base)))
    }
}

#[async_trait]
impl Collection for Memory {
    /// What an image is made of goes with it: there is never anything to collect.
    async fn collect(&self, at: &Reference, _: &CollectOptions) -> Result<Collected> {
        self.open(&Locator::of(at)?.place)?;
        Ok(Collected::default())
    }
}

#[async_trait]
impl Deletion for Memory {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        self.delete_where(at, None, how)
    }

    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        self.delete_where(at, Some(root), how)
    }
}

impl Memory {
    fn delete_where(
        &self,
        at: &Reference,
        root: Option<&Digest>,
        how: &DeleteOptions,
    ) -> Result<()> {
        let locator = self.locator(at.locator_in(SCHEME)?)?;
        let mut places = self.places();
        let nothing = || Error::new(ErrorKind::NotFound, format!("nothing is at {at}"));
        let mut archive = places.get(&locator.place).ok_or_else(nothing)?.as_ref().clone();
        let image = archive.choose(&locator, at)?;
        if root.is_some_and(|root| *root != image.root.descriptor().digest) {
            return Err(Error::new(ErrorKind::Conflict, format!("{at} is another image")));
        }
        archive.remove(&locator, at, how.names)?;
        if how.mode == DeleteMode::Look {
            return Ok(());
        }
        if archive.0.is_empty() && self.room == Room::One {
            places.remove(&locator.place);
        } else {
            places.insert(locator.place, Arc::new(archive));
        }
        Ok(())
    }
}
