//! [`LookasideServers`]: lookaside storage on servers, read as registries are.

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{Observer, Result};
use transship_registry::{Downloads, RegistryOptions};
use transship_trust::Fetch;

/// Servers of [lookaside storage](crate::trust::Lookaside), spoken to as the options say that registries are. No credential is
/// sent.
#[derive(Debug)]
pub struct LookasideServers(Downloads);

impl LookasideServers {
    /// No file is read before the first signature.
    pub fn new(options: RegistryOptions, observer: Observer) -> Self {
        Self(Downloads::new(options, observer))
    }
}

#[async_trait]
impl Fetch for LookasideServers {
    async fn fetch(&self, url: &str, limit: u64) -> Result<Option<Bytes>> {
        self.0.get(url, limit).await
    }
}
