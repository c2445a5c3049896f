//! [`RegistryDestination`]: one image being written.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use transship_core::{
    Accepts, Body, Commit, Committed, Descriptor, Digest, Document, Error, ErrorKind, Expect,
    ImageDestination, ImageName, LayerForm, Manifest, MediaType, Reference, Result, ResultExt,
    Sparse, Stored, media_types,
};

use crate::SCHEME;
use crate::push::{self, Mounted, Session};
use crate::reference::{Locator, Wanted};
use crate::replicate::replicate;
use crate::target::{Target, has_manifest};
use crate::writer::Claimed;

/// An image that goes to one repository, or to several under several names. Its bytes go to the first; the others get them from
/// there.
#[derive(Debug)]
pub(crate) struct RegistryDestination {
    reference: Reference,
    targets: Vec<Target>,
    names: Vec<ImageName>,
    accepts: Accepts,
    state: Mutex<State>,
    /// In a writer: the names, which no other image may have.
    claimed: Option<Claimed>,
}

#[derive(Debug, Default)]
struct State {
    /// What is known to be in the first repository.
    there: HashSet<Digest>,
    /// Uploads that the server began when it could not mount.
    begun: HashMap<Digest, Session>,
    /// What was put, in order.
    blobs: Vec<Descriptor>,
    manifests: Vec<Manifest>,
}

impl RegistryDestination {
    pub(crate) fn new(
        reference: Reference,
        targets: Vec<Target>,
        names: Vec<ImageName>,
        claimed: Option<Claimed>,
    ) -> Self {
        let mut accepts = Accepts::anything();
        accepts.prefers = Some(LayerForm::Gzip);
        accepts.sparse = Sparse::Refused;
        let state = Mutex::default();
        Self { reference, targets, names, accepts, state, claimed }
    }

    fn first(&self) -> Result<&Target> {
        self.targets
            .first()
            .ok_or_else(|| Error::new(ErrorKind::InvalidReference, "the image has no name"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is there now.
    fn arrived(&self, stored: &Stored, media_type: Option<&MediaType>) -> Result<()> {
        let repository = &self.first()?.repository;
        repository.host.place(&stored.digest, &repository.path);
        let mut state = self.state();
        if state.there.insert(stored.digest.clone()) {
            let media_type = media_type.cloned().unwrap_or(MediaType::Other(String::new()));
            state.blobs.push(Descriptor::new(media_type, stored.digest.clone(), stored.size));
        }
        Ok(())
    }

    /// Refuses a manifest that refers to what is not there: a server may not look.
    async fn check_children(&self, manifest: &Manifest) -> Result<()> {
        let document = manifest.document()?;
        let (children, are_blobs) = match &document {
            Document::Image(image) => {
                let mut blobs: Vec<&Descriptor> = image.layers.iter().collect();
                blobs.push(&image.config);
                (blobs, true)
            }
            Document::Index(index) => (index.manifests.iter().collect(), false),
            _ => return Ok(()),
        };
        for child in children {
            let known = self.state().there.contains(&child.digest);
            if known || (are_blobs && is_foreign(child)) {
                continue;
            }
            if !self.is_there(child, are_blobs).await? {
                let what = if are_blobs { "blob" } else { "manifest" };
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("{what} {} is not there, and the image needs it", child.digest),
                ));
            }
            self.state().there.insert(child.digest.clone());
        }
        Ok(())
    }

    async fn is_there(&self, child: &Descriptor, is_blob: bool) -> Result<bool> {
        let repository = &self.first()?.repository;
        if is_blob {
            return Ok(push::has(repository, &Expect::from(child)).await?.is_some());
        }
        has_manifest(repository, &child.digest).await
    }

    /// Repositories of the host from which a blob may be had.
    fn nearby(&self, digest: &Digest, from: &Reference) -> Vec<String> {
        let Ok(Target { repository, .. }) = self.first() else { return Vec::new() };
        let mut all = Vec::new();
        if from.scheme() == SCHEME
            && let Ok(Locator::Name(name)) = Locator::of(from)
            && name.domain() == repository.host.name()
        {
            all.push(name.path().to_owned());
        }
        all.extend(repository.host.placed(digest));
        all.retain(|path| *path != repository.path);
        all.dedup();
        all
    }
}

/// Layers that a registry does not hold, and need not.
fn is_foreign(blob: &Descriptor) -> bool {
    let media_type = blob.media_type.as_ref();
    !blob.urls.is_empty()
        && (media_type.contains(".nondistributable.")
            || media_type == media_types::DOCKER_FOREIGN_LAYER
            || media_type == media_types::DOCKER_FOREIGN_LAYER_GZIP)
}

#[async_trait]
impl ImageDestination for RegistryDestination {
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
        let found = push::has(&self.first()?.repository, want).await?;
        if let Some(stored) = &found {
            self.arrived(stored, want.media_type.as_ref())?;
        }
        Ok(found)
    }

    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        let (Some(digest), Some(size)) = (&want.digest, want.size) else { return Ok(None) };
        let repository = &self.first()?.repository;
        for path in self.nearby(digest, from) {
            match push::mount(repository, digest, &path).await? {
                Some(Mounted::There) => {
                    let stored = Stored::new(digest.clone(), size);
                    self.arrived(&stored, want.media_type.as_ref())?;
                    return Ok(Some(stored));
                }
                // It is there for the put that follows; if none does, it is given up with the image.
                Some(Mounted::Upload(session)) => {
                    self.state().begun.insert(digest.clone(), session);
                }
                None => {}
            }
        }
        Ok(None)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let repository = &self.first()?.repository;
        let begun = match &expect.digest {
            Some(digest) => self.state().begun.remove(digest),
            None => None,
        };
        let stored = push::upload(repository, &expect, body, begun).await?;
        self.arrived(&stored, expect.media_type.as_ref())?;
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.check_children(manifest).await?;
        let digest = &manifest.descriptor().digest;
        push::put_manifest(&self.first()?.repository, manifest, Wanted::Digest(digest)).await?;
        let mut state = self.state();
        state.there.insert(digest.clone());
        state.manifests.push(manifest.clone());
        Ok(())
    }

    async fn commit(mut self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        what.check_whole().context(|| &self.reference)?;
        let root = what.root;
        if let Some(absent) = what.absent.first() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} lacks {}, and a registry takes whole images only",
                    root.descriptor().digest,
                    absent.digest
                ),
            )
            .context(&self.reference));
        }
        for target in &self.targets {
            target.check(root).context(|| &self.reference)?;
        }
        self.check_children(root).await.context(|| &self.reference)?;
        let mut done = Vec::new();
        for (at, target) in self.targets.iter().enumerate() {
            let published = async {
                if at > 0 {
                    let (blobs, manifests) = {
                        let state = self.state();
                        (state.blobs.clone(), state.manifests.clone())
                    };
                    replicate(&self.targets[0].repository, target, &blobs, &manifests).await?;
                }
                target.publish(root, &mut done).await
            };
            if let Err(error) = published.await {
                let error = error.context(&self.reference);
                return Err(match done.as_slice() {
                    [] => error,
                    done => error.context(format!("{} is written", list(done))),
                });
            }
        }
        if let Some(claimed) = &mut self.claimed {
            claimed.keep();
        }
        Ok(Committed::new(root.descriptor().clone(), done))
    }
}

fn list(done: &[Reference]) -> String {
    done.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
