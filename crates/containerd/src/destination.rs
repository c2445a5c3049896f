//! [`Destination`]: one image being written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use transship_core::{
    Accepts, AcceptsNameless, Available, Body, Commit, Committed, Complete, Contents, Descriptor,
    Digest, DockerName, Error, ErrorKind, Expect, Hint, ImageDestination, ImageName, Manifest,
    Observer, Reference, Result, ResultExt, Stored, WriteMode, WriteOptions, run_blocking,
};

use crate::SCHEME;
use crate::api::Containerd;
use crate::labels;
use crate::lease::{Garbage, Lease};
use crate::proto::Info;
use crate::publish::{Publication, Taken};
use crate::reference::{Locator, Which};
use crate::source;
use crate::upload::{Upload, check_algorithm};

/// The root of the image without a name that a writer has written.
pub(crate) type Nameless = Arc<Mutex<Option<Digest>>>;

/// One image being written.
#[derive(Debug)]
pub(crate) struct Destination {
    containerd: Containerd,
    lease: Lease,
    place: Locator,
    reference: Reference,
    names: Vec<DockerName>,
    shown_names: Vec<ImageName>,
    /// The root that a reference asks for.
    pinned: Option<Digest>,
    accepts: Accepts,
    taken: Taken,
    observer: Observer,
    lock_timeout: Option<Duration>,
    garbage: Garbage,
    nameless: Nameless,
    blobs: Mutex<HashMap<Digest, u64>>,
    manifests: Mutex<Vec<Manifest>>,
}

impl Destination {
    pub(crate) fn new(
        containerd: Containerd,
        place: &Locator,
        names: Vec<DockerName>,
        how: &WriteOptions,
    ) -> Self {
        let mut accepts = Accepts::anything();
        accepts.nameless = AcceptsNameless::One;
        let image = match (names.first(), &place.image) {
            (Some(name), _) => Which::Name(name.clone()),
            (None, image) => image.clone(),
        };
        let pinned = match &place.image {
            Which::Root(root) => Some(root.clone()),
            _ => None,
        };
        Self {
            lease: Lease::new(containerd.clone()),
            containerd,
            place: Locator::all(&place.namespace),
            reference: place.with(image).reference(),
            shown_names: names.iter().map(ImageName::from).collect(),
            names,
            pinned,
            accepts,
            taken: match how.mode {
                Some(WriteMode::Create) => Taken::Refused,
                _ => Taken::Moves,
            },
            observer: how.observer.clone(),
            lock_timeout: how.lock_timeout,
            garbage: Garbage::Goes,
            nameless: Nameless::default(),
            blobs: Mutex::default(),
            manifests: Mutex::default(),
        }
    }

    /// As one of the images of a writer, which collects once for all of them.
    pub(crate) fn of_writer(mut self, nameless: Nameless) -> Self {
        self.nameless = nameless;
        self.garbage = Garbage::Waits;
        self
    }

