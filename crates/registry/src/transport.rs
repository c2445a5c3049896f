//! [`Registry`]: the transport.

use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    Error, ErrorKind, ImageDestination, ImageSource, ReadOptions, Reference, Result, Settings,
    Transport, WriteMode, WriteOptions, inventory,
};

use crate::options::KEYS;
use crate::reference::Locator;
use crate::{RegistryOptions, SCHEME};

/// Images in registries. A value has its own connections, tokens and limits; source and destination of a transfer, made
/// apart, share none.
#[derive(Debug)]
pub struct Registry {
    _options: RegistryOptions,
}

impl Registry {
    /// The transport. No file is read before the first image is opened.
    pub fn new(options: RegistryOptions) -> Self {
        Self { _options: options }
    }
}

fn build(settings: &Settings) -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(Registry::new(RegistryOptions::from_settings(settings)?)))
}

inventory::submit! {
    transship_core::Registration::new(SCHEME, KEYS, build)
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

    async fn source(&self, at: &Reference, _how: &ReadOptions) -> Result<Box<dyn ImageSource>> {
        Err(Error::new(ErrorKind::Unsupported, format!("{at}: reading is not there yet")))
    }

    async fn destination(
        &self,
        at: &Reference,
        _how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>> {
        Err(Error::new(ErrorKind::Unsupported, format!("{at}: writing is not there yet")))
    }
}
