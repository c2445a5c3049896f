//! [`Engines`]: a transport of engines of one kind.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, DeleteOptions, Deletion, DockerName, Error, ErrorKind,
    Identity, ImageDestination, ImageName, ImageSource, OnePass, Passed, ReadOptions, Reference,
    Result, ResultExt, Settings, Staging, Transport, WriteMode, WriteOptions, without_repeats,
};

use crate::delete;
use crate::destination::Destination;
use crate::engine::{Engine, Locator, Store, invalid, sole};
use crate::nameless::refuse_names;
use crate::reader::Reader;
use crate::save;
use crate::source::Source;

/// What transports of engines differ in: their references, and the engines that these lead to.
pub trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
    /// What stands before the colon.
    const SCHEME: &'static str;
    /// What stands behind it.
    const SYNTAX: &'static str;

    /// Of the settings, else of what the process has around it.
    fn new(settings: &Settings) -> Self;

    /// Reads what stands behind the colon: an engine and what is meant of it. Asks no engine.
    ///
    /// # Errors
    /// `InvalidInput`.
    fn parse(&self, text: &str) -> Result<(Arc<dyn Engine>, Locator)>;

    /// What policies on trust call an image. By default its scopes are unknown, so that a policy with some is not met.
    fn identity(&self, image: &Locator) -> Identity {
        let _ = image;
        Identity::with_unknown_scopes()
    }
}

/// A transport of engines of one kind.
#[derive(Clone, Debug)]
pub struct Engines<K>(K);

impl<K: Kind> Default for Engines<K> {
    fn default() -> Self {
        Self::new(&Settings::new())
    }
}

impl<K: Kind> Engines<K> {
    /// Of the engine that the settings name, else of the one that its own command would speak to. It is found with the
    /// first request.
    pub fn new(settings: &Settings) -> Self {
        Self(K::new(settings))
    }

    fn at(&self, at: &Reference) -> Result<(Arc<dyn Engine>, Locator)> {
        if at.scheme() != K::SCHEME {
            return Err(invalid(format!("{at} is no reference of {}", K::SCHEME)));
        }
        self.0.parse(at.locator())
    }

    /// A place for one image.
    async fn open(&self, at: &Reference, how: &WriteOptions) -> Result<Destination> {
        let (engine, image) = self.at(at)?;
        // Which names it refuses may follow from its release.
        engine.store().await.context(|| at)?;
        let names = names(&*engine, at, &image, how)?;
        if how.mode == Some(WriteMode::Create) {
            refuse_what_is_there(&*engine, &image, &names).await.context(|| at)?;
        }
        Destination::open(engine, names, how).await.context(|| at)
    }

    /// An image that is there, or all.
    async fn found(&self, at: &Reference) -> Result<(Arc<dyn Engine>, Locator)> {
        let (engine, image) = self.at(at)?;
        let image = engine.resolve(image).await.context(|| at)?;
        Ok((engine, image))
    }
}

#[async_trait]
impl<K: Kind> Transport for Engines<K> {
    fn scheme(&self) -> &'static str {
        K::SCHEME
    }

    fn syntax(&self) -> &'static str {
        K::SYNTAX
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        self.0.parse(locator).map(|(engine, image)| engine.reference(&image))
    }

    fn identity(&self, at: &Reference) -> Identity {
        match self.0.parse(at.locator()) {
            Ok((_, image)) => self.0.identity(&image),
            Err(_) => Identity::with_unknown_scopes(),
        }
    }

    async fn holds_indexes(&self, at: &Reference) -> Result<bool> {
        let (engine, _) = self.at(at)?;
        Ok(engine.store().await.context(|| at)? == Store::Containerd)
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let (engine, image) = self.found(at).await?;
        let passed = if let Some(passed) = &how.passed {
            passed.clone()
        } else {
            refuse_several(&*engine, &image).await.context(|| at)?;
            save::pass(&*engine, &image, how, None).await.context(|| at)?
        };
        Ok(Box::new(Source::open(&*engine, &image, &passed, how).await.context(|| at)?))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        Ok(Box::new(self.open(at, how).await?))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl<K: Kind> Deletion for Engines<K> {
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()> {
        let (engine, image) = self.found(at).await?;
        delete::delete(engine, &image, how).await.context(|| at)
    }
}

#[async_trait]
impl<K: Kind> Archives for Engines<K> {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        let (engine, _) = self.at(at)?;
        Ok(Box::new(Reader::open(engine, how).await.context(|| at)?))
    }

    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        self.at(at).ok().map(|(engine, _)| engine.reference(&Locator::All))
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        let (engine, image) = self.at(at)?;
        if image != Locator::All {
            let all = engine.reference(&Locator::All);
            return Err(invalid(format!("{at} names an image: {all} takes several")));
        }
        match how.mode {
            Some(WriteMode::Replace) => return Err(not_as_a_whole(at)),
            Some(WriteMode::Create) => {
                refuse_what_is_there(&*engine, &image, &[]).await.context(|| at)?;
            }
            _ => {}
        }
        let (engines, how, given) = (self.clone(), how.clone(), Mutex::default());
        Ok(Box::new(Writer { at: at.clone(), engines, how, given }))
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }
}

