//! [`RegistryReader`]: a repository as an archive of its tags, or all repositories below a prefix.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use transship_core::{
    ArchiveEntry, ArchiveReader, Digest, DockerName, Error, ErrorKind, ImageName, ImageSource,
    Reference, Result, ResultExt, subject_of_tag,
};

use crate::AT_ONCE;
use crate::locked;
use crate::places::Places;
use crate::pull;
use crate::reference::{Locator, repository_of};
use crate::source::RegistrySource;

/// The most images that one archive of several repositories may have.
const IMAGES_LIMIT: usize = 500_000;

/// Repositories, whose tags were listed once.
#[derive(Debug)]
pub(crate) struct RegistryReader {
    reference: Reference,
    repositories: Vec<Listed>,
    /// Of each entry, and in which of the repositories it is.
    names: Vec<(DockerName, usize)>,
    entries: Vec<ArchiveEntry>,
    /// Whether images are opened to be compared.
    compare: bool,
    /// What the tags led to that were looked at: an entry stays the image that it was then.
    seen: Mutex<HashMap<usize, Digest>>,
}

/// A repository.
#[derive(Debug)]
struct Listed {
    places: Places,
    /// The tags that say of themselves that they are about an image, as cosign's.
    beside: Arc<HashSet<String>>,
}

impl RegistryReader {
    pub(crate) async fn open(name: &DockerName, places: Places, compare: bool) -> Result<Self> {
        let mut reader = Self::empty(archive_of(name)?, compare);
        // The registry itself knows them all; a mirror may not.
        let tags = pull::tags(places.authority(name)?).await.context(|| &reader.reference)?;
        reader.add_repository(name, places, &tags);
        // Servers keep repositories of which only blobs are left, or not yet more: there is no image in them.
        if reader.entries.is_empty() {
            let message = format!("{} has no tags", repository_of(name));
            return Err(Error::new(ErrorKind::NotFound, message).context(&reader.reference));
        }
        Ok(reader)
    }

    /// All of these repositories, which are below a prefix.
    pub(crate) async fn open_all(
        reference: Reference,
        repositories: Vec<(DockerName, Places)>,
        compare: bool,
    ) -> Result<Self> {
        let mut reader = Self::empty(reference, compare);
        let listed = stream::iter(repositories).map(|(name, places)| async move {
            let tags = pull::tags(places.authority(&name)?).await.if_found()?;
            Ok::<_, Error>((name, places, tags.unwrap_or_default()))
        });
        let mut listed = std::pin::pin!(listed.buffered(AT_ONCE));
        while let Some((name, places, tags)) =
            listed.try_next().await.context(|| &reader.reference)?
        {
            reader.add_repository(&name, places, &tags);
            if reader.entries.len() > IMAGES_LIMIT {
                let message = format!("there are more than {IMAGES_LIMIT} images");
                return Err(
                    Error::new(ErrorKind::LimitExceeded, message).context(&reader.reference)
                );
            }
        }
        if reader.entries.is_empty() {
            let message = "there are no images";
            return Err(Error::new(ErrorKind::NotFound, message).context(&reader.reference));
        }
        Ok(reader)
    }

    fn empty(reference: Reference, compare: bool) -> Self {
        let (repositories, names, entries) = (Vec::new(), Vec::new(), Vec::new());
        let seen = Mutex::default();
        Self { reference, repositories, names, entries, compare, seen }
    }

    fn add_repository(&mut self, name: &DockerName, places: Places, tags: &[String]) {
        let repository = repository_of(name);
        let beside = tags.iter().filter(|tag| subject_of_tag(tag).is_some()).cloned().collect();
        self.repositories.push(Listed { places, beside: Arc::new(beside) });
        for tag in tags.iter().filter(|tag| !is_about(tag)) {
            // What is no tag cannot be asked for either.
            if let Ok(name) = DockerName::parse(&format!("{repository}:{tag}")) {
                self.add(name, tag);
            }
        }
    }

    fn add(&mut self, name: DockerName, tag: &str) {
        let reference = Locator::Name(name.clone()).reference();
        let mut entry = ArchiveEntry::new(self.entries.len(), reference);
        entry.names = vec![ImageName::from(&name)];
        entry.raw_names = vec![tag.to_owned()];
        self.entries.push(entry);
        self.names.push((name, self.repositories.len() - 1));
    }

    async fn source(&self, entry: &ArchiveEntry) -> Result<RegistrySource> {
        let ours = self.entries.get(entry.index).map(|ours| &ours.reference);
        let name = self.names.get(entry.index).filter(|_| ours == Some(&entry.reference));
        let (name, at) = name.ok_or_else(|| {
            let message = format!("{} is no image of it", entry.reference);
            Error::new(ErrorKind::NotFound, message).context(&self.reference)
        })?;
        let name = match self.seen().get(&entry.index) {
            Some(digest) => DockerName::parse(&format!("{name}@{digest}"))?,
            None => name.clone(),
        };
        let (reference, places) = (entry.reference.clone(), &self.repositories[*at]);
        let source = RegistrySource::open(reference, name, places.places.clone(), self.compare);
        let source = source.await?.with_tags_beside(Arc::clone(&places.beside));
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

/// Whether a tag is no image's, but the list of the referrers of one, or of what cosign keeps beside one.
fn is_about(tag: &str) -> bool {
    if subject_of_tag(tag).is_some() {
        return true;
    }
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

    fn count_beside(&self) -> usize {
        self.repositories.iter().map(|listed| listed.beside.len()).sum()
    }

    fn details_are_costly(&self) -> bool {
        true
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(self.source(entry).await?))
    }
}
