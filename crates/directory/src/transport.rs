//! [`Directory`]: the transport.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    Cancel, Candidate, Identity, ImageDestination, ImageSource, ReadOptions, Recognized, Reference,
    Result, ResultExt, Settings, Transport, WriteMode, WriteOptions, register_transport,
    run_blocking,
};

use crate::SCHEME;
use crate::destination::DirectoryDestination;
use crate::format;
use crate::reference::{self, path_of};
use crate::source::DirectorySource;

/// One image in a plain folder.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Directory;

impl Directory {
    /// The transport. There is nothing to configure.
    pub fn new() -> Self {
        Self
    }
}

register_transport!(SCHEME, [], |_: &Settings| Ok(Arc::new(Directory::new())));

#[async_trait]
impl Transport for Directory {
    fn scheme(&self) -> &'static str {
        SCHEME
    }

    fn syntax(&self) -> &'static str {
        "PATH"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Replace
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        reference::parse(locator)
    }

    fn recognize(&self, found: &Candidate, _: &Cancel) -> Result<Option<Recognized>> {
        // Only text can name the place.
        let path = found.path().to_str().filter(|_| found.is_folder());
        Ok(path.filter(|_| format::has_version_file(found.path())).map(Recognized::new))
    }

    fn identity(&self, at: &Reference) -> Identity {
        path_of(at).map(Identity::of_path).unwrap_or_default()
    }

    async fn source(&self, at: &Reference, _how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let (opened, path) = (at.clone(), path_of(at)?.to_owned());
        let open = move |cancel: &Cancel| DirectorySource::open(opened, &path, cancel);
        let source = run_blocking(open).await.context(|| at)?;
        Ok(Box::new(source))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let (opened, path, how) = (at.clone(), path_of(at)?.to_owned(), how.clone());
        let open = move |cancel: &Cancel| {
            cancel.check()?;
            DirectoryDestination::open(opened, path, &how)
        };
        let destination = run_blocking(open).await.context(|| at)?;
        Ok(Box::new(destination))
    }
}
