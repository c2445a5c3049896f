//! A layout being written, wherever its files are.

pub(crate) mod docker;
mod image;
mod staging;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use transship_archive::Compressor;
use transship_archive::layout::{entry_name, strip_names};
use transship_core::{
    Available, Body, CONFIG_LIMIT, Cancel, Commit, Descriptor, Digest, Document, ErrorKind, Expect,
    MANIFEST_LIMIT, Manifest, Platform, Reference, Result, ResultExt, Stored, WriteMode,
    WriteOptions, run_blocking,
};
use transship_local::Unpublished;

use crate::Kind;
use crate::names::Written;
use crate::reference::{Locator, Selector};
use crate::select::of_config;
use crate::storage::{FolderStore, Store, TarStore};

use image::{Asked, NewBeside};
pub(crate) use image::{NewImage, enter_all};

/// How a layout is written.
#[derive(Clone, Debug)]
pub(crate) enum Medium {
    /// To a folder; its blobs may be in another one.
    Folder { shared: Option<PathBuf> },
    /// To a tar, with a `manifest.json` for docker or without.
    Tar { docker_manifest: bool, compressor: Option<Compressor> },
}

impl Medium {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Folder { .. } => Kind::Folder,
            Self::Tar { .. } => Kind::Tar,
        }
    }
}

/// A layout being written.
#[derive(Debug)]
pub(crate) struct Writing {
    kind: Kind,
    place: Locator,
    stages: bool,
    content: Unpublished<Content>,
}

/// What is being written: blobs, and the images that were committed. Its methods block.
#[derive(Debug)]
pub(crate) struct Content {
    store: Box<dyn Store>,
    images: Mutex<Vec<NewImage>>,
    /// Which images the layout that is joined shows, once that was asked.
    shown: OnceLock<ShownNames>,
    /// Whether the store has what is not in place.
    has_put: AtomicBool,
    /// Whether an image was there already.
    has_shown: AtomicBool,
}

/// The digest of the one root that has a name; `None` where several have it.
type ShownNames = HashMap<String, Option<Digest>>;

impl Writing {
    /// Opens the place. Nothing changes that shows.
    pub(crate) async fn open(
        medium: Medium,
        place: &Locator,
        how: &WriteOptions,
    ) -> Result<Arc<Self>> {
        let (path, how, kind) = (PathBuf::from(&place.path), how.clone(), medium.kind());
        let mode = how.mode.unwrap_or(kind.default_mode());
        let store = run_blocking(move |cancel| store(&medium, &path, mode, &how, cancel)).await?;
        let place = place.with(Selector::None);
        let stages = store.stages();
        let content = Unpublished::new(Content::new(store));
        Ok(Arc::new(Self { kind, place, stages, content }))
    }

    /// The reference of the place, or of an image in it.
    pub(crate) fn reference(&self, select: Selector) -> Reference {
        self.kind.reference(&self.place.with(select))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What is being written, to be done in steps.
    pub(crate) fn content(&self) -> &Unpublished<Content> {
        &self.content
    }

    /// Whether blobs that turn out not to be needed can be taken out again.
    pub(crate) fn stages(&self) -> bool {
        self.stages
    }
}

impl Content {
    fn new(store: Box<dyn Store>) -> Self {
        let (images, shown) = (Mutex::default(), OnceLock::new());
        let (has_put, has_shown) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { store, images, shown, has_put, has_shown }
    }

    /// What [`has`](Self::has) knows.
    pub(crate) fn read(&self, of: &Descriptor, cancel: &Cancel) -> Result<Option<Body>> {
        if self.store.has(&Expect::from(of), cancel)?.is_none() {
            return Ok(None);
        }
        let Some(range) = self.store.read(&of.digest)? else { return Ok(None) };
        Body::from_file(range).expecting(&Expect::from(of)).map(Some)
    }

    pub(crate) fn has(&self, want: &Expect, cancel: &Cancel) -> Result<Option<Stored>> {
        self.store.has(want, cancel)
    }

    pub(crate) fn put(&self, expect: &Expect, body: Body, cancel: &Cancel) -> Result<Stored> {
        self.keep(body.expecting(expect)?, cancel)
    }

