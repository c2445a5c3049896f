use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use transship::transport::{Error, ErrorKind, ImageDestination, ImageSource, ReadOptions, Reference, Result, Transport, WriteMode, WriteOptions, run_blocking};

/// `flat:PATH`: one image in a folder.
#[derive(Debug)]
pub struct Flat;

#[async_trait]
impl Transport for Flat {
    fn scheme(&self) -> &'static str {
        "flat"
    }

    fn syntax(&self) -> &'static str {
        "PATH"
    }

    fn default_mode(&self) -> WriteMode {
        WriteMode::Replace
    }

    fn parse(&self, locator: &str) -> Result<Reference> {
        if locator.is_empty() || locator.contains('\0') {
            let message = "flat: is followed by the path of a folder";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Reference::new("flat", locator))
    }

    // As `Accepts` of its destinations says.
    async fn holds_indexes(&self, _: &Reference) -> Result<bool> {
        Ok(false)
    }

    async fn source(&self, at: &Reference, _: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        let at = at.clone();
        Ok(Box::new(run_blocking(move |_| FlatSource::open(at)).await?))
    }

    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        let (at, how) = (at.clone(), how.clone());
        Ok(Box::new(run_blocking(move |cancel| FlatDestination::open(at, &how, cancel)).await?))
    }
}

fn path(at: &Reference) -> &Path {
    Path::new(at.locator())
}
