//! [`Registry`]: the transport.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, DockerName, Error, ErrorKind, ImageDestination,
    ImageSource, ReadOptions, Reference, Result, ResultExt, Settings, Transport, WriteMode,
    WriteOptions, inventory,
};

use crate::client::{Access, Network, Repository};
use crate::config::{Endpoint, Pulls};
use crate::destination::RegistryDestination;
use crate::naming;
use crate::options::OPTIONS;
use crate::places::Places;
use crate::reader::{RegistryReader, archive_of};
use crate::reference::Locator;
use crate::source::RegistrySource;
use crate::target::{refuse_a_repository, targets};
use crate::writer::{Names, RegistryWriter};
use crate::{RegistryOptions, SCHEME};

/// Images in registries. A value has its own connections, tokens and limits; source and destination of a transfer, made
/// apart, share none.
#[derive(Debug)]
pub struct Registry {
    network: Arc<Network>,
}

impl Registry {
    /// The transport. No file is read before the first image is opened.
    pub fn new(options: RegistryOptions) -> Self {
        Self { network: Network::new(options) }
    }

    /// Where a name can be read from: mirrors that are for such pulls, then the registry itself.
    async fn places(&self, name: &DockerName, how: &ReadOptions) -> Result<Places> {
        let endpoints = self.network.endpoints(name).await?;
        let fits = |endpoint: &&Endpoint| match endpoint.pulls {
            Pulls::All => true,
            Pulls::Digests => name.digest().is_some(),
            Pulls::Tags => name.digest().is_none(),
        };
        let place = |at| Repository::new(&self.network, at, Access::Pull, &how.observer);
        Ok(Places::new(endpoints.iter().filter(fits).map(place).collect()))
    }
}

fn build(settings: &Settings) -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(Registry::new(RegistryOptions::from_settings(settings)?)))
}

inventory::submit! {
    transship_core::Registration::new(SCHEME, OPTIONS, build)
}

#[async_trait]
impl Transport for Registry {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "//[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Locator::parse(locator).map(|parsed| parsed.reference())
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let name = one_image(at)?;
        let places = self.places(&name, how).await?;
        let source = RegistrySource::open(at.clone(), name, places, how.compare).await;
        Ok(Box::new(source.context(|| at)?))
    }

    fn compares_roots(&self) -> bool {
        true
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let (names, wanted) = naming::of_one(at, how)?;
        let targets = targets(&self.network, &names, &how.observer).await?;
        if how.mode == Some(WriteMode::Create) {
            for target in &targets {
                target.refuse_what_is_there().await.context(|| at)?;
            }
        }
        let reference = match &*names {
            [only] => Locator::Name(only.clone()).reference(),
            _ => at.clone(),
        };
        let sparse = self.network.sparse();
        let destination = RegistryDestination::new(reference, targets, wanted, sparse, None);
        Ok(Box::new(destination.with_mode(how.mode)))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }
}

#[async_trait]
impl Archives for Registry {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let name = one_image(at)?;
        let places = self.places(&name, how).await?;
        Ok(Box::new(RegistryReader::open(&name, places, how.compare).await?))
    }

    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        archive_of(&one_image(at).ok()?).ok()
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let place = naming::archive(at)?;
        let new = match (how.mode, &place) {
            (Some(WriteMode::Replace), _) => return Err(not_as_a_whole(at)),
            (Some(WriteMode::Create), Locator::Name(name)) => {
                refuse_a_repository(&self.network, name, &how.observer).await.context(|| at)?;
                Names::Any
            }
            (Some(WriteMode::Create), Locator::Prefix(_)) => Names::New,
            _ => Names::Any,
        };
        let (network, observer) = (Arc::clone(&self.network), how.observer.clone());
        Ok(Box::new(RegistryWriter::new(place, new, network, observer)))
    }
}

/// One image takes the place of the one that has its tag. Several cannot at once, and servers seldom let anybody delete the rest.
fn not_as_a_whole(at: &Reference) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{at}: a registry is not replaced as a whole"))
        .hint("without replacing, each image takes the place of the one that has its name")
}

/// The name in a reference that is for reading.
fn one_image(at: &Reference) -> Result<DockerName> {
    match Locator::of(at)? {
        Locator::Name(name) => Ok(name),
        Locator::Prefix(_) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("{at} is a prefix, which is for writing"),
        )
        .hint("name a repository: leave out the slash at the end")),
    }
}