    /// Keeps a blob, which is not in place before [`publish`](Self::publish).
    fn keep(&self, body: Body, cancel: &Cancel) -> Result<Stored> {
        self.has_put.store(true, Ordering::Relaxed);
        self.store.put(body, cancel)
    }

    pub(crate) fn put_manifest(&self, manifest: &Manifest, cancel: &Cancel) -> Result<()> {
        let expect = Expect::from(manifest.descriptor());
        if self.store.has(&expect, cancel)?.is_some() {
            return Ok(());
        }
        let body = Body::from_bytes(manifest.bytes().clone());
        self.put(&expect, body, cancel)
            .context(|| format!("manifest {}", manifest.descriptor().digest))?;
        Ok(())
    }

    /// Records an image, which then shows with [`publish`](Self::publish).
    pub(crate) fn record(&self, image: &Image<'_>, cancel: &Cancel) -> Result<Descriptor> {
        let here = Here { store: &*self.store, cancel };
        let commit = Commit::new(image.root).without(image.absent).needing(image.needs);
        let mut complete = commit.check_complete(&image.put.manifests, &here)?;
        let mut beside = Vec::new();
        for (name, root) in &image.put.beside {
            let commit = Commit::new(root).without(image.absent).needing(image.needs);
            let found = commit.check_complete(&image.put.manifests, &here);
            complete.digests.extend(found.context(|| &name.name)?.digests);
            let mut entry = root.descriptor().clone();
            strip_names(&mut entry);
            let before = image.put.asked.get(name.name.as_str()).cloned();
            beside.push(NewBeside { tag: name.clone(), entry, before });
        }
        let needs = here.lacking(image.needs)?;
        let entry = self.entry(image.root)?;
        self.check_nameless(&entry, image.names)?;
        if !needs.contains(entry.digest.as_ref()) {
            self.put_manifest(image.root, cancel)?;
        }
        let names = image.names.to_vec();
        let platform = image.platform.cloned();
        self.images().push(NewImage {
            names,
            entry: entry.clone(),
            referrers: complete.referrers.iter().map(Manifest::as_referrer).collect(),
            reached: complete.digests.iter().map(Digest::to_string).collect(),
            beside,
            needs,
            platform,
        });
        Ok(entry)
    }

    /// What stands beside an image under a tag: of those that were recorded, else of those that are there.
    pub(crate) fn beside(&self, tag: &str, cancel: &Cancel) -> Result<Option<Manifest>> {
        let here = Here { store: &*self.store, cancel };
        let recorded = {
            let images = self.images();
            let mut all = images.iter().rev().flat_map(|image| image.beside.iter().rev());
            all.find(|new| new.tag.name.as_str() == tag).map(|new| new.entry.clone())
        };
        match recorded {
            Some(entry) => here.manifest(&entry),
            None => {
                self.store.joined(cancel)?.map_or(Ok(None), |layout| layout.manifest_beside(tag))
            }
        }
    }

