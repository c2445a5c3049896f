//! [`Parts`]: all that an image consists of.

use std::collections::HashSet;

use bytes::Bytes;
use transship_core::{
    Commit, Descriptor, Digest, Document, Error, ErrorKind, ImageName, Manifest, Result,
};

/// An image that was committed and does not show yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) root: Manifest,
    pub(crate) names: Vec<ImageName>,
    /// Children that are knowingly left out.
    absent: HashSet<Digest>,
    /// Manifests that were put with it and have a subject.
    about: Vec<Manifest>,
}

impl Pending {
    pub(crate) fn new(what: &Commit<'_>, names: Vec<ImageName>, about: Vec<Manifest>) -> Self {
        let absent = what.absent.iter().map(|child| child.digest.clone()).collect();
        Self { root: what.root.clone(), names, absent, about }
    }
}

/// What an image refers to, and what is about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) digests: HashSet<Digest>,
    pub(crate) about: Vec<Manifest>,
}

impl Parts {
    /// Follows an image from its root.
    ///
    /// # Errors
    /// `NotFound` for what is not there and not knowingly left out, `Corrupt` for what has another size there.
    pub(crate) fn gather(image: &Pending, find: &dyn Fn(&Digest) -> Option<Bytes>) -> Result<Self> {
        let mut parts = Self::default();
        parts.follow(image, find, image.root.clone())?;
        // Something may be about what is about the image.
        while let Some(next) = image.about.iter().find(|manifest| parts.gains(manifest)) {
            parts.about.push(next.clone());
            parts.follow(image, find, next.clone())?;
        }
        Ok(parts)
    }

    fn gains(&self, about: &Manifest) -> bool {
        let subject = about.document().subject();
        subject.is_some_and(|subject| self.digests.contains(&subject.digest))
            && !self.digests.contains(&about.descriptor().digest)
    }

    fn follow(
        &mut self,
        image: &Pending,
        find: &dyn Fn(&Digest) -> Option<Bytes>,
        from: Manifest,
    ) -> Result<()> {
        self.digests.insert(from.descriptor().digest.clone());
        let mut waiting = vec![from];
        while let Some(manifest) = waiting.pop() {
            let (blobs, children): (Vec<&Descriptor>, Vec<&Descriptor>) = match manifest.document() {
                Document::Image(of) => (of.layers.iter().chain([&of.config]).collect(), Vec::new()),
                Document::Index(of) => (Vec::new(), of.manifests.iter().collect()),
                _ => return Err(Error::new(ErrorKind::Unsupported, "it is no manifest")),
            };
            let is_new = |parts: &mut Self, of: &Descriptor| {
                !image.absent.contains(&of.digest) && parts.digests.insert(of.digest.clone())
            };
            for blob in blobs {
                if is_new(self, blob) {
                    locate(find, blob)?;
                }
            }
            for child in children {
                if is_new(self, child) {
                    waiting.push(Manifest::verified(child, locate(find, child)?)?);
                }
            }
        }
        Ok(())
    }
}

fn locate(find: &dyn Fn(&Digest) -> Option<Bytes>, part: &Descriptor) -> Result<Bytes> {
    match find(&part.digest) {
        Some(bytes) if bytes.len() as u64 == part.size => Ok(bytes),
        Some(bytes) => {
            let (digest, size) = (&part.digest, part.size);
            let message = format!("{digest} has {} bytes, {size} expected", bytes.len());
            Err(Error::new(ErrorKind::Corrupt, message))
        }
        None => Err(Error::new(ErrorKind::NotFound, format!("{} was not put", part.digest))),
    }
}
