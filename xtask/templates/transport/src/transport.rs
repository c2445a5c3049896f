//! [`Scaffold`]: the transport.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{ArchiveReader, ArchiveWriter, Archives, Cancel, Candidate, DeleteMode, DeleteOptions, Deletion, Digest, Error, ErrorKind, Identity, ImageDestination, ImageSource, ReadOptions, Recognized, Reference, Result, ResultExt, Shows, Transport, WriteMode, WriteOptions, run_blocking};
use transship_local::LockWait;

use crate::archive::{Reader, Writer};
use crate::destination::Destination;
use crate::images::Blobs;
use crate::reference::{Locator, Select, locator, reference};
use crate::source::Source;
use crate::store::{Archive, Store};
use crate::writing::{Begun, Place, Writing};

pub(crate) const SCHEME: &str = "scaffold";

/// Images in @where@. Clones share what they keep.
#[derive(Clone, Debug, Default)]
pub struct Scaffold {
    // Decide: what is configured once, a client or a timeout, and not with each call.
    store: Store,
}

impl Scaffold {
    /// With nothing to be configured.
    pub fn new() -> Self {
        Self::default()
    }

    async fn open(&self, at: &Reference) -> Result<(Locator, Archive)> {
        let (locator, store) = (locator(at)?, self.store.clone());
        let path = PathBuf::from(&locator.path);
        let archive = run_blocking(move |cancel| store.open(&path, cancel));
        Ok((locator, archive.await.context(|| at)?))
    }

    async fn begin(&self, at: &Reference, how: &WriteOptions) -> Result<(Locator, Writing)> {
        let locator = locator(at)?;
        let place = Place {
            store: self.store.clone(),
            path: PathBuf::from(&locator.path),
            mode: how.mode.unwrap_or(self.default_mode()),
            wait: LockWait::from(how),
        };
        let begun = run_blocking(move |cancel| Begun::new(place, cancel));
        Ok((locator, Writing::new(begun.await.context(|| at)?)))
    }
}

#[async_trait]
impl Transport for Scaffold {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "PATH[:NAME|:@INDEX|@DIGEST]"
    }

    // Decide: what people expect who copy to a place that is there, and say nothing of it.
    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, text: &str) -> Result<Reference> {
        Locator::parse(text).map(|locator| reference(&locator))
    }

    // Decide: whether a bare path can be told to be a place of yours. Without it, people write the scheme.
    fn recognize(&self, found: &Candidate, cancel: &Cancel) -> Result<Option<Recognized>> {
        // Only text can name a place, and `-` is the standard input.
        let path = found.path().to_str().filter(|path| *path != "-");
        let Some(path) = path else { return Ok(None) };
        let place = Locator::of_path(path)?;
        let ours = self.store.recognizes(found, cancel)?;
        Ok(ours.then(|| Recognized::new(place.to_string())))
    }

    // Decide: what policies on trust call an image. Without it, a policy with scopes for this transport is never met.
    fn identity(&self, at: &Reference) -> Identity {
        let named = locator(at).map(|locator| self.store.identity(locator.path.as_ref()));
        named.unwrap_or_else(|_| Identity::with_unknown_scopes())
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let (locator, archive) = self.open(at).await?;
        let image = archive.images.choose(&locator.select).context(|| at)?.clone();
        Ok(Box::new(Source::new(reference(&locator), Arc::new(archive), image)))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let given = locator(at)?;
        let mut names = match &given.select {
            Select::None => Vec::new(),
            Select::Name(name) => vec![name.0.clone()],
            Select::Index(_) | Select::Digest(_) => {
                return Err(Error::new(ErrorKind::InvalidInput, "an index or a digest is for reading")
                    .context(at)
                    .hint(format!("write to {}", reference(&given.with(Select::None)))));
            }
        };
        names.extend(how.names.iter().cloned());
        if names.is_empty() {
            names.clone_from(&how.fallback_names);
        }
        let (locator, writing) = self.begin(at, how).await?;
        let writing = Arc::new(writing);
        Ok(Box::new(Destination::new(&locator, &names, writing, Shows::AtCommit)))
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
        let (locator, archive) = self.open(at).await?;
        Ok(Box::new(Reader::new(&locator.with(Select::None), archive)))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let given = locator(at)?;
        if given.select != Select::None {
            let message = "it names an image, and a place of images is written";
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .context(at)
                .hint(format!("write to {}", reference(&given.with(Select::None)))));
        }
        let (locator, writing) = self.begin(at, how).await?;
        Ok(Box::new(Writer::new(locator, writing)))
    }
}

#[async_trait]
impl Deletion for Scaffold {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        self.remove(at, None, how).await
    }

    // Decide: a place that cannot look and delete in one step leaves this out.
    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        self.remove(at, Some(root.clone()), how).await
    }
}

impl Scaffold {
    async fn remove(&self, at: &Reference, root: Option<Digest>, how: &DeleteOptions) -> Result<()> {
        let locator = locator(at)?;
        let place = Place {
            store: self.store.clone(),
            path: PathBuf::from(&locator.path),
            mode: WriteMode::Append,
            wait: LockWait::from(how),
        };
        let (names, mode) = (how.names, how.mode);
        let deleted = run_blocking(move |cancel| {
            let mut there = place.store.open(&place.path, cancel)?;
            if mode == DeleteMode::Look {
                return there.images.remove(&locator.select, root.as_ref(), names);
            }
            place.change(&Blobs::new(), cancel, &mut |images, _| {
                images.remove(&locator.select, root.as_ref(), names)
            })
        });
        deleted.await.context(|| at)
    }
}