#[async_trait]
impl<K: Kind> OnePass for Engines<K> {
    async fn comes_once(&self, at: &Reference) -> bool {
        at.scheme() == K::SCHEME
    }

    async fn chosen(&self, at: &Reference) -> Result<()> {
        let (engine, image) = self.at(at)?;
        refuse_several(&*engine, &image).await.context(|| at)
    }

    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed> {
        let (engine, image) = self.found(at).await?;
        save::pass(&*engine, &image, how, into).await.context(|| at)
    }
}

/// Images being written, each of which shows with its commit.
#[derive(Debug)]
struct Writer<K> {
    at: Reference,
    engines: Engines<K>,
    how: WriteOptions,
    /// The names of its images so far.
    given: Mutex<HashSet<DockerName>>,
}

#[async_trait]
impl<K: Kind> ArchiveWriter for Writer<K> {
    fn reference(&self) -> &Reference {
        &self.at
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        // Between them, images of one writer take each other's names.
        let how = self.how.clone().with_names(names.to_vec()).with_mode(None);
        let mut image = self.engines.open(&self.at, &how).await?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        image.is_behind = image.names.iter().any(|name| given.contains(name));
        given.extend(image.names.iter().cloned());
        Ok(Box::new(image))
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The names that an image gets.
fn names(
    engine: &dyn Engine,
    at: &Reference,
    image: &Locator,
    how: &WriteOptions,
) -> Result<Vec<DockerName>> {
    let kept = |name: &ImageName| kept_name(engine, name);
    let names = match image {
        Locator::All if how.names.is_empty() => {
            how.fallback_names.iter().filter_map(|name| kept(name).ok()).collect()
        }
        Locator::All => how.names.iter().map(kept).collect::<Result<_>>()?,
        image => {
            let own = image.as_name().ok_or_else(|| {
                invalid(format!(
                    "{at}: an engine gives IDs and digests itself, an image gets a name and a tag"
                ))
            })?;
            let mut names = vec![kept(&ImageName::from(&own))?];
            names.extend(how.names.iter().map(kept).collect::<Result<Vec<_>>>()?);
            names
        }
    };
    Ok(without_repeats(names))
}

/// Where none is chosen of several images, their list says so: to save them all would say it late.
async fn refuse_several(engine: &dyn Engine, at: &Locator) -> Result<()> {
    if *at == Locator::All {
        sole(&engine.images().await?)?;
    }
    Ok(())
}

/// Of an engine that is written as a whole, everything is there already; else the names.
async fn refuse_what_is_there(
    engine: &dyn Engine,
    at: &Locator,
    names: &[DockerName],
) -> Result<()> {
    if *at != Locator::All {
        return refuse_names(engine, names).await;
    }
    match engine.images().await?.first() {
        Some(image) => {
            let name = image.names().next().unwrap_or(&image.id);
            let error = Error::new(ErrorKind::AlreadyExists, format!("the engine has {name}"));
            Err(error.hint("name an image in the reference, or add to what the engine has"))
        }
        None => Ok(()),
    }
}

fn not_as_a_whole(at: &Reference) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{at}: an engine is not replaced as a whole"))
        .hint("without replacing, each image takes the place of the one that has its name")
}

/// A name as the engine keeps it.
fn kept_name(engine: &dyn Engine, name: &ImageName) -> Result<DockerName> {
    let docker = name.docker().filter(|name| name.digest().is_none());
    let docker = docker.map(DockerName::or_latest).ok_or("it needs a repository and a tag");
    let kept = docker.and_then(|docker| match engine.refuses(&docker) {
        Some(why) => Err(why),
        None => Ok(docker),
    });
    kept.map_err(|why| {
        let message = format!("an engine cannot hold the name {name}: {why}");
        Error::new(ErrorKind::Unsupported, message)
    })
}
