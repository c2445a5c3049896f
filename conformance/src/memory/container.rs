//! [`Container`]: images in their order. A value: who holds it reads what it was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use transship_core::{
    Available, Descriptor, Digest, Document, Error, ErrorKind, ImageName, Manifest, Reference,
    Result, WriteMode,
};

use super::{Locator, SCHEME, Select};

/// Images in the order of their commits.
#[derive(Clone, Debug, Default)]
pub(super) struct Container(pub(super) Vec<Arc<Image>>);

/// One image.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) root: Manifest,
    pub(super) names: Vec<ImageName>,
    pub(super) parts: Parts,
    pub(super) signatures: Signed,
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
}

impl Container {
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
    pub(super) fn add(&mut self, image: Image) -> usize {
        for other in &mut self.0 {
            Arc::make_mut(other).names.retain(|name| !image.names.contains(name));
        }
        let same = self.0.iter().position(|other| other.root.bytes() == image.root.bytes());
        if let Some(at) = same {
            let there = Arc::make_mut(&mut self.0[at]);
            there.names.extend(image.names);
            there.signatures.extend(image.signatures);
            there.parts.take_in(&image.parts);
            there.needs.retain(|needed| image.needs.contains(needed));
            return at;
        }
        self.0.push(Arc::new(image));
        self.0.len() - 1
    }

    /// The image that a locator means.
    pub(super) fn choose(&self, locator: &Locator, at: &Reference) -> Result<Arc<Image>> {
        self.position(locator, at).map(|position| Arc::clone(&self.0[position]))
    }

    /// Takes one name away, or an image that is chosen without one.
    pub(super) fn remove(&mut self, locator: &Locator, at: &Reference) -> Result<()> {
        let position = self.position(locator, at)?;
        if let Select::Name(name) = &locator.select
            && self.0[position].names.len() > 1
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
        let names = self.0.iter().flat_map(|image| &image.names).map(ImageName::as_str);
        format!("the names here are {}", names.collect::<Vec<_>>().join(", "))
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
    }

    /// Those that a root refers to.
    pub(super) fn of(self, root: &Manifest) -> Self {
        let mut parts = Self::default();
        let mut waiting: Vec<_> = vec![root.clone()];
        for (digest, manifest) in &self.manifests {
            // Those that are about it come with it.
            let about = manifest.document().subject().map(|subject| subject.digest.clone());
            if about.as_ref() == Some(&root.descriptor().digest) {
                parts.manifests.insert(digest.clone(), manifest.clone());
                waiting.push(manifest.clone());
            }
        }
        while let Some(manifest) = waiting.pop() {
            match manifest.document() {
                Document::Image(image) => {
                    for part in image.layers.iter().chain([&image.config]) {
                        let found = self.blobs.get_key_value(&part.digest);
                        parts.blobs.extend(found.map(|(d, b)| (d.clone(), b.clone())));
                    }
                }
                Document::Index(index) => {
                    for child in &index.manifests {
                        let Some(found) = self.manifests.get(&child.digest) else { continue };
                        parts.manifests.insert(child.digest.clone(), found.clone());
                        waiting.push(found.clone());
                    }
                }
                _ => {}
            }
        }
        parts
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
