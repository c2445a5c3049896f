//! [`Archive`]: images in their order. A value: who holds it reads what it was.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use transship_core::{
    Available, DeletedNames, Descriptor, Digest, Document, Error, ErrorKind, ImageName, Manifest,
    Reference, Result, WriteMode, few,
};

use super::{Locator, SCHEME, Select};

/// Images in the order of their commits.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive(pub(super) Vec<Arc<Image>>);

/// One image.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) root: Manifest,
    pub(super) names: Vec<ImageName>,
    pub(super) parts: Parts,
    pub(super) signatures: Signed,
    /// Images beside it, by the tags that say so.
    pub(super) beside: BTreeMap<String, Manifest>,
    /// What had these tags when they were asked for.
    pub(super) asked: HashMap<String, Option<Digest>>,
    /// What is left out of a delta.
    pub(super) needs: HashSet<Digest>,
}

/// Detached signatures by the manifest that they are of.
pub(super) type Signed = HashMap<Digest, Vec<Bytes>>;

/// What manifests refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) manifests: HashMap<Digest, Manifest>,
    pub(super) blobs: HashMap<Digest, Bytes>,
    /// Manifests that have a subject, in the order in which they were put.
    pub(super) about: Vec<Manifest>,
}

impl Archive {
    /// What is written to: what is there already, where the mode says so.
    pub(super) fn base(there: Option<&Arc<Self>>, mode: WriteMode, place: &str) -> Result<Self> {
        match (there, mode) {
            (Some(_), WriteMode::Create) => Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{SCHEME}:{place} is there already"),
            )
            .hint("append to it, or replace it")),
            (Some(there), WriteMode::Append) => Ok(there.as_ref().clone()),
            _ => Ok(Self::default()),
        }
    }

    /// Adds an image at the end, and gives its position. Its names move here; an image of the same root is the same image.
    pub(super) fn add(&mut self, image: Image) -> Result<usize> {
        image.beside.iter().try_for_each(|(tag, new)| self.check_asked(&image.asked, tag, new))?;
        for other in &mut self.0 {
            Arc::make_mut(other).names.retain(|name| !image.names.contains(name));
        }
        let same = self.0.iter().position(|other| other.root.bytes() == image.root.bytes());
        if let Some(at) = same {
            let there = Arc::make_mut(&mut self.0[at]);
            there.names.extend(image.names);
            there.signatures.extend(image.signatures);
            there.parts.take_in(&image.parts);
            there.beside.extend(image.beside);
            there.needs.retain(|needed| image.needs.contains(needed));
            image.asked.into_iter().for_each(|(tag, of)| {
                there.asked.entry(tag).or_insert(of);
            });
            return Ok(at);
        }
        self.0.push(Arc::new(image));
        Ok(self.0.len() - 1)
    }

    /// What stands under a tag beside an image.
    pub(super) fn beside(&self, tag: &str) -> Option<&Manifest> {
        self.0.iter().rev().find_map(|image| image.beside.get(tag))
    }

    /// Refuses to replace what came since the tag was asked for.
    fn check_asked(
        &self,
        asked: &HashMap<String, Option<Digest>>,
        tag: &str,
        new: &Manifest,
    ) -> Result<()> {
        let (Some(asked), Some(now)) = (asked.get(tag), self.beside(tag)) else { return Ok(()) };
        let now = &now.descriptor().digest;
        if asked.as_ref() == Some(now) || *now == new.descriptor().digest {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, format!("another writer changed {tag} meanwhile")))
    }

    /// The image that a locator means.
    pub(super) fn choose(&self, locator: &Locator, at: &Reference) -> Result<Arc<Image>> {
        self.position(locator, at).map(|position| Arc::clone(&self.0[position]))
    }

    /// Takes one name away, or an image that is chosen without one.
    pub(super) fn remove(
        &mut self,
        locator: &Locator,
        at: &Reference,
        names: DeletedNames,
    ) -> Result<()> {
        let position = self.position(locator, at)?;
        if let Select::Name(name) = &locator.select
            && self.0[position].names.len() > 1
            && names != DeletedNames::All
        {
            Arc::make_mut(&mut self.0[position]).names.retain(|other| other != name);
        } else {
            self.0.remove(position);
        }
        Ok(())
    }

    fn position(&self, locator: &Locator, at: &Reference) -> Result<usize> {
        let found = match &locator.select {
            Select::Sole if self.0.len() > 1 => {
                let message = format!("{at} holds {} images", self.0.len());
                return Err(Error::new(ErrorKind::Ambiguous, message).hint(self.names()));
            }
            Select::Sole => Some(0),
            Select::Index(position) => Some(*position),
            Select::Name(name) => self.0.iter().position(|image| image.names.contains(name)),
        };
        found.filter(|position| *position < self.0.len()).ok_or_else(|| {
            let message = format!("there is no image {at}");
            Error::new(ErrorKind::NotFound, message).hint(self.names())
        })
    }

    fn names(&self) -> String {
        format!("the names here: {}", few(self.0.iter().flat_map(|image| &image.names)))
    }

    /// What the images are made of.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        for image in &self.0 {
            parts.take_in(&image.parts);
        }
        parts
    }
}

