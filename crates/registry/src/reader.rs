//! [`RegistryReader`]: a repository as a container of its tags.

use async_trait::async_trait;
use transship_core::{
    ArchiveEntry, ArchiveReader, DockerName, EntryDetails, Error, ErrorKind, ImageName,
    ImageSource, Reference, Result, ResultExt,
};

use crate::client::Repository;
use crate::reference::Locator;
use crate::source::RegistrySource;
use crate::{details, pull};

/// A repository, whose tags were listed once.
#[derive(Debug)]
pub(crate) struct RegistryReader {
    reference: Reference,
    places: Vec<Repository>,
    names: Vec<DockerName>,
    entries: Vec<ArchiveEntry>,
}

impl RegistryReader {
    pub(crate) async fn open(name: &DockerName, places: Vec<Repository>) -> Result<Self> {
        let repository = format!("{}/{}", name.domain(), name.path());
        let reference = Locator::Name(DockerName::parse(&repository)?).reference();
        // The registry itself knows them all; a mirror may not.
        let Some(place) = places.last() else {
            return Err(Error::new(ErrorKind::NotFound, "no registry is configured for it"));
        };
        let tags = pull::tags(place).await.context(|| &reference)?;
        let mut reader = Self { reference, places, names: Vec::new(), entries: Vec::new() };
        for tag in tags.iter().filter(|tag| !lists_referrers(tag)) {
            // What is no tag cannot be asked for either.
            if let Ok(name) = DockerName::parse(&format!("{repository}:{tag}")) {
                reader.add(name, tag);
            }
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
        let name = self.names.get(entry.index).ok_or_else(|| {
            let message = format!("there is no image @{}", entry.index);
            Error::new(ErrorKind::NotFound, message).context(&self.reference)
        })?;
        RegistrySource::open(entry.reference.clone(), name, self.places.clone()).await
    }
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

    async fn details(&self, entry: &ArchiveEntry) -> Result<EntryDetails> {
        let source = self.source(entry).await?;
        details::of(&source).await.context(|| &entry.reference)
    }

    async fn open(&self, entry: &ArchiveEntry) -> Result<Box<dyn ImageSource>> {
        Ok(Box::new(self.source(entry).await?))
    }
}
