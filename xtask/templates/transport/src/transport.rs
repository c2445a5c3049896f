//! [`Scaffold`]: the transport.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{ArchiveReader, ArchiveWriter, Archives, DeleteOptions, Deletion, Error, ErrorKind, ImageDestination, ImageSource, ReadOptions, Reference, Result, ResultExt, Shows, Transport, WriteMode, WriteOptions};

use crate::archive::{Reader, Writer};
use crate::destination::{Destination, Place};
use crate::reference::{Locator, Select};
use crate::source::Source;
use crate::store::Store;

pub(crate) const SCHEME: &str = "scaffold";

/// Images in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Scaffold {
    // Decide: what is configured once, a client or a timeout, and not with each call.
    store: Store,
}

impl Scaffold {
    /// Where nothing is yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn begin(&self, locator: Locator, how: &WriteOptions) -> Result<Place> {
        let mode = how.mode.unwrap_or(self.default_mode());
        let base = self.store.base(&locator.place, mode)?;
        Ok(Place { store: self.store.clone(), locator, mode, base })
    }
}

#[async_trait]
impl Transport for Scaffold {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "PLACE[:NAME|:@INDEX|@DIGEST]"
    }

    // Decide: what people expect who copy to a place that is there, and say nothing of it.
    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Ok(Locator::parse(locator)?.reference())
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let locator = Locator::of(at)?;
        let container = self.store.open(&locator.place).context(|| at)?;
        let image = container.choose(&locator.select).context(|| at)?.clone();
        Ok(Box::new(Source::new(locator.reference(), container, image)))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let locator = Locator::of(at)?;
        let mut names = match &locator.select {
            Select::Only => Vec::new(),
            Select::Name(name) => vec![name.clone()],
            Select::Index(_) | Select::Digest(_) => {
                let message = format!("{at}: an index or a digest is for reading");
                return Err(Error::new(ErrorKind::InvalidInput, message)
                    .hint(format!("write to {}", locator.with(Select::Only).reference())));
            }
        };
        names.extend(how.names.iter().cloned());
        if names.is_empty() {
            names.clone_from(&how.fallback_names);
        }
        let place = self.begin(locator, how).context(|| at)?;
        Ok(Box::new(Destination::new(place, &names, Arc::default(), Shows::AtCommit)))
    }

    // Decide: a place that holds one image has no archives.
    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    // Decide: a place that cannot delete has no deletion.
    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl Archives for Scaffold {
    async fn read(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let locator = Locator::of(at)?.with(Select::Only);
        let container = self.store.open(&locator.place).context(|| at)?;
        Ok(Box::new(Reader::new(&locator, container)))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let locator = Locator::of(at)?;
        if locator.select != Select::Only {
            let message = format!("{at} names an image, and a place of images is written");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint(format!("write to {}", locator.with(Select::Only).reference())));
        }
        Ok(Box::new(Writer::new(self.begin(locator, how).context(|| at)?)))
    }
}

#[async_trait]
impl Deletion for Scaffold {
    async fn delete(&self, at: &Reference, _: &DeleteOptions) -> Result<()> {
        let locator = Locator::of(at)?;
        self.store.open(&locator.place).context(|| at)?;
        self.store
            .change(&locator.place, WriteMode::Append, |container| {
                container.remove(&locator.select)
            })
            .context(|| at)
    }
}
