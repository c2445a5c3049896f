//! [`Image`]: one image that is served.

use std::sync::Arc;
use std::time::{Duration, Instant};

use transship_core::{
    ArchiveEntry, ArchiveReader, Descriptor, ImageSource, ReadOptions, Reference, Result, Transport,
};

use crate::names::Served;

/// How long what another machine has said of a tag holds.
pub(crate) const FRESH: Duration = Duration::from_secs(30);

/// One image of a place.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) served: Vec<Served>,
    pub(crate) reference: Reference,
    origin: Origin,
    /// Whether asking costs requests to another machine, which also may have another image by this name meanwhile.
    pub(crate) is_remote: bool,
    opened: tokio::sync::Mutex<Option<(Instant, Arc<Opened>)>>,
}

#[derive(Debug)]
enum Origin {
    Archive(Arc<dyn ArchiveReader>, ArchiveEntry),
    Alone(Arc<dyn Transport>, ReadOptions),
}

/// An image that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) source: Box<dyn ImageSource>,
    pub(crate) root: Descriptor,
}

impl Image {
    pub(crate) fn of_archive(
        reader: Arc<dyn ArchiveReader>,
        entry: ArchiveEntry,
        served: Vec<Served>,
        is_remote: bool,
    ) -> Self {
        let reference = entry.reference.clone();
        let origin = Origin::Archive(reader, entry);
        Self { served, reference, origin, is_remote, opened: tokio::sync::Mutex::default() }
    }

    pub(crate) fn alone(
        transport: Arc<dyn Transport>,
        reference: Reference,
        how: ReadOptions,
        served: Vec<Served>,
    ) -> Self {
        let is_remote = transport.compares_roots();
        let origin = Origin::Alone(transport, how);
        Self { served, reference, origin, is_remote, opened: tokio::sync::Mutex::default() }
    }

    /// Opens it, if that was not done before.
    pub(crate) async fn opened(&self) -> Result<Arc<Opened>> {
        let mut known = self.opened.lock().await;
        if let Some((at, opened)) = &*known
            && (!self.is_remote || at.elapsed() < FRESH)
        {
            return Ok(Arc::clone(opened));
        }
        let source = match &self.origin {
            Origin::Archive(reader, entry) => reader.open(entry).await?,
            Origin::Alone(transport, how) => transport.source(&self.reference, how).await?,
        };
        let opened = Arc::new(Opened::new(source).await?);
        *known = Some((Instant::now(), Arc::clone(&opened)));
        Ok(opened)
    }
}

impl Opened {
    pub(crate) async fn new(source: Box<dyn ImageSource>) -> Result<Self> {
        let root = match source.root_descriptor() {
            Some(known) => known.clone(),
            None => source.root().await?.descriptor().clone(),
        };
        Ok(Self { source, root })
    }
}
