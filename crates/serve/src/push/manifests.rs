//! Manifests that are pushed and deleted.

use bytes::Bytes;
use hyper::StatusCode;
use transship_core::{
    Body, Commit, DeleteOptions, Descriptor, Digest, Error, ErrorKind, Expect, ImageDestination,
    ImageName, MANIFEST_LIMIT, Manifest, MediaType, Reference, Result, sha256,
};

use super::{Pushing, Writable, names};
use crate::manifests::{Found, find};
use crate::names::FullName;
use crate::protocol::{Refusal, Wanted};
use crate::reply::{self, Answer, Refused, set};
use crate::view::{Part, View};

/// How often a deletion looks again at what another program changes at the same time.
const LOOKS: usize = 8;

/// The most children of an index whose own names are taken back.
const CHILDREN: usize = 64;

impl<B> Pushing<'_, B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    /// `PUT manifests/..`: all that the manifest names becomes a whole image of the place.
    pub(super) async fn put(&mut self, wanted: &Wanted) -> Answer {
        let place = &self.writable.reference;
        let view = self.registry.view().await;
        let name = names::name(&view, place, (self.path, self.host), wanted)?;
        let bytes = self.incoming.all(MANIFEST_LIMIT).await?;
        let manifest = self.manifest(wanted, &bytes)?;
        let digest = manifest.descriptor().digest.clone();
        let how = self.writable.how.clone().with_names(vec![name]);
        let destination = self.writable.transport.destination(place, &how).await?;
        let is_index = manifest.document().is_index();
        for part in manifest.document().parts() {
            if is_index && part.may_be_manifest() {
                self.check_child(&*destination, part).await?;
            } else {
                self.put_blob(&*destination, part).await?;
            }
        }
        {
            let _changing = self.writable.changes.lock().await;
            let view = self.registry.view().await;
            self.keep_moved(&view, wanted, &digest).await?;
            if let Err(error) = destination.commit(Commit::new(&manifest)).await {
                return Err(self.not_kept(error));
            }
            self.unname_parts(&*self.registry.view().await, wanted, &manifest).await;
        }
        let parts = manifest.document().parts();
        self.writable.waiting.remove_blobs(parts.map(|part| &part.digest));
        let mut response = self.created(&format!("manifests/{digest}"), &digest);
        if let Some(subject) = manifest.document().subject() {
            let name = hyper::header::HeaderName::from_static("oci-subject");
            set(response.headers_mut(), name, subject.digest.as_ref());
        }
        Ok(response)
    }

    /// The manifest, if it is what the request says.
    fn manifest(&self, wanted: &Wanted, bytes: &Bytes) -> Result<Manifest, Refusal> {
        let told =
            self.header("content-type").map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        let digest = match wanted {
            Wanted::Digest(digest) => digest.clone(),
            Wanted::Tag(_) => sha256(bytes),
        };
        let kind = MediaType::from(told.unwrap_or_default());
        let descriptor = Descriptor::new(kind, digest, bytes.len() as u64);
        let wrong_digest = || {
            let found = Expect::from(&descriptor).hasher().map(|mut hasher| {
                hasher.update(bytes);
                hasher.finish()
            });
            found.map_or(true, |found| found != descriptor.digest)
        };
        if wrong_digest() {
            let why = format!("the manifest is not {}", descriptor.digest);
            return Err(Refusal::bad("DIGEST_INVALID", why));
        }
        Manifest::verified(&descriptor, bytes.clone()).map_err(|error| invalid(error.to_string()))
    }

    /// Puts a blob that the place lacks: one that was uploaded, or is in another place here.
    async fn put_blob(
        &self,
        destination: &dyn ImageDestination,
        of: &Descriptor,
    ) -> Result<(), Refused> {
        let expect = Expect::from(of);
        if destination.has(&expect).await?.is_some() {
            return Ok(());
        }
        let uploaded = self.writable.blob(&of.digest).await?.map(Body::from_file);
        let body = match uploaded {
            Some(body) => Some(body),
            None => self.elsewhere(&of.digest).await?,
        };
        let Some(body) = body else {
            // Layers that may not be distributed say where else they are.
            return if of.urls.is_empty() { Err(missing(&of.digest).into()) } else { Ok(()) };
        };
        match destination.put_blob(expect, body).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.not_kept(error)),
        }
    }

    /// A blob of another place here.
    async fn elsewhere(&self, digest: &Digest) -> Result<Option<Body>> {
        let anywhere = FullName::new("", self.path);
        let view = self.registry.view().await;
        Ok(match find(&view, &anywhere, Part::Blob, digest).await? {
            Some(Found::Blob(_, body)) => Some(*body),
            _ => None,
        })
    }

    /// Refuses an index whose manifest was not pushed before.
    async fn check_child(
        &self,
        destination: &dyn ImageDestination,
        of: &Descriptor,
    ) -> Result<(), Refused> {
        match destination.has(&Expect::from(of)).await? {
            Some(_) => Ok(()),
            None => Err(missing(&of.digest).into()),
        }
    }

    /// Tells the client what it can mend. The rest is for the log: it names files of this machine.
    fn not_kept(&self, error: Error) -> Refused {
        let told = match error.kind() {
            ErrorKind::NotFound => {
                Refusal::bad("MANIFEST_BLOB_UNKNOWN", "it refers to what is not here")
            }
            ErrorKind::Corrupt | ErrorKind::LimitExceeded | ErrorKind::Unsupported => {
                invalid("it contradicts what it refers to, or cannot be kept here".to_owned())
            }
            _ => return Refused::Logged(error),
        };
        self.writable.how.observer.warn(error.to_string());
        Refused::Told(told)
    }

    /// What was pushed by its digest, and now is in an index or has a tag, needs no name of its own.
    async fn unname_parts(&self, view: &View, wanted: &Wanted, manifest: &Manifest) {
        let index = manifest.document().is_index();
        let children = manifest.document().parts().filter(|_| index).take(CHILDREN);
        let own = matches!(wanted, Wanted::Tag(_)).then_some(&manifest.descriptor().digest);
        for digest in children.map(|child| &child.digest).chain(own) {
            let wanted = Wanted::Digest(digest.clone());
            let place = &self.writable.reference;
            let name = names::name(view, place, (self.path, self.host), &wanted);
            let Ok(name) = name else { continue };
            if view.has_name(&name)
                && let Ok(name) = self.writable.named(&name)
            {
                // Where it stays, it is an image more.
                let _ = self.writable.delete(&name, digest).await;
            }
        }
    }

    /// What a tag names before it moves stays.
    async fn keep_moved(&self, view: &View, wanted: &Wanted, comes: &Digest) -> Result<()> {
        let (Wanted::Tag(tag), Ok(repository)) =
            (wanted, view.find_to_change(self.path, self.host))
        else {
            return Ok(());
        };
        let moving = view.names(repository, &self.writable.reference, tag);
        self.keep(view, repository, &moving, Some(comes)).await
    }

    /// `DELETE manifests/..`: a tag alone, or all of a digest in this repository.
    pub(super) async fn delete(&mut self, wanted: &Wanted) -> Answer {
        // Nothing that is pushed here comes between the look and the deletion. Other programs may, so what they change is looked at again.
        let _changing = self.writable.changes.lock().await;
        let mut answer = self.delete_seen(wanted).await;
        for _ in 1..LOOKS {
            match &answer {
                Err(Refused::Logged(error)) if error.kind() == ErrorKind::Conflict => {
                    answer = self.delete_seen(wanted).await;
                }
                _ => break,
            }
        }
        answer
    }

    /// Deletes what is there now. What another program moves meanwhile is a `Conflict`.
    async fn delete_seen(&self, wanted: &Wanted) -> Answer {
        let view = self.registry.view().await;
        let repository = view
            .find_to_change(self.path, self.host)
            .map_err(|why| crate::lists::no_repository(self.path, &why))?;
        let going = match wanted {
            Wanted::Tag(tag) => {
                let names = view.names(repository, &self.writable.reference, tag);
                self.keep(&view, repository, &names, None).await?;
                self.of_names(&view, &names).await?
            }
            Wanted::Digest(digest) => self.of_digest(&view, repository, digest).await?,
        };
        let mut is_done = false;
        for (reference, root) in &going {
            match self.writable.delete(reference, root).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // The name is that of another image now.
                Err(error)
                    if error.kind() == ErrorKind::Conflict
                        && matches!(wanted, Wanted::Digest(_)) => {}
                other => {
                    other?;
                    is_done = true;
                }
            }
        }
        let done = is_done.then(|| reply::empty(StatusCode::ACCEPTED));
        done.ok_or_else(|| {
            let why = format!("{} has no manifest {wanted} that can be deleted", self.path);
            Refusal::unknown("MANIFEST_UNKNOWN", why).into()
        })
    }

    /// The images that have some names, and their roots.
    async fn of_names(&self, view: &View, names: &[ImageName]) -> Result<Vec<(Reference, Digest)>> {
        let mut found = Vec::new();
        for (_, image) in view.all_images().filter(|(at, _)| self.writable.has(view, *at)) {
            let own = image.served.iter().filter_map(|one| one.name.as_ref());
            for name in own.filter(|name| names.contains(name)) {
                let root = image.opened().await?.root.digest.clone();
                found.push((self.writable.named(name)?, root));
            }
        }
        Ok(found)
    }

    /// All that stands for a digest in a repository: its names, or the image itself where it has none.
    async fn of_digest(
        &self,
        view: &View,
        repository: &FullName,
        digest: &Digest,
    ) -> Result<Vec<(Reference, Digest)>> {
        let mut found = Vec::new();
        let images = view.named(repository).map_or(&[][..], |named| &named.images);
        for at in images.iter().filter(|at| self.writable.has(view, **at)) {
            let image = view.image(*at);
            if !image.opened().await.is_ok_and(|opened| opened.root.digest == *digest) {
                continue;
            }
            for one in image.served.iter().filter(|one| one.repository == *repository) {
                let reference = match &one.name {
                    Some(name) => self.writable.named(name)?,
                    None => image.reference.clone(),
                };
                found.push((reference, digest.clone()));
            }
        }
        Ok(found)
    }
}

