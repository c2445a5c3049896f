//! [`Destination`]: one image being written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::Mutex;
use transship_archive::docker_save::MANIFEST_NAME;
use transship_archive::layout::{INDEX_FILE, LAYOUT_BYTES, LAYOUT_FILE, blob_path};
use transship_core::{
    Accepts, AcceptsManifests, AcceptsNames, AcceptsOrder, Artifacts, Available, Body, Commit,
    Committed, Descriptor, Digest, DockerName, Document, Error, ErrorKind, Expect, FileRange,
    ImageDestination, ImageName, LayerForm, LayerType, Manifest, MediaType, Observer, Reference,
    Result, ResultExt, Sparse, Stored, media_types, parse_digest, run_blocking, spool_folder,
};
use transship_local::spool_file;

use crate::engine::{Engine, Locator, Store};
use crate::load::Load;

/// A blob of at most this many bytes is read before any of it is sent: when it is damaged, the image goes on without it.
const HELD: u64 = 4 << 20;

/// One image being written.
#[derive(Debug)]
pub(crate) struct Destination {
    engine: Arc<dyn Engine>,
    store: Store,
    reference: Reference,
    names: Vec<DockerName>,
    shown_names: Vec<ImageName>,
    accepts: Accepts,
    spool: Option<PathBuf>,
    observer: Observer,
    writing: Mutex<Writing>,
    blobs: Lock<HashMap<Digest, u64>>,
    manifests: Lock<HashMap<Digest, Manifest>>,
}

#[derive(Debug)]
enum Writing {
    NotBegun,
    Open(Load),
    /// A blob was not whole: so is the tar not.
    Broken,
}

impl Destination {
    pub(crate) async fn open(
        engine: Arc<dyn Engine>,
        names: Vec<DockerName>,
        spool: Option<PathBuf>,
        observer: Observer,
    ) -> Result<Self> {
        let store = engine.store().await?;
        let first = names.first().map_or(Locator::All, |name| Locator::Name(name.clone()));
        let reference = engine.reference(&first);
        Ok(Self {
            engine,
            store,
            reference,
            shown_names: names.iter().map(ImageName::from).collect(),
            names,
            accepts: accepts(store),
            spool,
            observer,
            writing: Mutex::new(Writing::NotBegun),
            blobs: Lock::default(),
            manifests: Lock::default(),
        })
    }

