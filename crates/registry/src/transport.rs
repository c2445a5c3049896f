//! [`Registry`]: the transport.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, DeleteOptions, Deletion, DockerName, Error, ErrorKind,
    Hint, Identity, ImageDestination, ImageSource, Observer, ReadOptions, Reference, Result,
    ResultExt, Settings, Transport, WriteMode, WriteOptions, inventory,
};

use crate::client::{Access, Network, Repository};
use crate::config::{Endpoint, Pulls};
use crate::delete;
use crate::destination::RegistryDestination;
use crate::naming;
use crate::options::OPTIONS;
use crate::places::Places;
use crate::pull;
use crate::reader::{RegistryReader, archive_of};
use crate::reference::{Locator, Prefix};
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

    /// The repositories below a prefix, `docker://HOST/` or `docker://HOST/PREFIX/`, sorted. The registry itself is asked, and no
    /// mirror.
    ///
    /// # Errors
    /// `InvalidInput` for what is no prefix; `Unsupported` if the registry lists no repositories, `Denied` if it does not list them
    /// for everybody.
    pub async fn repositories(
        &self,
        at: &Reference,
        observer: &Observer,
    ) -> Result<Vec<Reference>> {
        let Locator::Prefix(prefix) = Locator::of(at)? else {
            let message = format!("{at} is one repository");
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .hint("a prefix has a slash at the end"));
        };
        let names = self.below(&prefix, observer).await.context(|| at)?;
        Ok(names.into_iter().map(|name| Locator::Name(name).reference()).collect())
    }

    async fn below(&self, prefix: &Prefix, observer: &Observer) -> Result<Vec<DockerName>> {
        // Any name below the prefix tells how the host is spoken to, and whether it may be.
        let endpoint = self.network.own_endpoint(&prefix.below("x")?).await?;
        let endpoint = Endpoint { repository: prefix.path().to_owned(), ..endpoint };
        let registry = Repository::new(&self.network, &endpoint, Access::Catalog, observer);
        let found = pull::repositories(&registry).await?;
        // What is no name cannot be asked for either. A tag behind it would make it another one.
        let names = found.iter().filter_map(|path| prefix.below(path).ok());
        Ok(names.filter(|name| name.tag().is_none() && name.digest().is_none()).collect())
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

    fn identity(&self, at: &Reference) -> Identity {
        match Locator::of(at) {
            Ok(Locator::Name(name)) => Identity::of_name(&name),
            _ => Identity::unnamed(),
        }
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

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl Deletion for Registry {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        delete::delete(&self.network, &one_image(at)?, how).await.context(|| at)
    }
}

#[async_trait]
impl Archives for Registry {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let prefix = match Locator::of(at)? {
            Locator::Prefix(prefix) => prefix,
            Locator::Name(name) => {
                let places = self.places(&name, how).await?;
                return Ok(Box::new(RegistryReader::open(&name, places, how.compare).await?));
            }
        };
        let mut repositories = Vec::new();
        for name in self.below(&prefix, &how.observer).await.context(|| at)? {
            let places = self.places(&name, how).await.context(|| at)?;
            repositories.push((name, places));
        }
        let reference = Locator::Prefix(prefix).reference();
        Ok(Box::new(RegistryReader::open_all(reference, repositories, how.compare).await?))
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
            format!("{at} is all that a registry has there, and not one image"),
        )
        .hint(Hint::SelectImage("name a repository, without a slash at the end".into()))),
    }
}
