//! [`Destination`]: one image being written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Accepts, AcceptsLayers, AcceptsManifests, AcceptsNames, AcceptsOrder, AcceptsReferrers,
    Artifacts, Body, CONFIG_LIMIT, Cancel, Commit, Committed, Digest, Error, ErrorKind, Expect,
    Hint, ImageConfig, ImageDestination, ImageName, LayerForm, LayerType, Manifest, MediaType,
    Reference, Result, ResultExt, Shows, Sparse, Staging, Stored, media_types, sha256,
};
use transship_local::{Share, Unpublished};

use crate::commit::Checked;
use crate::reference::{Locator, Selector, archive_name, reference_to};
use crate::writing::{Turn, Writing};

/// One image being written.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) reference: Reference,
    accepts: Accepts,
    pub(crate) writing: Arc<Unpublished<Writing>>,
    stages: bool,
    /// Canonical, each once.
    names: Vec<ImageName>,
    /// Written with the commit, so that an abandoned image leaves none.
    configs: Arc<Mutex<HashMap<Digest, Bytes>>>,
}

impl Destination {
    /// A place for one image. One that shows at its commit is alone in its archive, which goes with it.
    pub(crate) fn new(
        writing: Arc<Unpublished<Writing>>,
        names: Vec<ImageName>,
        shows: Shows,
    ) -> Result<Self> {
        let held = writing.hold()?;
        let (place, stages) = (&held.place, held.stages());
        let reference = names.first().map_or_else(|| reference_to(place), |n| named(place, n));
        drop(held);
        let (accepts, configs) = (accepts(shows), Arc::default());
        Ok(Self { reference, accepts, writing, stages, names, configs })
    }

    fn configs(&self) -> MutexGuard<'_, HashMap<Digest, Bytes>> {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, digest: &Digest, writing: &Writing) -> Option<Stored> {
        let config = self.configs().get(digest).map(|bytes| bytes.len() as u64);
        let known = writing.known();
        let written = || known.image(digest).map(|image| image.config_size);
        match config.or_else(written) {
            Some(size) => Some(Stored::new(digest.clone(), size)),
            None => known.layer(digest).map(|held| held.stored.clone()),
        }
    }

    /// A blob of the archive that is joined.
    async fn find_in_place(
        &self,
        digest: &Digest,
        writing: Share<Writing>,
    ) -> Result<Option<Stored>> {
        let Some(existing) = &writing.existing else { return Ok(None) };
        if let Some(at) = existing.position(digest) {
            let config = existing.configs[at].as_ref();
            return Ok(config.map(|config| Stored::new(digest.clone(), config.size)));
        }
        if !existing.may_hold(digest) {
            return Ok(None);
        }
        drop(writing);
        let digest = digest.clone();
        self.writing.step(move |writing, cancel| writing.layer(&digest, cancel)).await
    }

    async fn put_config(&self, expect: Expect, body: Body) -> Result<Stored> {
        let body = body.expecting(&expect)?;
        let expected = body.expected().digest.clone();
        let bytes = body.bytes(CONFIG_LIMIT).await?;
        let digest = expected.unwrap_or_else(|| sha256(&bytes));
        let stored = Stored::new(digest.clone(), bytes.len() as u64);
        self.configs().insert(digest, bytes);
        Ok(stored)
    }

    async fn put_layer(&self, expect: Expect, body: Body) -> Result<Stored> {
        let turn = self.turn().await?;
        let put = move |writing: &Writing, cancel: &Cancel| {
            writing.put_layer(&expect, body, &turn, cancel)
        };
        self.writing.step(put).await
    }

    async fn turn(&self) -> Result<Turn> {
        let turn = self.writing.hold()?.turn();
        Ok(turn.await)
    }
}

#[async_trait]
impl ImageDestination for Destination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let writing = self.writing.hold()?;
        let found = match self.find(digest, &writing) {
            None => self.find_in_place(digest, writing).await.context(|| &self.reference)?,
            found => found,
        };
        Ok(found.filter(|found| want.size.is_none_or(|size| size == found.size)))
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let media_type = expect.media_type.clone().or_else(|| body.expected().media_type.clone());
        let put = match media_type {
            Some(media_type) if ImageConfig::is_type(&media_type) => {
                self.put_config(expect, body).await
            }
            Some(media_type) if is_compressed(&media_type) => Err(Error::new(
                ErrorKind::Unsupported,
                format!("layers are plain tars here, and this one is {media_type}"),
            )
            .hint(Hint::PlainLayers)),
            _ => self.put_layer(expect, body).await,
        };
        put.context(|| &self.reference)
    }

    fn staging(&self) -> Option<&dyn Staging> {
        self.stages.then_some(self as &dyn Staging)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let digest = &manifest.descriptor().digest;
        let message = format!("an archive holds single images, and no manifest {digest} below one");
        Err(Error::new(ErrorKind::Unsupported, message).context(&self.reference))
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        let checked = Checked::new(what, &self.accepts).context(|| &self.reference)?;
        let turn = self.turn().await.context(|| &self.reference)?;
        let (configs, names) = (Arc::clone(&self.configs), self.names.clone());
        let record = move |writing: &Writing, cancel: &Cancel| {
            let pending = configs.lock().unwrap_or_else(PoisonError::into_inner);
            let (at, descriptor) = checked.record(writing, &pending, &names, &turn, cancel)?;
            let mut references: Vec<_> = names.iter().map(|n| named(&writing.place, n)).collect();
            if references.is_empty() {
                // Others may join at the same time; then the position is another one.
                let joins = writing.existing.is_some();
                let id = checked.id().clone();
                let select = if joins { Selector::Digest(id) } else { Selector::Index(at) };
                references.push(reference_to(&writing.place.with(select)));
            }
            Ok(Committed::new(descriptor, references))
        };
        let committed = self.writing.commit(self.accepts.shows, record, Writing::finish).await;
        committed.context(|| &self.reference)
    }
}

fn accepts(shows: Shows) -> Accepts {
    let manifests = [MediaType::ImageManifest, MediaType::from(media_types::DOCKER_MANIFEST)];
    let mut accepts = Accepts::anything();
    accepts.manifests = AcceptsManifests::Only(manifests.into());
    accepts.layers = AcceptsLayers::PlainOnly;
    accepts.names = AcceptsNames::Many;
    accepts.order = AcceptsOrder::AsPlanned;
    accepts.shows = shows;
    accepts.sparse = Sparse::Refused;
    accepts.artifacts = Artifacts::Refused;
    accepts.referrers = AcceptsReferrers::Refused;
    accepts
}

/// An archive's reference for a name that is canonical.
fn named(place: &Locator, name: &ImageName) -> Reference {
    let select = archive_name(name.as_str()).map_or(Selector::None, Selector::Name);
    reference_to(&place.with(select))
}

fn is_compressed(media_type: &MediaType) -> bool {
    LayerType::of(media_type).is_some_and(|layer| layer.form != LayerForm::Plain)
}
