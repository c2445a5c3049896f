//! [`Destination`]: one image being written.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Mutex, OnceCell};
use transship_core::{
    Accepts, AcceptsManifests, AcceptsNames, AcceptsOrder, AcceptsReferrers, Artifacts, Body,
    Cache, Commit, Committed, Digest, DockerName, Document, Error, ErrorKind, Expect, FileRange,
    ImageDestination, ImageName, LayerForm, LayerType, Manifest, MediaType, Observer, Reference,
    Result, ResultExt, Sparse, Stored, WriteOptions, media_types, run_blocking, spool_folder,
};
use transship_local::spool_file;

use crate::engine::{Engine, Inspected, Locator, Store};
use crate::known::Known;
use crate::load::Load;
use crate::nameless::{Nameless, Taken};
use crate::unpacked::unpacked;

/// A blob of at most this many bytes is read before any of it is sent: when it is damaged, the image goes on without it.
const HELD: u64 = 4 << 20;

/// One image being written.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) store: Store,
    pub(crate) reference: Reference,
    pub(crate) names: Vec<DockerName>,
    shown_names: Vec<ImageName>,
    pub(crate) taken: Taken,
    /// Whether another image of the same writer gets one of the names before.
    pub(crate) is_behind: bool,
    pub(crate) accepts: Accepts,
    spool: Option<PathBuf>,
    pub(crate) cache: Cache,
    pub(crate) observer: Observer,
    pub(crate) writing: Mutex<Writing>,
    /// What was put.
    blobs: Lock<HashMap<Digest, u64>>,
    /// What of that was sent decompressed.
    unpacked: Lock<HashSet<Digest>>,
    /// What the engine has, and was not put.
    found: Lock<HashMap<Digest, u64>>,
    known: OnceCell<Known>,
    manifests: Lock<HashMap<Digest, Manifest>>,
}

#[derive(Debug)]
pub(crate) enum Writing {
    NotBegun,
    Open(Load),
    /// The engine has it.
    Loaded(Nameless),
    /// A blob was not whole: so is the tar not. Why.
    Broken(String),
}

impl Writing {
    /// For the time of a step that may be given up.
    pub(crate) fn given_up() -> Self {
        Self::Broken("it was given up".to_owned())
    }
}

impl Destination {
    pub(crate) async fn open(
        engine: Arc<dyn Engine>,
        names: Vec<DockerName>,
        how: &WriteOptions,
    ) -> Result<Self> {
        let store = engine.store().await?;
        let first = names.first().map_or(Locator::All, |name| Locator::Name(name.clone()));
        Ok(Self {
            reference: engine.reference(&first),
            engine,
            store,
            shown_names: names.iter().map(ImageName::from).collect(),
            names,
            taken: how.mode.into(),
            is_behind: false,
            accepts: accepts(store),
            spool: how.spool.clone(),
            cache: how.cache.clone(),
            observer: how.observer.clone(),
            writing: Mutex::new(Writing::NotBegun),
            blobs: Lock::default(),
            unpacked: Lock::default(),
            found: Lock::default(),
            known: OnceCell::new(),
            manifests: Lock::default(),
        })
    }

