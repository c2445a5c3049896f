//! The commit of a [`Destination`]: the image is loaded without a name, looked at, and named.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::json;
use transship_archive::docker_save::MANIFEST_NAME;
use transship_archive::layout::{INDEX_FILE, LAYOUT_BYTES, LAYOUT_FILE, blob_path};
use transship_core::{
    Available, Commit, Committed, Descriptor, Digest, Document, Error, ErrorKind, LayerForm,
    LayerType, Manifest, MediaType, Notice, Result, ResultExt, parse_digest,
};

use crate::destination::{Destination, Writing, broken, is_zstd};
use crate::engine::{Locator, Store};
use crate::load::{Load, Reply};
use crate::nameless::Nameless;
use crate::unpacked::RECOMPRESS;

impl Destination {
    /// Loads an image of which layers were left out. When the engine refuses it, or what it made of it is not the image, all blobs
    /// have to be put, once.
    pub(crate) async fn load_parts(&self, what: Commit<'_>) -> Result<Vec<Digest>> {
        self.check(what).await?;
        let mut writing = self.writing.lock().await;
        if self.is_for_docker_alone(what.root) {
            // That form has all layers. Those that were put stay in the tar: its lists come at the end.
            return Ok(match *writing {
                Writing::NotBegun | Writing::Open(_) => {
                    self.found().drain().map(|(digest, _)| digest).collect()
                }
                Writing::Loaded(_) | Writing::Broken(_) => self.begin_again(&mut writing),
            });
        }
        match self.load_open(what, &mut writing).await {
            Ok(nameless) => {
                *writing = Writing::Loaded(nameless);
                Ok(Vec::new())
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            Err(error) => {
                let what = format!("loading {} with all of its layers", self.reference);
                self.observer.notify(Notice::Retrying { what, why: error.to_string() });
                if let Some(memory) = self.engine.memory().await? {
                    memory.was_wrong();
                }
                Ok(self.begin_again(&mut writing))
            }
        }
    }

    /// Gives what was put or found, all of which has to be put.
    fn begin_again(&self, writing: &mut Writing) -> Vec<Digest> {
        *writing = Writing::NotBegun;
        self.unpacked().clear();
        let mut all: Vec<_> = self.blobs().drain().map(|(digest, _)| digest).collect();
        all.extend(self.found().drain().map(|(digest, _)| digest));
        all
    }

    /// Whether an image goes as `docker save` has it, without a layout. podman keeps the manifest of a layout, and saves none whose
    /// layers are of types that docker does not know, though it has the layers unpacked.
    fn is_for_docker_alone(&self, root: &Manifest) -> bool {
        let Document::Image(image) = root.document() else { return false };
        let is_known = |layer: &Descriptor| {
            LayerType::of(&layer.media_type).is_some_and(|layer| layer.form != LayerForm::Zstd)
        };
        self.store == Store::Podman && !image.layers.iter().all(is_known)
    }

    /// Loads the image, if it is not loaded already, and names it.
    pub(crate) async fn load_and_name(&self, what: Commit<'_>) -> Result<Committed> {
        let mut unnamed = Unnamed(Some(self));
        let nameless = {
            let mut writing = self.writing.lock().await;
            match std::mem::replace(&mut *writing, Writing::given_up()) {
                Writing::Loaded(nameless) if nameless.root != what.root.descriptor().digest => {
                    let message = "another image was looked at than is to be committed";
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
                Writing::Loaded(nameless) => nameless,
                other => {
                    *writing = other;
                    self.check(what).await?;
                    self.load_open(what, &mut writing).await?
                }
            }
        };
        // From here on the names themselves say what becomes of them.
        unnamed.0 = None;
        let references = if self.names.is_empty() {
            let reference = self.engine.reference(&Locator::Id(parse_digest(&nameless.id)?));
            self.observer.warn(format!("the image has no name: {reference} is its reference"));
            nameless.keep();
            vec![reference]
        } else {
            nameless.name(self.names.clone(), self.taken).await?
        };
        Ok(Committed::new(what.root.descriptor().clone(), references))
    }

    async fn load_open(&self, what: Commit<'_>, writing: &mut Writing) -> Result<Nameless> {
        let load = match std::mem::replace(writing, Writing::given_up()) {
            Writing::NotBegun => Load::begin(&self.engine),
            Writing::Open(load) => load,
            Writing::Loaded(_) => return Err(broken("the image is loaded already")),
            Writing::Broken(why) => return Err(broken(&why)),
        };
        self.load(what, load).await
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
        refuse_referrers(what.root, &manifests)?;
        what.check_complete(&manifests, &Here(self))?;
        let Document::Image(image) = what.root.document() else { return Ok(()) };
        if self.store != Store::Containerd && !image.is_runnable() {
            return unsupported(format!(
                "this engine holds images only, and the config of this is {}",
                image.config.media_type
            ));
        }
        // One that was put as another type is there as it was.
        let as_it_was = |layer: &Descriptor| {
            is_zstd(Some(&layer.media_type))
                && self.blobs().contains_key(&layer.digest)
                && !self.unpacked().contains(&layer.digest)
        };
        if image.layers.iter().any(as_it_was) && !self.engine.takes_zstd().await? {
            let error = Error::new(ErrorKind::Unsupported, "this engine cannot read zstd layers");
            return Err(error.hint(RECOMPRESS));
        }
        Ok(())
    }

    /// Sends the documents, ends the tar, and looks at the image that is there now.
    async fn load(&self, what: Commit<'_>, load: Load) -> Result<Nameless> {
        let root = what.root;
        let mut manifests: Vec<Manifest> = self.manifests().values().cloned().collect();
        manifests.retain(|manifest| manifest.descriptor().digest != root.descriptor().digest);
        manifests.push(root.clone());
        manifests.sort_by_cached_key(|manifest| manifest.descriptor().digest.to_string());
        for manifest in &manifests {
            load.put(&blob_path(&manifest.descriptor().digest), manifest.bytes().clone()).await?;
        }
        let id = self.put_lists(root, &load).await?.to_string();
        let root = root.descriptor().digest.clone();
        let mut nameless = Nameless::new(&self.engine, id, root, &self.observer).await;
        match self.looked(&mut nameless, load.end().await, what).await {
            Ok(()) => {}
            Err(error) => {
                nameless.remove().await;
                return Err(error);
            }
        }
        if let Some(memory) = self.engine.memory().await? {
            memory.remember(&manifests, &self.cache).await?;
        }
        Ok(nameless)
    }

    /// Sends the lists of an OCI layout and, for a single image, that of `docker save`. Gives the ID that the image will have.
    async fn put_lists<'m>(&self, root: &'m Manifest, load: &Load) -> Result<&'m Digest> {
        if !self.is_for_docker_alone(root) {
            load.put(LAYOUT_FILE, Bytes::from_static(LAYOUT_BYTES)).await?;
            load.put(INDEX_FILE, index_of(root.descriptor())).await?;
        }
        let Document::Image(image) = root.document() else { return Ok(self.id_of(root)) };
        let layers: Vec<_> = image.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
        let list = json!([{"Config": blob_path(&image.config.digest), "RepoTags": null, "Layers": layers}]);
        load.put(MANIFEST_NAME, list.to_string().into()).await?;
        Ok(self.id_of(root))
    }

