//! Whether all that an image refers to is there.

use std::collections::{BTreeSet, HashMap, HashSet};

use transship_core::{
    Cancel, Descriptor, Digest, Document, Error, ErrorKind, Expect, ImageDocument, IndexDocument,
    MANIFEST_LIMIT, Manifest, Result, ResultExt,
};

use crate::select::check_depth;
use crate::storage::Store;
use crate::write::Image;

/// Looks whether all is there that images refer to.
#[derive(Debug)]
pub(crate) struct Completeness<'a> {
    store: &'a dyn Store,
    /// Manifests that were put.
    put: &'a [Manifest],
    by_digest: HashMap<&'a Digest, &'a Manifest>,
    absent: HashSet<&'a Digest>,
    needs: HashMap<&'a Digest, &'a Descriptor>,
    cancel: &'a Cancel,
    reached: BTreeSet<String>,
}

impl<'a> Completeness<'a> {
    pub(crate) fn new(store: &'a dyn Store, image: &Image<'a>, cancel: &'a Cancel) -> Self {
        let Image { put, absent, needs, .. } = *image;
        let absent = absent.iter().map(|of| &of.digest).collect();
        let needs = needs.iter().map(|of| (&of.digest, of)).collect();
        let by_digest = put.iter().map(|manifest| (&manifest.descriptor().digest, manifest));
        let by_digest = by_digest.collect();
        Self { store, put, by_digest, absent, needs, cancel, reached: BTreeSet::new() }
    }

    /// Checks the root, and the referrers among the manifests that were put, which it gives back.
    ///
    /// # Errors
    /// `NotFound` for what is missing and not said to be absent, `LimitExceeded` for indexes that lie too deep in each other.
    pub(crate) fn check(&mut self, root: &Manifest) -> Result<Vec<Descriptor>> {
        self.manifest(root, 0)?;
        let mut referrers = Vec::new();
        for manifest in self.put {
            let document = manifest.document();
            if self.reached.contains(manifest.descriptor().digest.as_ref())
                || document.subject().is_none()
            {
                continue;
            }
            self.manifest(manifest, 0)?;
            let mut entry = manifest.descriptor().clone();
            entry.artifact_type =
                entry.artifact_type.or_else(|| document.artifact_type().map(str::to_owned));
            referrers.push(entry);
        }
        Ok(referrers)
    }

    /// Of what is left out for others to have, that which is not here.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn lacking(&self) -> Result<BTreeSet<String>> {
        let mut lacking = BTreeSet::new();
        for needed in self.needs.values().copied() {
            self.cancel.check()?;
            if self.store.has(&Expect::from(needed), self.cancel)?.is_none() {
                lacking.insert(needed.digest.to_string());
            }
        }
        Ok(lacking)
    }

    /// The digests of all that was reached.
    pub(crate) fn into_reached(self) -> BTreeSet<String> {
        self.reached
    }

    fn manifest(&mut self, manifest: &Manifest, depth: usize) -> Result<()> {
        check_depth(depth)?;
        self.cancel.check()?;
        let digest = &manifest.descriptor().digest;
        if !self.reached.insert(digest.to_string()) {
            return Ok(());
        }
        let context = || format!("manifest {digest}");
        match manifest.document() {
            Document::Image(image) => self.image(image).context(context),
            Document::Index(index) => self.index(index, depth).context(context),
            _ => Ok(()),
        }
    }

    fn image(&mut self, image: &ImageDocument) -> Result<()> {
        self.blob(&image.config, "config")?;
        image.layers.iter().try_for_each(|layer| self.blob(layer, "layer"))
    }

    fn index(&mut self, index: &IndexDocument, depth: usize) -> Result<()> {
        for child in &index.manifests {
            if self.absent.contains(&child.digest) {
                continue;
            }
            if !child.may_be_manifest() {
                self.blob(child, "content")?;
                continue;
            }
            match self.child(child)? {
                Some(manifest) => self.manifest(&manifest, depth + 1)?,
                None if self.needs.contains_key(&child.digest) => {}
                None => return Err(missing(child, "manifest")),
            }
        }
        Ok(())
    }

    fn child(&self, child: &Descriptor) -> Result<Option<Manifest>> {
        if let Some(manifest) = self.by_digest.get(&child.digest) {
            return Manifest::verified(child, manifest.bytes().clone()).map(Some);
        }
        if self.store.has(&Expect::from(child), self.cancel)?.is_none() {
            return Ok(None);
        }
        let Some(range) = self.store.read(&child.digest)? else { return Ok(None) };
        let bytes = range.bytes(MANIFEST_LIMIT, format_args!("manifest {}", child.digest))?;
        Manifest::verified(child, bytes).map(Some)
    }

    fn blob(&mut self, of: &Descriptor, what: &str) -> Result<()> {
        if self.reached.contains(of.digest.as_ref()) || self.absent.contains(&of.digest) {
            return Ok(());
        }
        if self.store.has(&Expect::from(of), self.cancel)?.is_some() {
            self.reached.insert(of.digest.to_string());
            return Ok(());
        }
        if of.is_nondistributable() || self.needs.contains_key(&of.digest) {
            return Ok(());
        }
        Err(missing(of, what))
    }
}

fn missing(of: &Descriptor, what: &str) -> Error {
    let message = format!("{what} {} ({} bytes) is missing", of.digest, of.size);
    Error::new(ErrorKind::NotFound, message)
}
