//! Sources: a save is read by the transport of its format.

use std::sync::Arc;

use async_trait::async_trait;
use transship_archive::TarIndex;
use transship_archive::docker_save::MANIFEST_NAME;
use transship_archive::layout::{INDEX_FILE, LAYOUT_FILE};
use transship_core::{
    ArchiveReader, Archives, Digest, Document, Error, ErrorKind, ImageName, ImageSource, Passed,
    ReadOptions, Reference, Referrers, Result, Transport, WrapSource,
};
use transship_docker_archive::DockerArchive;
use transship_oci_layout::OciArchive;

use crate::engine::{Engine, Locator, image_names, no_images, sole};
use crate::save::Saves;

/// What the transport of the format calls the tar.
const PLACE: &str = "saved";

/// Reads one image of a save, or all.
trait Format: Transport + Archives {}
impl<T: Transport + Archives> Format for T {}

/// The transport that reads a save, and what it calls it. A save that is a layout has digests that the engine knows.
fn format(passed: &Passed) -> (Box<dyn Format>, &'static str) {
    let index: Option<Arc<TarIndex>> = passed.get();
    let layout = index.is_some_and(|index| {
        index.contains(INDEX_FILE) && index.contains(LAYOUT_FILE) || !index.contains(MANIFEST_NAME)
    });
    if layout {
        (Box::new(OciArchive::new()), "oci-archive")
    } else {
        (Box::new(DockerArchive::new()), transship_docker_archive::SCHEME)
    }
}

/// One image of a save.
#[derive(Debug)]
pub(crate) struct Source {
    reference: Reference,
    names: Vec<ImageName>,
    inner: Box<dyn ImageSource>,
}

impl Source {
    /// The image of a save that a locator names.
    pub(crate) async fn open(
        engine: &dyn Engine,
        at: &Locator,
        passed: &Passed,
        how: &ReadOptions,
    ) -> Result<Self> {
        let saves = saves(passed)?;
        // Of one image there are several where it has more names than a request.
        let first = saves.0.first().ok_or_else(no_images)?;
        let (transport, scheme) = format(first);
        let how = how.clone().with_passed(Some(first.clone()));
        let opened = transport.source(&Reference::new(scheme, PLACE), &how).await;
        let inner = match (opened, at) {
            (Err(error), Locator::Name(name)) if error.kind() == ErrorKind::Ambiguous => {
                transport.source(&Reference::new(scheme, format!("{PLACE}:{name}")), &how).await?
            }
            (Err(error), Locator::Id(id)) if error.kind() == ErrorKind::Ambiguous => {
                let all = transport.read(&Reference::new(scheme, PLACE), &how).await?;
                by_id(&*all, id).await?.ok_or(error)?
            }
            (opened, _) => opened.map_err(cut)?,
        };
        // A save has the name alone by which it was asked for, and a layout a part of it.
        let names = match at.in_engine() {
            Some(image) => image_names(engine.inspect(&image).await?.names()),
            None if saves.0.len() > 1 => image_names(sole(&engine.images().await?)?.names()),
            None => inner.names().to_vec(),
        };
        Ok(Self::new(engine, at, names, inner))
    }

    pub(crate) fn new(
        engine: &dyn Engine,
        at: &Locator,
        names: Vec<ImageName>,
        inner: Box<dyn ImageSource>,
    ) -> Self {
        Self { reference: engine.reference(at), names, inner }
    }
}

#[async_trait]
impl WrapSource for Source {
    fn inner(&self) -> &dyn ImageSource {
        &*self.inner
    }

    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    /// A save has nothing that refers to its images.
    fn referrers(&self) -> Option<&dyn Referrers> {
        None
    }
}

/// The image whose ID that is: the digest of its config, or of its root.
async fn by_id(all: &dyn ArchiveReader, id: &Digest) -> Result<Option<Box<dyn ImageSource>>> {
    for entry in all.entries() {
        let source = all.open(entry).await?;
        let root = source.root().await?;
        let config = match root.document() {
            Document::Image(image) => Some(&image.config.digest),
            _ => None,
        };
        if root.descriptor().digest == *id || config == Some(id) {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

/// All images, of each save.
pub(crate) async fn readers(
    passed: &Passed,
    how: &ReadOptions,
) -> Result<Vec<Box<dyn ArchiveReader>>> {
    let mut readers = Vec::new();
    for save in &saves(passed)?.0 {
        let (format, scheme) = format(save);
        let how = how.clone().with_passed(Some(save.clone()));
        readers.push(format.read(&Reference::new(scheme, PLACE), &how).await.map_err(cut)?);
    }
    Ok(readers)
}

fn saves(passed: &Passed) -> Result<Arc<Saves>> {
    passed.get().ok_or_else(|| {
        let message = "what was read before, to be opened now, did not come from an engine";
        Error::new(ErrorKind::InvalidInput, message)
            .hint("open it without `ReadOptions::passed`, or with what its own `pass` gave")
    })
}

/// What was asked for is there, and its save has not got it: the save was cut where a layer ends in zeros, as a whole tar does.
fn cut(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    Error::new(ErrorKind::Corrupt, "the engine's save ends early").caused_by(error)
}
