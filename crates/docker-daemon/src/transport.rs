//! [`DockerDaemon`]: the transport.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    ArchiveReader, ArchiveWriter, Archives, DeleteOptions, Deletion, DockerName, Error, ErrorKind,
    ImageDestination, ImageName, ImageSource, OnePass, Passed, ReadOptions, Reference, Result,
    ResultExt, Settings, Staging, Transport, TransportOption, WriteMode, WriteOptions,
    register_transport, without_repeats,
};

use crate::SCHEME;
use crate::api::Engine;
use crate::delete;
use crate::destination::Destination;
use crate::find::Surroundings;
use crate::reader::Reader;
use crate::reference::{Locator, invalid};
use crate::save;
use crate::source::Source;

/// Images of an engine.
#[derive(Clone)]
pub struct DockerDaemon {
    engine: Arc<Engine>,
}

impl fmt::Debug for DockerDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerDaemon").finish_non_exhaustive()
    }
}

impl Default for DockerDaemon {
    fn default() -> Self {
        Self::new(&Settings::new())
    }
}

impl DockerDaemon {
    /// Of the engine that the settings name, else of the one that docker's own command would speak to. It is found with the
    /// first request.
    pub fn new(settings: &Settings) -> Self {
        Self { engine: Arc::new(Engine::new(Surroundings::of_process(settings))) }
    }

    async fn saved(&self, at: &Locator, how: &ReadOptions) -> Result<Passed> {
        match &how.passed {
            Some(passed) => Ok(passed.clone()),
            None => save::pass(&self.engine, at, how, None).await,
        }
    }
}

const HOST: TransportOption = TransportOption::value(
    "daemon-host",
    "URL",
    "The {side} engine, as in DOCKER_HOST: unix://PATH, tcp://HOST:PORT, ssh://HOST",
);
const CERTIFICATES: TransportOption = TransportOption::value(
    "daemon-cert-path",
    "FOLDER",
    "The folder with ca.pem, cert.pem and key.pem for the {side} engine",
);

register_transport!(SCHEME, [HOST, CERTIFICATES], |settings: &Settings| {
    Ok(Arc::new(DockerDaemon::new(settings)))
});

#[async_trait]
impl Transport for DockerDaemon {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "[NAME[:TAG]|NAME@DIGEST|sha256:ID]"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Append
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        Locator::parse(locator).map(|locator| locator.reference())
    }

    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let locator = Locator::of(at)?;
        let passed = self.saved(&locator, how).await.context(|| at)?;
        Ok(Box::new(Source::open(&locator, passed, how).await.context(|| at)?))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let names = match Locator::of(at)? {
            Locator::Name(name) if name.digest().is_none() => {
                let mut names = vec![name];
                names.extend(docker_names(&how.names)?);
                names
            }
            Locator::All if how.names.is_empty() => {
                how.fallback_names.iter().filter_map(|name| docker_name(name).ok()).collect()
            }
            Locator::All => docker_names(&how.names)?,
            _ => {
                return Err(invalid(format!(
                    "{at}: an engine gives IDs and digests itself, an image gets a name and a tag"
                )));
            }
        };
        let names = without_repeats(names);
        if how.mode == Some(WriteMode::Replace) && Locator::of(at)? == Locator::All {
            return Err(not_as_a_whole(at));
        }
        if how.mode == Some(WriteMode::Create) {
            for name in &names {
                refuse_what_is_there(&self.engine, name).await.context(|| at)?;
            }
        }
        let (spool, observer) = (how.spool.clone(), how.observer.clone());
        let opened = Destination::open(Arc::clone(&self.engine), names, spool, observer).await;
        Ok(Box::new(opened.context(|| at)?))
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }

    fn deletion(&self) -> Option<&dyn Deletion> {
        Some(self)
    }
}

#[async_trait]
impl Deletion for DockerDaemon {
    async fn delete(&self, at: &Reference, _how: &DeleteOptions) -> Result<()> {
        delete::delete(&self.engine, &Locator::of(at)?).await.context(|| at)
    }
}

#[async_trait]
impl Archives for DockerDaemon {
    async fn read(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ArchiveReader>> {
        Locator::of(at)?;
        Ok(Box::new(Reader::open(Arc::clone(&self.engine), how).await.context(|| at)?))
    }

    fn archive_of(&self, at: &Reference) -> Option<Reference> {
        (at.scheme() == SCHEME).then(|| Locator::All.reference())
    }

    async fn write(&self, at: &Reference, how: &WriteOptions) -> Result<Box<dyn ArchiveWriter>> {
        if Locator::of(at)? != Locator::All {
            return Err(invalid(format!("{at} names an image: {SCHEME}: alone takes several")));
        }
        if how.mode == Some(WriteMode::Replace) {
            return Err(not_as_a_whole(at));
        }
        Ok(Box::new(Writer { at: at.clone(), daemon: self.clone(), how: how.clone() }))
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }
}

#[async_trait]
impl OnePass for DockerDaemon {
    async fn comes_once(&self, at: &Reference) -> bool {
        at.scheme() == SCHEME
    }

    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed> {
        save::pass(&self.engine, &Locator::of(at)?, how, into).await.context(|| at)
    }
}

/// Images being written, each of which shows with its commit.
#[derive(Debug)]
struct Writer {
    at: Reference,
    daemon: DockerDaemon,
    how: WriteOptions,
}

#[async_trait]
impl ArchiveWriter for Writer {
    fn reference(&self) -> &Reference {
        &self.at
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let how = self.how.clone().with_names(names.to_vec());
        self.daemon.destination(&self.at, &how).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

async fn refuse_what_is_there(engine: &Engine, name: &DockerName) -> Result<()> {
    match engine.inspect(&name.to_string()).await.if_found()? {
        Some(_) => {
            Err(Error::new(ErrorKind::AlreadyExists, format!("the engine has an image {name}")))
        }
        None => Ok(()),
    }
}

fn not_as_a_whole(at: &Reference) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{at}: an engine is not replaced as a whole"))
        .hint("without replacing, each image takes the place of the one that has its name")
}

fn docker_names(names: &[ImageName]) -> Result<Vec<DockerName>> {
    names.iter().map(docker_name).collect()
}

fn docker_name(name: &ImageName) -> Result<DockerName> {
    let docker = name.docker().filter(|name| name.digest().is_none());
    docker.map(DockerName::or_latest).ok_or_else(|| {
        let message =
            format!("an engine cannot hold the name {name}: it needs a repository and a tag");
        Error::new(ErrorKind::Unsupported, message)
    })
}