    /// The entry of a root that the layout shows under all of these names, where nothing of it is missing. Once a blob was put, it
    /// is not known what was missing before.
    pub(crate) fn shows(
        &self,
        root: &Descriptor,
        names: &[Written],
        cancel: &Cancel,
    ) -> Result<Option<Descriptor>> {
        if self.has_put.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let known = self.shown(cancel)?;
        let shows = |name: &Written| {
            let mut entry = root.clone();
            name.put_on(&mut entry);
            let found = entry_name(&entry).and_then(|name| known.get(name));
            found.is_some_and(|digest| digest.as_ref() == Some(&root.digest))
        };
        if names.is_empty() || !names.iter().all(shows) {
            return Ok(None);
        }
        let here = Here { store: &*self.store, cancel };
        let Some(manifest) = here.manifest(root)? else { return Ok(None) };
        match Commit::new(&manifest).check_complete(&[], &here) {
            Ok(_) => {
                self.has_shown.store(true, Ordering::Relaxed);
                self.entry(&manifest).map(Some)
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            // What is missing is copied again.
            Err(_) => Ok(None),
        }
    }

    fn shown(&self, cancel: &Cancel) -> Result<&ShownNames> {
        if let Some(shown) = self.shown.get() {
            return Ok(shown);
        }
        let mut shown = ShownNames::new();
        if let Some(layout) = self.store.joined(cancel)? {
            for entry in layout.entries() {
                let Some(name) = entry_name(entry) else { continue };
                let root = Some(entry.digest.clone());
                shown.entry(name.to_owned()).and_modify(|other| *other = None).or_insert(root);
            }
        }
        Ok(self.shown.get_or_init(|| shown))
    }

    /// Shows all images that were recorded. It can be called again when it fails.
    pub(crate) fn publish(&mut self, cancel: &Cancel) -> Result<()> {
        let images = self.images.get_mut().unwrap_or_else(PoisonError::into_inner);
        // All that came was there.
        if images.is_empty() && *self.has_shown.get_mut() {
            return Ok(());
        }
        self.store.publish(images, cancel)
    }

    fn images(&self) -> MutexGuard<'_, Vec<NewImage>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a root: what its descriptor says, without names, and its platform.
    fn entry(&self, root: &Manifest) -> Result<Descriptor> {
        let mut entry = root.descriptor().clone();
        strip_names(&mut entry);
        if entry.platform.is_none()
            && let Document::Image(image) = root.document()
            && image.config.size <= CONFIG_LIMIT
            && let Some(range) = self.store.read(&image.config.digest)?
            && range.len() == image.config.size
        {
            let bytes = range.bytes(CONFIG_LIMIT, "the config")?;
            entry.platform = of_config(&image.config.media_type, &bytes);
        }
        Ok(entry)
    }

    /// Says early that a second image has no name, where both are of this writer.
    fn check_nameless(&self, entry: &Descriptor, names: &[Written]) -> Result<()> {
        let images = self.images();
        let other = images
            .iter()
            .find(|image| image.names.is_empty() && image.entry.digest != entry.digest);
        match other {
            Some(other) if names.is_empty() => Err(image::second_nameless(&other.entry)),
            _ => Ok(()),
        }
    }
}

/// What is in the store.
struct Here<'a> {
    store: &'a dyn Store,
    cancel: &'a Cancel,
}

impl Here<'_> {
    /// Of what is left out for others to have, that which is not here.
    fn lacking(&self, needs: &[Descriptor]) -> Result<BTreeSet<String>> {
        let mut lacking = BTreeSet::new();
        for needed in needs {
            if self.blob(needed)?.is_none() {
                lacking.insert(needed.digest.to_string());
            }
        }
        Ok(lacking)
    }
}

impl Available for Here<'_> {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        self.cancel.check()?;
        Ok(self.store.has(&Expect::from(of), self.cancel)?.map(|stored| stored.size))
    }

    fn manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        if self.blob(of)?.is_none() {
            return Ok(None);
        }
        let Some(range) = self.store.read(&of.digest)? else { return Ok(None) };
        let bytes = range.bytes(MANIFEST_LIMIT, format_args!("manifest {}", of.digest))?;
        Manifest::verified(of, bytes).map(Some)
    }
}

/// What was put for an image that is not committed yet.
#[derive(Debug, Default)]
pub(crate) struct Put {
    pub(crate) manifests: Vec<Manifest>,
    /// What will stand beside it, of those.
    pub(crate) beside: Vec<(Written, Manifest)>,
    /// What had tags beside it when they were asked for.
    pub(crate) asked: HashMap<String, Asked>,
}

/// An image that is committed.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) root: &'a Manifest,
    pub(crate) absent: &'a [Descriptor],
    /// For a delta: what it leaves out.
    pub(crate) needs: &'a [Descriptor],
    /// The platform of an index that was asked for.
    pub(crate) platform: Option<&'a Platform>,
    pub(crate) put: &'a Put,
    pub(crate) names: &'a [Written],
}

fn store(
    medium: &Medium,
    path: &Path,
    mode: WriteMode,
    how: &WriteOptions,
    cancel: &Cancel,
) -> Result<Box<dyn Store>> {
    Ok(match medium {
        Medium::Folder { shared } => {
            Box::new(FolderStore::open(path, shared.as_deref(), mode, how)?)
        }
        Medium::Tar { docker_manifest, compressor } => {
            Box::new(TarStore::open(path, (*docker_manifest, *compressor), mode, how, cancel)?)
        }
    })
}
