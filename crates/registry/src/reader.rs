//! [`RegistryReader`]: a repository as an archive of its tags.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, Digest, DockerName, Error, ErrorKind, ImageName, ImageSource,
    Reference, Result, ResultExt,
};

use crate::locked;
use crate::places::Places;
use crate::pull;
use crate::reference::{Locator, repository_of};
use crate::source::RegistrySource;

/// A repository, whose tags were listed once.
#[derive(Debug)]
pub(crate) struct RegistryReader {
    reference: Reference,
    places: Places,
    names: Vec<DockerName>,
    entries: Vec<ArchiveEntry>,
    /// Whether images are opened to be compared.
    compare: bool,
    /// What the tags led to that were looked at: an entry stays the image that it was then.
    seen: Mutex<HashMap<usize, Digest>>,
}

impl RegistryReader {
    pub(crate) async fn open(name: &DockerName, places: Places, compare: bool) -> Result<Self> {
        let repository = repository_of(name);
        let reference = archive_of(name)?;
        // The registry itself knows them all; a mirror may not.
        let tags = pull::tags(places.authority(name)?).await.context(|| &reference)?;
        let (names, entries) = (Vec::new(), Vec::new());
        let seen = Mutex::default();
        let mut reader = Self { reference, places, names, entries, compare, seen };
        for tag in tags.iter().filter(|tag| !lists_referrers(tag)) {
            // What is no tag cannot be asked for either.
            if let Ok(name) = DockerName::parse(&format!("{repository}:{tag}")) {
                reader.add(name, tag);
            }
        }
        // Servers keep repositories of which only blobs are left, or not yet more: there is no image in them.
        if reader.entries.is_empty() {
            let message = format!("{repository} has no tags");
            return Err(Error::new(ErrorKind::NotFound, message).context(&reader.reference));
        }
        Ok(reader)
    }

    fn add(&mut self, name: DockerName, tag: &str) {
        let reference = Locator::Name(name.clone()).reference();
        let mut entry = ArchiveEntry::new(self.entries.len(), reference);
        entry.names = vec![ImageName::from(&name)];
        entry.raw_names = vec![tag.to_owned()];
        self.entries.push(entry);
        self.names.push(name);
    }

    async fn source(&self, entry: &ArchiveEntry) -> Result<RegistrySource> {
        let ours = self.entries.get(entry.index).map(|ours| &ours.reference);
        let name = self.names.get(entry.index).filter(|_| ours == Some(&entry.reference));
        let name = name.ok_or_else(|| {
            let message = format!("{} is no image of it", entry.reference);
            Error::new(ErrorKind::NotFound, message).context(&self.reference)
        })?;
        let name = match self.seen().get(&entry.index) {
            Some(digest) => DockerName::parse(&format!("{name}@{digest}"))?,
            None => name.clone(),
        };
        let (reference, places) = (entry.reference.clone(), self.places.clone());
        let source = RegistrySource::open(reference, name, places, self.compare).await?;
        if let Some(root) = source.root_descriptor() {
            self.seen().entry(entry.index).or_insert(root.digest.clone());
        }
        Ok(source)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<usize, Digest>> {
        locked(&self.seen)
    }
}

/// The repository of a name, as an archive of its tags.
pub(crate) fn archive_of(name: &DockerName) -> Result<Reference> {
    let repository = DockerName::parse(&repository_of(name))?;
    Ok(Locator::Name(repository).reference())
}

/// Whether a tag is no image's, but the list of the referrers of one.
fn lists_referrers(tag: &str) -> bool {
    let encoded = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-"));
    encoded.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[async_trait]
impl ArchiveReader for RegistryReader {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn details_are_costly(&self) -> bool {
        true
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(self.source(entry).await?))
    }
}