impl Writable {
    /// Whether an image is in the place that is pushed to.
    pub(super) fn has(&self, view: &View, image: usize) -> bool {
        view.place(image).reference == self.reference
    }

    /// The image that has a name.
    fn named(&self, name: &ImageName) -> Result<Reference> {
        self.transport.parse(&format!("{}:{name}", self.reference.locator()))
    }

    /// Takes a name from the image with a root, or deletes it where it has none.
    async fn delete(&self, at: &Reference, root: &Digest) -> Result<()> {
        let Some(deletion) = self.transport.deletion() else {
            return Err(Error::new(ErrorKind::Unsupported, "this server deletes nothing"));
        };
        let mut how = DeleteOptions::default();
        how.observer = self.how.observer.clone();
        how.lock_timeout = self.how.lock_timeout;
        deletion.delete_if(at, root, &how).await
    }
}

impl View {
    /// Whether an image of a place that is pushed to has a name.
    fn has_name(&self, name: &ImageName) -> bool {
        let mut all = self.all_images().flat_map(|(_, image)| &image.served);
        all.any(|one| one.name.as_ref() == Some(name))
    }

    /// The names of a tag in one place.
    pub(super) fn names(
        &self,
        repository: &FullName,
        place: &Reference,
        tag: &str,
    ) -> Vec<ImageName> {
        let own = self.all_images().filter(|(at, _)| self.place(*at).reference == *place);
        own.flat_map(|(_, image)| &image.served)
            .filter(|one| one.repository == *repository && one.tag.as_deref() == Some(tag))
            .filter_map(|one| one.name.clone())
            .collect()
    }
}

fn missing(digest: &Digest) -> Refusal {
    Refusal::bad("MANIFEST_BLOB_UNKNOWN", format!("{digest} is not here: push it before"))
}

fn invalid(why: String) -> Refusal {
    Refusal::bad("MANIFEST_INVALID", why)
}
