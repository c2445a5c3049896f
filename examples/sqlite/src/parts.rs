//! [`Parts`]: all that an image consists of.

use std::collections::HashSet;

use bytes::Bytes;
use transship::transport::{
    Commit, Descriptor, Digest, Document, Error, ErrorKind, ImageName, MANIFEST_LIMIT, Manifest,
};

use crate::blobs::{Blobs, Found};
use crate::failure::Tried;

/// What is known of an image beside its root.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Manifests that have a subject.
    pub(crate) about: Vec<Manifest>,
    /// Detached ones, and of which manifest; `None` is the root.
    pub(crate) signatures: Vec<(Option<Digest>, Vec<Bytes>)>,
    /// Blobs that were found in place, and so were not put.
    pub(crate) found: HashSet<String>,
}

/// An image that was committed and does not show yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) root: Manifest,
    pub(crate) names: Vec<ImageName>,
    /// Children that are knowingly left out.
    absent: HashSet<String>,
    /// Blobs that were found in place; who replaces the images meanwhile takes them away.
    found: HashSet<String>,
    /// Manifests that were put with it and have a subject.
    about: Vec<Manifest>,
    /// Detached ones, and of which manifest.
    pub(crate) signatures: Vec<(Digest, Vec<Bytes>)>,
}

impl Pending {
    pub(crate) fn new(what: &Commit<'_>, names: Vec<ImageName>, beside: Beside) -> Self {
        let absent = what.absent.iter().map(|child| child.digest.to_string()).collect();
        let root = what.root.clone();
        let digest = &root.descriptor().digest;
        let signed = beside.signatures.into_iter();
        let signatures =
            signed.map(|(of, all)| (of.unwrap_or_else(|| digest.clone()), all)).collect();
        Self { root, names, absent, found: beside.found, about: beside.about, signatures }
    }

    /// What is not there, and was found or was never put.
    fn lacks(&self, part: &Descriptor) -> Error {
        let digest = &part.digest;
        if !self.found.contains(digest.as_ref()) {
            return Error::new(ErrorKind::NotFound, format!("{digest} was not put"));
        }
        let message = format!("blob {digest} was there, and has been removed meanwhile");
        Error::new(ErrorKind::Conflict, message).hint("copy again")
    }
}

/// What an image refers to, each once, and what is about it.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) digests: Vec<Digest>,
    pub(crate) about: Vec<Manifest>,
    seen: HashSet<String>,
    /// Manifests that were followed. One may be a layer of an artifact, too, and was seen then.
    followed: HashSet<String>,
}

impl Parts {
    /// Follows an image from its root, through what is in one of the places.
    ///
    /// # Errors
    /// `NotFound` for what is in none of them and not knowingly left out, `Conflict` where it was found, `Corrupt` for what has another size there.
    pub(crate) fn gather(image: &Pending, places: &[Blobs<'_>]) -> Tried<Self> {
        let mut parts = Self::default();
        parts.follow(image, places, image.root.clone())?;
        // Something may be about what is about the image.
        while let Some(next) = image.about.iter().find(|manifest| parts.gains(manifest)) {
            parts.about.push(next.clone());
            parts.follow(image, places, next.clone())?;
        }
        Ok(parts)
    }

    fn gains(&self, about: &Manifest) -> bool {
        let subject = about.document().subject();
        let about_this =
            subject.is_some_and(|subject| self.followed.contains(subject.digest.as_ref()));
        about_this && !self.followed.contains(about.descriptor().digest.as_ref())
    }

    fn follow(&mut self, image: &Pending, places: &[Blobs<'_>], from: Manifest) -> Tried {
        let mut waiting = vec![from];
        while let Some(manifest) = waiting.pop() {
            let digest = &manifest.descriptor().digest;
            if !self.followed.insert(digest.to_string()) {
                continue;
            }
            self.note(digest);
            let (of, below): (Vec<&Descriptor>, Vec<&Descriptor>) = match manifest.document() {
                Document::Image(of) => (of.layers.iter().chain([&of.config]).collect(), Vec::new()),
                Document::Index(of) => of.manifests.iter().partition(|of| !of.may_be_manifest()),
                _ => return Err(Error::new(ErrorKind::Unsupported, "it is no manifest").into()),
            };
            for blob in of {
                if !self.seen.contains(blob.digest.as_ref())
                    && locate(image, places, blob)?.is_some()
                {
                    self.note(&blob.digest);
                }
            }
            for child in below {
                if let Some((place, found)) = locate(image, places, child)? {
                    let bytes = place.bytes(found, MANIFEST_LIMIT)?;
                    waiting.push(Manifest::verified(child, bytes)?);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, digest: &Digest) {
        if self.seen.insert(digest.to_string()) {
            self.digests.push(digest.clone());
        }
    }
}

/// Where a part is; `None` where it may be missing.
fn locate<'a>(
    image: &Pending,
    places: &[Blobs<'a>],
    part: &Descriptor,
) -> Tried<Option<(Blobs<'a>, Found)>> {
    for place in places {
        match place.find(&part.digest)? {
            Some(found) if found.size == part.size => return Ok(Some((*place, found))),
            Some(found) => {
                let (digest, expected) = (&part.digest, part.size);
                let message = format!("{digest} has {} bytes, {expected} expected", found.size);
                return Err(Error::new(ErrorKind::Corrupt, message).into());
            }
            None => {}
        }
    }
    let may_lack = image.absent.contains(part.digest.as_ref()) || part.is_nondistributable();
    if may_lack { Ok(None) } else { Err(image.lacks(part).into()) }
}
