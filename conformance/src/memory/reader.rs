//! Reading: [`Reader`], an archive; [`Source`], one of its images.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    ArchiveEntry, ArchiveReader, Body, Descriptor, Digest, Error, ErrorKind, Expect, ImageName,
    ImageSource, Manifest, Reference, Referrers, Result, Signatures,
};

use super::archive::{Archive, Image};
use super::{Locator, Select};

/// An archive being read.
#[derive(Debug)]
pub(super) struct Reader {
    reference: Reference,
    entries: Vec<ArchiveEntry>,
    images: Vec<Arc<Image>>,
}

impl Reader {
    pub(super) fn new(locator: &Locator, archive: &Archive) -> Self {
        let entry = |(at, image): (usize, &Arc<Image>)| {
            let mut entry = ArchiveEntry::new(at, locator.with(Select::Index(at)).reference());
            entry.names.clone_from(&image.names);
            entry.raw_names = image.names.iter().map(|name| name.as_str().to_owned()).collect();
            entry
        };
        let entries = archive.0.iter().enumerate().map(entry).collect();
        Self { reference: locator.reference(), entries, images: archive.0.clone() }
    }

    fn image(&self, entry: &ArchiveEntry) -> Result<&Arc<Image>> {
        let ours = self.entries.get(entry.index);
        let image = self.images.get(entry.index);
        image.filter(|_| ours.is_some_and(|ours| ours.reference == entry.reference)).ok_or_else(
            || {
                let message = format!("{} is no image of {}", entry.reference, self.reference);
                Error::new(ErrorKind::NotFound, message)
            },
        )
    }
}

#[async_trait]
impl ArchiveReader for Reader {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        let image = Arc::clone(self.image(entry)?);
        Ok(Box::new(Source::new(entry.reference.clone(), image)))
    }
}

/// An image being read.
#[derive(Debug)]
pub(super) struct Source {
    reference: Reference,
    image: Arc<Image>,
}

impl Source {
    pub(super) fn new(reference: Reference, image: Arc<Image>) -> Self {
        Self { reference, image }
    }

    fn missing(&self, what: &str, of: &Descriptor) -> Error {
        let message = format!("there is no {what} {}", of.digest);
        Error::new(ErrorKind::NotFound, message).context(&self.reference)
    }
}

#[async_trait]
impl ImageSource for Source {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.image.names
    }

    fn needs(&self) -> Option<&HashSet<Digest>> {
        Some(&self.image.needs).filter(|needs| !needs.is_empty())
    }

    fn root_descriptor(&self) -> Option<&Descriptor> {
        Some(self.image.root.descriptor())
    }

    async fn root(&self) -> Result<Manifest> {
        let root = self.image.root.descriptor();
        if self.image.needs.contains(&root.digest) {
            return Err(self.missing("manifest", root));
        }
        Ok(self.image.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        let root = Some(&self.image.root).filter(|root| root.descriptor().digest == of.digest);
        let found = root.or_else(|| self.image.parts.manifests.get(&of.digest));
        let found = found.ok_or_else(|| self.missing("manifest", of))?;
        Manifest::verified(of, found.bytes().clone()).map_err(|e| e.context(&self.reference))
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let found = self.image.parts.blobs.get(&of.digest);
        let bytes = found.ok_or_else(|| self.missing("blob", of))?.clone();
        Body::from_bytes(bytes).expecting(&Expect::from(of))
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        Some(self)
    }
}

#[async_trait]
impl Signatures for Source {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        let of = of.unwrap_or(&self.image.root.descriptor().digest);
        Ok(self.image.signatures.get(of).cloned().unwrap_or_default())
    }
}

#[async_trait]
impl Referrers for Source {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let is_about = |manifest: &&Manifest| {
            manifest.document().subject().is_some_and(|subject| subject.digest == *of)
        };
        let about = self.image.parts.about.iter().filter(is_about);
        Ok(about.map(Manifest::as_referrer).collect())
    }

    async fn beside(&self, of: &Digest) -> Result<Vec<(String, Descriptor)>> {
        let name = format!("{}-{}.", of.algorithm(), of.encoded());
        let beside = self.image.beside.iter().filter(|(tag, _)| tag.starts_with(&name));
        Ok(beside.map(|(tag, root)| (tag.clone(), root.descriptor().clone())).collect())
    }
}