    /// Whether the engine has loaded the image, and it is whole.
    async fn looked(&self, nameless: &mut Nameless, reply: Reply, what: Commit<'_>) -> Result<()> {
        let said = nameless.loaded(reply).await?;
        let id = &nameless.id;
        if let Some(other) = said.filter(|said| said != id) {
            let message = format!("the engine loaded {other}, and {id} was sent");
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        let found = self.engine.inspect(id).await.context(|| "looking at what was loaded")?;
        let mut parts = found.manifests.iter().flatten().filter(|part| !part.available);
        let broken = parts.find(|part| !self.may_lack_a_part(&part.id, what));
        if let Some(part) = broken {
            let message =
                format!("the engine has loaded the image, and lacks a part of {}", part.id);
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        Ok(())
    }
}

impl Destination {
    /// Whether the engine may say of a manifest that a part of it is missing: of one that is absent, and of one whose layers were
    /// put, all but those that are not to be distributed.
    fn may_lack_a_part(&self, manifest: &str, what: Commit<'_>) -> bool {
        let is_it = |digest: &Digest| digest.as_ref() == manifest;
        if what.absent_digests().into_iter().any(is_it) {
            return true;
        }
        let (manifests, put) = (self.manifests(), self.blobs());
        let mut all = manifests.values().chain([what.root]);
        let found = all.find(|found| is_it(&found.descriptor().digest));
        let Some(Document::Image(image)) = found.map(Manifest::document) else { return false };
        let mut missing =
            image.layers.iter().filter(|layer| !put.contains_key(&layer.digest)).peekable();
        missing.peek().is_some() && missing.all(Descriptor::is_nondistributable)
    }
}

/// A commit that has not begun to give names. When it is dropped, it is known that it has given none.
struct Unnamed<'d>(Option<&'d Destination>);

impl Drop for Unnamed<'_> {
    fn drop(&mut self) {
        if let Some(Destination { observer, reference, .. }) = self.0 {
            observer.notify(Notice::GivenUp(reference.clone()));
        }
    }
}

/// Refuses a manifest that was put and is no part of the image, but about one.
fn refuse_referrers(root: &Manifest, put: &[Manifest]) -> Result<()> {
    let all = put.iter().chain([root]);
    let parts = all.flat_map(|manifest| manifest.document().parts());
    let parts: HashSet<&Digest> =
        parts.map(|part| &part.digest).chain([&root.descriptor().digest]).collect();
    let about = put.iter().find(|manifest| {
        manifest.document().subject().is_some() && !parts.contains(&manifest.descriptor().digest)
    });
    match about.map(|about| &about.descriptor().digest) {
        Some(digest) => {
            let message = format!("{digest} is about an image: an engine keeps no such manifests");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        None => Ok(()),
    }
}

/// What was put, and what was found.
struct Here<'a>(&'a Destination);

impl Available for Here<'_> {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        let put = self.0.blobs().get(&of.digest).copied();
        Ok(put.or_else(|| self.0.found().get(&of.digest).copied()))
    }
}

fn index_of(root: &Descriptor) -> Bytes {
    let entry = json!({"mediaType": root.media_type.to_string(), "digest": root.digest.to_string(), "size": root.size});
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(), "manifests": [entry]});
    index.to_string().into()
}