    pub(crate) fn blobs(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unpacked(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.unpacked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn found(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn manifests(&self) -> MutexGuard<'_, HashMap<Digest, Manifest>> {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body whose digest and size are known, which a tar needs before the bytes.
    async fn described(&self, body: Body) -> Result<(Stored, Body)> {
        let expected = body.expected().clone();
        let size = body.size().or(expected.size);
        match (expected.digest, size) {
            (Some(digest), Some(size)) if size <= HELD => {
                let bytes = body.bytes(HELD).await?;
                let stored = Stored::new(digest, size);
                Ok((stored, Body::from_bytes(bytes)))
            }
            (Some(digest), Some(size)) => Ok((Stored::new(digest, size), body)),
            _ => self.spooled(body).await,
        }
    }

    /// The ID that an image has here.
    pub(crate) fn id_of<'m>(&self, root: &'m Manifest) -> &'m Digest {
        match root.document() {
            Document::Image(image) if self.store != Store::Containerd => &image.config.digest,
            _ => &root.descriptor().digest,
        }
    }

    /// Whether each of the names stands for an image already, of which nothing is missing.
    async fn stands_for(&self, root: &Manifest) -> bool {
        if self.names.is_empty() || self.is_behind {
            return false;
        }
        let id = self.id_of(root).to_string();
        for name in &self.names {
            // A hint that cannot be had is none.
            let found = self.engine.inspect(&name.to_string()).await;
            let is_it = |found: Inspected| {
                // podman gives an image of a list by the list's name.
                found.id == id && has_name(&found, name) && self.is_whole(&found)
            };
            if !found.is_ok_and(is_it) {
                return false;
            }
        }
        true
    }

    /// What a graph driver has is whole.
    fn is_whole(&self, found: &Inspected) -> bool {
        let parts = found.manifests.as_ref();
        self.store != Store::Containerd
            || parts
                .is_some_and(|parts| !parts.is_empty() && parts.iter().all(|part| part.available))
    }

    fn references(&self) -> Vec<Reference> {
        let at = |name: &DockerName| self.engine.reference(&Locator::Name(name.clone()));
        self.names.iter().map(at).collect()
    }

    async fn put(&self, expect: Expect, body: Body) -> Result<Stored> {
        let unpacks = is_zstd(expect.media_type.as_ref()) && !self.engine.takes_zstd().await?;
        let body = body.expecting(&expect)?;
        let (stored, size, body) = if unpacks {
            unpacked(body, spool_folder(self.spool.as_ref())).await?
        } else {
            let (stored, body) = self.described(body).await?;
            (stored.clone(), stored.size, body)
        };
        let mut writing = self.writing.lock().await;
        if self.blobs().contains_key(&stored.digest) {
            return run_blocking(move |cancel| body.chunks(cancel)?.finish()).await.map(|_| stored);
        }
        // Also when this future is dropped.
        let load = match std::mem::replace(&mut *writing, Writing::given_up()) {
            Writing::NotBegun => Load::begin(&self.engine),
            Writing::Open(load) => load,
            Writing::Loaded(_) => return Err(broken("the image is loaded already")),
            Writing::Broken(why) => {
                let error = broken(&why);
                *writing = Writing::Broken(why);
                return Err(error);
            }
        };
        let digest = stored.digest.clone();
        let (put, load) =
            run_blocking(move |cancel| Ok((load.put_blob(&digest, size, body, cancel), load)))
                .await?;
        if let Err(error) = put {
            // What it said is the reason.
            let error = match error.kind() {
                ErrorKind::Unavailable => load.refusal().await.unwrap_or(error),
                _ => error,
            };
            *writing = Writing::Broken(error.to_string());
            return Err(error);
        }
        *writing = Writing::Open(load);
        self.found().remove(&stored.digest);
        if unpacks {
            self.unpacked().insert(stored.digest.clone());
        }
        self.blobs().insert(stored.digest.clone(), stored.size);
        Ok(stored)
    }

    async fn spooled(&self, body: Body) -> Result<(Stored, Body)> {
        let folder = spool_folder(self.spool.as_ref());
        let (folder, file) = run_blocking(move |_| {
            let file = Arc::new(spool_file(&folder)?);
            Ok((folder, file))
        })
        .await?;
        let stored = body.copy_to_file(Arc::clone(&file), &folder).await?;
        let range = FileRange::new(file, folder.as_path(), 0, stored.size);
        Ok((stored, Body::from_file(range)))
    }
}

#[async_trait]
impl ImageDestination for Destination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.shown_names
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let put = self.blobs().get(digest).copied();
        if let Some(size) = put {
            return Ok(want.of_size(size));
        }
        // Such a layer goes with all others: see the commit.
        if self.store == Store::Podman && is_zstd(want.media_type.as_ref()) {
            return Ok(None);
        }
        let (Some(size), Some(memory)) = (want.size, self.engine.memory().await?) else {
            return Ok(None);
        };
        let known = self.known.get_or_init(|| memory.known(&*self.engine, self.store, &self.cache));
        if !known.await.has(want) || memory.is_wrong() {
            return Ok(None);
        }
        self.found().insert(digest.clone(), size);
        Ok(want.of_size(size))
    }

    async fn verify_found(&self, what: Commit<'_>) -> Result<Vec<Digest>> {
        if self.found().is_empty() {
            return Ok(Vec::new());
        }
        self.load_parts(what).await.context(|| &self.reference)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let what = expect.digest.clone();
        let put = self.put(expect, body).await;
        let put =
            put.context(|| what.map_or_else(|| "a blob".to_owned(), |digest| digest.to_string()));
        put.context(|| &self.reference)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.manifests().insert(manifest.descriptor().digest.clone(), manifest.clone());
        Ok(())
    }

    async fn shows_image(&self, root: &Manifest) -> Result<Option<Committed>> {
        let shows = self.stands_for(root).await;
        Ok(shows.then(|| Committed::new(root.descriptor().clone(), self.references())))
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        self.load_and_name(what).await.context(|| &self.reference)
    }
}

pub(crate) fn is_zstd(media_type: Option<&MediaType>) -> bool {
    media_type.and_then(LayerType::of).is_some_and(|layer| layer.form == LayerForm::Zstd)
}

fn has_name(found: &Inspected, name: &DockerName) -> bool {
    let mut names = found.repo_tags.iter().flatten();
    names.any(|raw| DockerName::parse(raw).is_ok_and(|has| has == *name))
}

fn accepts(store: Store) -> Accepts {
    let mut accepts = Accepts::anything();
    accepts.names = AcceptsNames::Many;
    accepts.order = AcceptsOrder::AsPlanned;
    // An engine saves what an image refers to, and nothing that refers to the image.
    accepts.referrers = AcceptsReferrers::Refused;
    if store != Store::Containerd {
        let images = [MediaType::ImageManifest, MediaType::from(media_types::DOCKER_MANIFEST)];
        accepts.manifests = AcceptsManifests::Only(images.into());
        accepts.sparse = Sparse::Refused;
        accepts.artifacts = Artifacts::Refused;
    }
    accepts
}

/// Others wait for the blob that was not whole, or come after it: the reason is the same for all.
pub(crate) fn broken(why: &str) -> Error {
    let message = "the image has to be sent again, as a blob before this one was not whole";
    Error::new(ErrorKind::Conflict, message).caused_by(why.to_owned())
}