    fn blobs(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manifests(&self) -> MutexGuard<'_, HashMap<Digest, Manifest>> {
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

    /// Holds a root to what this engine keeps.
    async fn check(&self, what: Commit<'_>) -> Result<()> {
        what.check_whole()?;
        let root = what.root.descriptor();
        let unsupported = |message: String| Err(Error::new(ErrorKind::Unsupported, message));
        if !self.accepts.takes(&root.media_type) {
            return unsupported(format!("this engine cannot hold a {}", root.media_type));
        }
        let manifests: Vec<Manifest> = self.manifests().values().cloned().collect();
        what.check_complete(&manifests, &Here { blobs: &self.blobs() })?;
        let Document::Image(image) = what.root.document() else { return Ok(()) };
        if self.store != Store::Containerd && !image.is_runnable() {
            return unsupported(format!(
                "this engine holds images only, and the config of this is {}",
                image.config.media_type
            ));
        }
        let zstd = |layer: &Descriptor| {
            LayerType::of(&layer.media_type).is_some_and(|layer| layer.form == LayerForm::Zstd)
        };
        if image.layers.iter().any(zstd) && !self.engine.takes_zstd().await? {
            let error = Error::new(ErrorKind::Unsupported, "this engine cannot read zstd layers");
            return Err(error.hint("recompress its layers with gzip, or use docker 25 or later"));
        }
        Ok(())
    }

    /// Sends the documents, ends the tar, and gives the ID of the image that is there now.
    async fn load(&self, what: Commit<'_>, load: Load) -> Result<String> {
        let root = what.root;
        let mut manifests: Vec<Manifest> = self.manifests().values().cloned().collect();
        manifests.retain(|manifest| manifest.descriptor().digest != root.descriptor().digest);
        manifests.push(root.clone());
        manifests.sort_by_cached_key(|manifest| manifest.descriptor().digest.to_string());
        for manifest in &manifests {
            load.put(&blob_path(&manifest.descriptor().digest), manifest.bytes().clone()).await?;
        }
        load.put(LAYOUT_FILE, Bytes::from_static(LAYOUT_BYTES)).await?;
        load.put(INDEX_FILE, index_of(root.descriptor())).await?;
        let expected = match root.document() {
            Document::Image(image) => {
                let layers: Vec<_> =
                    image.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
                let list = json!([{"Config": blob_path(&image.config.digest), "RepoTags": null, "Layers": layers}]);
                load.put(MANIFEST_NAME, list.to_string().into()).await?;
                match self.store {
                    Store::Containerd => &root.descriptor().digest,
                    _ => &image.config.digest,
                }
            }
            _ => &root.descriptor().digest,
        };
        let id = expected.to_string();
        let before = self.engine.inspect(&id).await.is_ok();
        let looked = match load.finish().await {
            Ok(said) => self.look(&id, said.as_deref(), what).await,
            Err(error) => Err(error),
        };
        if looked.is_err() && !before {
            // It has no name. Where nothing was kept, there is nothing to remove.
            let _ = self.engine.remove(&id).await;
        }
        looked.map(|()| id)
    }

    /// Whether the image is there, and whole.
    async fn look(&self, id: &str, said: Option<&str>, what: Commit<'_>) -> Result<()> {
        if let Some(other) = said.filter(|said| *said != id) {
            let message = format!("the engine loaded {other}, and {id} was sent");
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        let found = self.engine.inspect(id).await.context(|| "looking at what was loaded")?;
        let absent = what.absent_digests();
        let left_out = |id: &str| absent.iter().any(|digest| digest.as_ref() == id);
        let broken =
            found.manifests.iter().flatten().find(|part| !part.available && !left_out(&part.id));
        if let Some(part) = broken {
            let message =
                format!("the engine has loaded the image, and lacks a part of {}", part.id);
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        Ok(())
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
        let stored = self.blobs().get(digest).map(|size| Stored::new(digest.clone(), *size));
        Ok(stored.filter(|stored| want.check(stored).is_ok()))
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let (stored, body) = self.described(body.expecting(&expect)?).await?;
        let mut writing = self.writing.lock().await;
        if self.blobs().contains_key(&stored.digest) {
            return run_blocking(move |cancel| body.chunks(cancel)?.finish()).await.map(|_| stored);
        }
        // Also when this future is dropped.
        let load = match std::mem::replace(&mut *writing, Writing::Broken) {
            Writing::NotBegun => Load::begin(&self.engine),
            Writing::Open(load) => load,
            Writing::Broken => return Err(broken()),
        };
        let sent = stored.clone();
        let (put, load) = run_blocking(move |cancel| {
            Ok((load.put_blob(&sent.digest, sent.size, body, cancel), load))
        })
        .await?;
        match put {
            Ok(_) => {}
            // What it said is the reason.
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                return Err(load.reply().await.err().unwrap_or(error));
            }
            Err(error) => return Err(error),
        }
        *writing = Writing::Open(load);
        self.blobs().insert(stored.digest.clone(), stored.size);
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.manifests().insert(manifest.descriptor().digest.clone(), manifest.clone());
        Ok(())
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        self.check(what).await.context(|| &self.reference)?;
        let load = match std::mem::replace(&mut *self.writing.lock().await, Writing::Broken) {
            Writing::NotBegun => Load::begin(&self.engine),
            Writing::Open(load) => load,
            Writing::Broken => return Err(broken()),
        };
        let id = self.load(what, load).await.context(|| &self.reference)?;
        let mut references = Vec::new();
        for name in &self.names {
            self.engine.tag(&id, name).await?;
            references.push(self.engine.reference(&Locator::Name(name.clone())));
        }
        if references.is_empty() {
            let reference = self.engine.reference(&Locator::Id(parse_digest(&id)?));
            self.observer.warn(format!("the image has no name: {reference} is its reference"));
            references.push(reference);
        }
        Ok(Committed::new(what.root.descriptor().clone(), references))
    }
}

fn accepts(store: Store) -> Accepts {
    let mut accepts = Accepts::anything();
    accepts.names = AcceptsNames::Many;
    accepts.order = AcceptsOrder::AsPlanned;
    if store != Store::Containerd {
        let images = [MediaType::ImageManifest, MediaType::from(media_types::DOCKER_MANIFEST)];
        accepts.manifests = AcceptsManifests::Only(images.into());
        accepts.sparse = Sparse::Refused;
        accepts.artifacts = Artifacts::Refused;
    }
    accepts
}

fn index_of(root: &Descriptor) -> Bytes {
    let entry = json!({"mediaType": root.media_type.to_string(), "digest": root.digest.to_string(), "size": root.size});
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(), "manifests": [entry]});
    index.to_string().into()
}

fn broken() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "a blob before this one was not whole: the image has to be sent again",
    )
}

/// What was put.
struct Here<'a> {
    blobs: &'a HashMap<Digest, u64>,
}

impl Available for Here<'_> {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        Ok(self.blobs.get(&of.digest).copied())
    }
}