    fn upload(&self, labels: HashMap<String, String>) -> Upload<'_> {
        Upload {
            containerd: &self.containerd,
            lease: &self.lease,
            labels,
            observer: &self.observer,
            lock_timeout: self.lock_timeout,
        }
    }

    fn blobs(&self) -> MutexGuard<'_, HashMap<Digest, u64>> {
        locked(&self.blobs)
    }

    /// Looks for a blob, and keeps it from being collected before the image refers to it.
    async fn find(&self, digest: &Digest) -> Result<Option<u64>> {
        if let Some(size) = self.blobs().get(digest) {
            return Ok(Some(*size));
        }
        // In this order: what is there afterwards stays.
        self.lease.keep(digest).await?;
        let size = self.containerd.size(digest).await?;
        if let Some(size) = size {
            self.blobs().insert(digest.clone(), size);
        }
        Ok(size)
    }

    /// Holds an image to what has to be true of it before anything of it shows.
    async fn check(self: &Arc<Self>, what: Commit<'_>) -> Result<Complete> {
        what.check_whole()?;
        let root = what.root.descriptor();
        if let Some(pinned) = self.pinned().into_iter().find(|pinned| **pinned != root.digest) {
            let message = format!("{pinned} is asked for, and the image is {}", root.digest);
            return Err(Error::new(ErrorKind::Corrupt, message).hint(Hint::PreserveDigests));
        }
        let (root, absent) = (what.root.clone(), what.absent.to_vec());
        let (this, runtime) = (Arc::clone(self), Handle::current());
        run_blocking(move |_| {
            let manifests = locked(&this.manifests).clone();
            let here = Here { destination: &this, runtime };
            Commit::new(&root).without(&absent).check_complete(&manifests, &here)
        })
        .await
    }

    /// Writes what the image consists of, what is below before what is above.
    async fn write(&self, root: &Manifest, complete: &Complete) -> Result<()> {
        let manifests = locked(&self.manifests).clone();
        let own = &root.descriptor().digest;
        let below = manifests.iter().filter(|manifest| manifest.descriptor().digest != *own);
        for manifest in below.chain([root]) {
            let digest = &manifest.descriptor().digest;
            self.write_manifest(manifest).await.context(|| format!("manifest {digest}"))?;
        }
        for referrer in &complete.referrers {
            let subject = referrer.document().subject().map(|subject| &subject.digest);
            let holder = match subject {
                Some(subject) if self.find(subject).await?.is_some() => subject,
                _ => own,
            };
            let labels = [labels::of_referrer(&referrer.descriptor().digest)].into();
            self.label(holder, labels).await?;
        }
        Ok(())
    }

    async fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let of = manifest.descriptor();
        let labels = labels::of(manifest);
        if self.find(&of.digest).await?.is_some() {
            return self.label(&of.digest, labels).await;
        }
        let body = Body::from_bytes(manifest.bytes().clone()).expecting(&Expect::from(of))?;
        let stored = self.upload(labels.clone()).put(body).await?;
        self.blobs().insert(stored.digest, stored.size);
        // Another client may have written it meanwhile, without labels: a collection would take what it needs.
        self.label(&of.digest, labels).await
    }

    async fn label(&self, digest: &Digest, labels: HashMap<String, String>) -> Result<()> {
        if labels.is_empty() {
            return Ok(());
        }
        let info = Info { digest: digest.to_string(), labels, ..Info::default() };
        self.containerd.label(info).await
    }

    /// One image of a writer may be without a name.
    fn claim_namelessness(&self, root: &Digest) -> Result<()> {
        if !self.names.is_empty() {
            return Ok(());
        }
        let mut nameless = locked(&self.nameless);
        if let Some(other) = nameless.as_ref().filter(|other| *other != root) {
            let message = format!("neither {other} nor {root} has a name");
            return Err(Error::new(ErrorKind::AlreadyExists, message)
                .hint("containerd knows images by their names: give each one"));
        }
        *nameless = Some(root.clone());
        Ok(())
    }

    async fn commit_it(self: Arc<Self>, what: Commit<'_>) -> Result<Committed> {
        let root = what.root.descriptor().clone();
        check_algorithm(&root.digest)?;
        // Where the lease has expired, what was found may be gone: that is said first.
        self.lease.keep(&root.digest).await?;
        let complete = self.check(what).await?;
        self.claim_namelessness(&root.digest)?;
        self.write(what.root, &complete).await?;
        let at = |image| self.place.with(image).reference();
        let references = match &*self.names {
            [] => vec![at(Which::Root(root.digest.clone()))],
            names => names.iter().map(|name| at(Which::Name(name.clone()))).collect(),
        };
        let publication = Publication {
            containerd: self.containerd.clone(),
            root: root.clone(),
            names: self.names.iter().map(ToString::to_string).collect(),
            taken: self.taken,
            garbage: self.garbage,
            observer: self.observer.clone(),
        };
        let this = Arc::into_inner(self)
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "the image is still checked"))?;
        publication.run(this.lease).await?;
        Ok(Committed::new(root, references))
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

    fn pinned(&self) -> Vec<&Digest> {
        self.names.iter().filter_map(DockerName::digest).chain(&self.pinned).collect()
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let Some(digest) = want.digest.as_ref().filter(|digest| check_algorithm(digest).is_ok())
        else {
            return Ok(None);
        };
        let found = self.find(digest).await.context(|| format!("looking for blob {digest}"))?;
        Ok(found.and_then(|size| want.of_size(size)))
    }

    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        let known = want.digest.as_ref().zip(want.size);
        let Some((digest, size)) = known.filter(|(digest, _)| check_algorithm(digest).is_ok())
        else {
            return Ok(None);
        };
        // Another namespace; of another containerd nothing is there.
        let other = Locator::of(from).is_ok_and(|from| from.namespace != self.place.namespace);
        if from.scheme() != SCHEME || !other {
            return Ok(None);
        }
        let taken = self.upload(HashMap::new()).take(digest, size).await;
        let taken = taken.context(|| format!("blob {digest}"))?;
        if let Some(stored) = &taken {
            self.blobs().insert(stored.digest.clone(), stored.size);
        }
        Ok(taken)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let what = match &expect.digest {
            Some(digest) => format!("blob {digest}"),
            None => format!("a blob of {}", self.reference),
        };
        let put = async { self.upload(HashMap::new()).put(body.expecting(&expect)?).await };
        let stored = put.await.context(|| what)?;
        self.blobs().insert(stored.digest.clone(), stored.size);
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let digest = &manifest.descriptor().digest;
        check_algorithm(digest)?;
        let mut manifests = locked(&self.manifests);
        if manifests.iter().all(|known| known.descriptor().digest != *digest) {
            manifests.push(manifest.clone());
        }
        Ok(())
    }

    fn contents(&self) -> Option<&dyn Contents> {
        Some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        let reference = self.reference.clone();
        Arc::new(*self).commit_it(what).await.context(|| reference)
    }
}

#[async_trait]
impl Contents for Destination {
    async fn read(&self, of: &Descriptor) -> Result<Option<Body>> {
        let put = locked(&self.manifests)
            .iter()
            .find(|manifest| manifest.descriptor().digest == of.digest)
            .map(|manifest| manifest.bytes().clone());
        if let Some(bytes) = put {
            return Body::from_bytes(bytes).expecting(&Expect::from(of)).map(Some);
        }
        if check_algorithm(&of.digest).is_err() || self.find(&of.digest).await?.is_none() {
            return Ok(None);
        }
        source::body(&self.containerd, of).await.map(Some)
    }
}

/// What was put, and what is there.
struct Here<'a> {
    destination: &'a Destination,
    runtime: Handle,
}

impl Available for Here<'_> {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        if check_algorithm(&of.digest).is_err() {
            return Ok(None);
        }
        self.runtime.block_on(self.destination.find(&of.digest))
    }

    fn manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        if self.blob(of)?.is_none() {
            return Ok(None);
        }
        let read = source::document(&self.destination.containerd, of);
        self.runtime.block_on(read).map(Some)
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