impl Parts {
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest) || self.manifests.contains_key(digest)
    }

    pub(super) fn take_in(&mut self, other: &Self) {
        self.manifests.extend(other.manifests.iter().map(|(d, m)| (d.clone(), m.clone())));
        self.blobs.extend(other.blobs.iter().map(|(d, b)| (d.clone(), b.clone())));
        other.about.iter().for_each(|about| self.add_about(about));
    }

    pub(super) fn put_manifest(&mut self, manifest: &Manifest) {
        self.manifests.insert(manifest.descriptor().digest.clone(), manifest.clone());
        if manifest.document().subject().is_some() {
            self.add_about(manifest);
        }
    }

    fn add_about(&mut self, about: &Manifest) {
        if self.about.iter().all(|other| other.descriptor().digest != about.descriptor().digest) {
            self.about.push(about.clone());
        }
    }

    /// Those that a root, and what is beside it, refer to, and what is about those.
    pub(super) fn of<'m>(&self, roots: impl Iterator<Item = &'m Manifest>) -> Self {
        let mut parts = Self::default();
        roots.for_each(|root| self.follow(root, &mut parts));
        let mut waiting: Vec<&Manifest> = self.about.iter().collect();
        // One may be about what is about the image.
        while let Some(at) = waiting.iter().position(|about| parts.is_subject_of(about)) {
            let about = waiting.remove(at);
            self.follow(about, &mut parts);
        }
        parts.about =
            self.about.iter().filter(|about| parts.is_subject_of(about)).cloned().collect();
        parts
    }

    fn is_subject_of(&self, about: &Manifest) -> bool {
        about.document().subject().is_some_and(|of| self.manifests.contains_key(&of.digest))
    }

    /// Takes a blob that is there.
    fn copy(&mut self, from: &Self, of: &Descriptor) {
        let found = from.blobs.get_key_value(&of.digest);
        self.blobs.extend(found.map(|(digest, bytes)| (digest.clone(), bytes.clone())));
    }

    fn follow(&self, from: &Manifest, parts: &mut Self) {
        let mut waiting = vec![from.clone()];
        while let Some(manifest) = waiting.pop() {
            match manifest.document() {
                Document::Image(image) => {
                    for of in image.layers.iter().chain([&image.config]) {
                        parts.copy(self, of);
                    }
                }
                Document::Index(index) => {
                    let (manifests, contents): (Vec<_>, Vec<_>) =
                        index.manifests.iter().partition(|child| child.may_be_manifest());
                    for of in contents {
                        parts.copy(self, of);
                    }
                    let found =
                        manifests.into_iter().filter_map(|of| self.manifests.get(&of.digest));
                    waiting.extend(found.cloned());
                }
                _ => {}
            }
            parts.manifests.insert(manifest.descriptor().digest.clone(), manifest);
        }
    }
}

impl Available for Parts {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        Ok(self.blobs.get(&of.digest).map(|bytes| bytes.len() as u64))
    }

    fn manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        let found = self.manifests.get(&of.digest);
        found.map(|found| Manifest::verified(of, found.bytes().clone())).transpose()
    }
}
