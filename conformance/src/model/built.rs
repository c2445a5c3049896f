//! [`Built`]: the bytes of an image.

use bytes::Bytes;
use transship_core::{Descriptor, Digest, Document, Manifest, Platform};

/// A blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What is true of it.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Bytes,
}

/// All that an image or index is, in the order in which it is put.
#[derive(Clone, Debug)]
pub struct Built {
    /// The root.
    pub root: Manifest,
    /// The manifests below it, the lowest first, each once.
    pub below: Vec<Manifest>,
    /// Layers and configs, each once.
    pub blobs: Vec<Blob>,
    /// What is listed and is not there.
    pub absent: Vec<Descriptor>,
}

impl Built {
    pub(crate) fn new(root: Manifest) -> Self {
        Self { root, below: Vec::new(), blobs: Vec::new(), absent: Vec::new() }
    }

    pub(crate) fn add(&mut self, blob: Blob) {
        if self.blob(&blob.descriptor.digest).is_none() {
            self.blobs.push(blob);
        }
    }

    /// Takes in a child.
    pub(crate) fn take_in(&mut self, child: Self) {
        for manifest in child.below.into_iter().chain([child.root]) {
            let digest = &manifest.descriptor().digest;
            if self.below.iter().all(|m| m.descriptor().digest != *digest) {
                self.below.push(manifest);
            }
        }
        for blob in child.blobs {
            self.add(blob);
        }
        self.absent.extend(child.absent);
    }

    /// What is absent in one place and present in another is present.
    pub(crate) fn forget_absent_that_are_here(&mut self) {
        let below = &self.below;
        self.absent.retain(|a| below.iter().all(|m| m.descriptor().digest != a.digest));
    }

    /// A blob, by its digest.
    pub fn blob(&self, digest: &Digest) -> Option<&Blob> {
        self.blobs.iter().find(|blob| blob.descriptor.digest == *digest)
    }

    /// The config of an image; `None` for an index.
    pub fn config(&self) -> Option<&Blob> {
        match self.root.document() {
            Document::Image(image) => self.blob(&image.config.digest),
            _ => None,
        }
    }

    /// Of an index, the platform of the last image that is there.
    pub(crate) fn preferred(&self) -> Option<Platform> {
        let Document::Index(index) = self.root.document() else { return None };
        let here = |child: &&Descriptor| {
            self.below.iter().any(|manifest| manifest.descriptor().digest == child.digest)
        };
        let here = index.manifests.iter().rev().filter(here);
        here.filter_map(|child| child.platform.clone()).find(|platform| !platform.is_unknown())
    }

    /// The layers of an image, the lowest first.
    pub fn layers(&self) -> Vec<&Blob> {
        match self.root.document() {
            Document::Image(image) => {
                image.layers.iter().filter_map(|layer| self.blob(&layer.digest)).collect()
            }
            _ => Vec::new(),
        }
    }
}
