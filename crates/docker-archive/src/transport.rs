//! [`DockerArchive`]: the transport.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use transship_archive::docker_save::MANIFEST_NAME;
use transship_archive::{COMPRESSOR_OPTION, Compressor, TarIndex, comes_once};
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, Cancel, Candidate, DeleteMode, DeleteOptions, Deletion,
    ImageDestination, ImageSource, OnePass, Passed, ReadOptions, Recognized, Reference, Result,
    ResultExt, Settings, Staging, Transport, WriteMode, WriteOptions, register_transport,
    run_blocking,
};
use transship_local::{LockWait, PathText};

use crate::SCHEME;
use crate::archive::{self, Reader, Writer};
use crate::delete;
use crate::reference::{Locator, Selector, reference_to};
use crate::source::Source;

/// Images in the archives of `docker save`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DockerArchive {
    compressor: Option<Compressor>,
}

impl DockerArchive {
    /// The transport. What it writes is compressed as its suffix says.
    pub fn new() -> Self {
        Self::default()
    }

    /// As the setting `docker-archive.archive-compress` says.
    ///
    /// # Errors
    /// See [`Compressor::parse`].
    pub fn with_settings(settings: &Settings) -> Result<Self> {
        let compressor =
            settings.get(SCHEME, "archive-compress").map(Compressor::parse).transpose();
        let compressor = compressor.context(|| "docker-archive.archive-compress")?;
        Ok(Self { compressor })
    }
}

register_transport!(SCHEME, [COMPRESSOR_OPTION], |settings: &Settings| {
    Ok(Arc::new(DockerArchive::with_settings(settings)?))
});

#[async_trait]
impl Transport for DockerArchive {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "PATH[:NAME|:@INDEX|@DIGEST]"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Create
    }

    async fn holds_indexes(&self, _: &Reference) -> Result<bool> {
        Ok(false)
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Ok(reference_to(&Locator::parse(locator)?))
    }

    fn recognize(&self, found: &Candidate, cancel: &Cancel) -> Result<Option<Recognized>> {
        let Some((tar, opened)) = TarIndex::of_candidate(found, cancel)? else { return Ok(None) };
        // With an index.json it is a layout, for docker too.
        if tar.contains("index.json") || !tar.contains(MANIFEST_NAME) {
            return Ok(None);
        }
        // Only text can name the place.
        let path = found.path().to_str().map(|path| PathText(path).to_string());
        Ok(path.map(|path| Recognized::new(path).opened(opened)))
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(Source::open(locator_of(at)?, how.clone()).await?))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        Ok(Box::new(archive::sole_image(locator_of(at)?, self.compressor, how.clone()).await?))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl Deletion for DockerArchive {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        if how.mode == DeleteMode::Look {
            let read = ReadOptions::default().with_observer(how.observer.clone());
            return self.source(at, &read).await.map(drop);
        }
        let (locator, wait, names) = (locator_of(at)?, LockWait::from(how), how.names);
        run_blocking(move |cancel| delete::delete(&locator, names, &wait, cancel))
            .await
            .context(|| at)
    }
}

#[async_trait]
impl Archives for DockerArchive {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        Ok(Box::new(Reader::open(locator_of(at)?, how.clone()).await?))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        Ok(Box::new(Writer::begin(locator_of(at)?, self.compressor, how.clone()).await?))
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }
}

#[async_trait]
impl OnePass for DockerArchive {
    async fn comes_once(&self, at: &Reference) -> bool {
        locator_of(at).is_ok_and(|locator| comes_once(Path::new(&locator.path)))
    }

    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed> {
        let place = locator_of(at)?.with(Selector::None);
        let passed = transship_archive::pass(Path::new(&place.path), how, into).await;
        passed.context(|| reference_to(&place))
    }
}

fn locator_of(at: &Reference) -> Result<Locator> {
    Locator::of_place(at.locator_in(SCHEME)?)
}
