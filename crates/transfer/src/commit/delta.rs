//! [`Delta`]: what is left out of an image because those for whom it is made have it. Pure.

use std::collections::HashSet;

use transship_core::{Descriptor, Digest, Document, Manifest};

use crate::Since;
use crate::commit::manifests::Built;

/// What is left out of an image.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    pub(crate) needs: Vec<Descriptor>,
    seen: HashSet<Digest>,
}

impl Delta {
    /// Of the image `built`, with what is about it. What is `absent` from a sparse index is not needed.
    pub(crate) fn of(
        built: &Built,
        about: &[Built],
        since: &Since,
        absent: &HashSet<&Digest>,
    ) -> Self {
        let mut delta = Self::default();
        for (_, below) in &built.below {
            if delta.parts(below, since, absent) && since.has(&below.descriptor().digest) {
                delta.add(below.descriptor());
            }
        }
        delta.parts(&built.root, since, absent);
        if since.has(&built.root.descriptor().digest) {
            delta.add(built.root.descriptor());
        }
        // These are few and small, and places list them by their content.
        for Built { root, below } in about {
            for manifest in below.iter().map(|(_, below)| below).chain([root]) {
                delta.parts(manifest, since, absent);
            }
        }
        delta
    }

    pub(crate) fn leaves_out(&self, manifest: &Manifest) -> bool {
        self.seen.contains(&manifest.descriptor().digest)
    }

    fn add(&mut self, of: &Descriptor) {
        if self.seen.insert(of.digest.clone()) {
            self.needs.push(of.clone());
        }
    }

    /// Leaves out the blobs of a manifest. Whether nothing below it is there: a manifest that is left out says nothing of
    /// what it refers to.
    fn parts(&mut self, of: &Manifest, since: &Since, absent: &HashSet<&Digest>) -> bool {
        let is_absent = |of: &Descriptor| absent.contains(&of.digest);
        match of.document() {
            Document::Image(image) => {
                let mut all = true;
                for blob in image.layers.iter().chain([&image.config]) {
                    if since.has(&blob.digest) {
                        self.add(blob);
                    } else {
                        all = false;
                    }
                }
                all
            }
            Document::Index(index) => {
                let gone =
                    |child: &Descriptor| self.seen.contains(&child.digest) || is_absent(child);
                index.manifests.iter().all(gone)
            }
            _ => false,
        }
    }
}
