//! [`Shared`] holds what all hosts of a transport use: options, HTTP clients, credentials, and the limit of the rate.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use reqwest::redirect;
use rustls::RootCertStore;
use tokio::sync::OnceCell;
use transship_core::{Error, ErrorKind, Result, Sparse, run_blocking};

use super::address::{Guard, Guarded};
use super::proxy::Proxies;
use super::rate::Rate;
use crate::RegistryOptions;
use crate::credentials::Credentials;
use crate::locked;
use crate::tls::{self, Folders, Trust};

/// What all hosts of one transport share. It holds none of them: they hold it, and a cycle would never be freed.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: RegistryOptions,
    pub(crate) rate: Option<Arc<Rate>>,
    pub(crate) credentials: Arc<Credentials>,
    clients: Mutex<HashMap<Policy, Arc<OnceCell<reqwest::Client>>>>,
    proxies: OnceCell<Arc<Proxies>>,
    /// The authorities of the system, which take a while to read.
    roots: OnceCell<Arc<RootCertStore>>,
}

impl Shared {
    pub(crate) fn new(options: RegistryOptions) -> Arc<Self> {
        Arc::new(Self {
            credentials: Arc::new(Credentials::new(&options)),
            rate: options.limit_rate.map(|rate| Arc::new(Rate::new(rate.get()))),
            options,
            clients: Mutex::default(),
            proxies: OnceCell::new(),
            roots: OnceCell::new(),
        })
    }

    /// Whether indexes of which parts are absent are taken.
    pub(crate) fn sparse(&self) -> Sparse {
        if self.options.sparse { Sparse::Accepted } else { Sparse::Refused }
    }

    pub(crate) async fn client(&self, policy: &Policy) -> Result<reqwest::Client> {
        let client = {
            let mut clients = locked(&self.clients);
            Arc::clone(clients.entry(policy.clone()).or_default())
        };
        client.get_or_try_init(|| self.build(policy)).await.cloned()
    }

    async fn build(&self, policy: &Policy) -> Result<reqwest::Client> {
        let proxies =
            self.proxies.get_or_try_init(|| async { Proxies::of_process().map(Arc::new) });
        let proxies = Arc::clone(proxies.await?);
        let load = || run_blocking(|_| Ok(Arc::new(tls::system_roots())));
        let roots = match policy.trust {
            Trust::Verified => Some(Arc::clone(self.roots.get_or_try_init(load).await?)),
            Trust::Anyone => None,
        };
        let folders = policy.folders.clone();
        let config = run_blocking(move |_| tls::client_config(&folders, roots.as_deref())).await?;
        build(config, policy.guard, &proxies)
    }

    /// The folder with the certificates of a host, if there is one.
    pub(crate) async fn certificates(&self, host: &str) -> Result<Option<PathBuf>> {
        let (options, host) = (self.options.clone(), host.to_owned());
        run_blocking(move |_| tls::folder_of(&options, &host)).await
    }

    #[cfg(test)]
    pub(super) fn clients(&self) -> usize {
        locked(&self.clients).len()
    }
}

/// What requests have in common that one client sends. There are few: of places that servers name, all have the same unless
/// the user keeps certificates for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    pub(crate) trust: Trust,
    pub(crate) guard: Guard,
    pub(crate) folders: Folders,
}

fn build(
    mut config: rustls::ClientConfig,
    guard: Guard,
    proxies: &Arc<Proxies>,
) -> Result<reqwest::Client> {
    // One connection for each request: a blob that is slow, or cut, is no other one's affair.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let through = Arc::clone(proxies);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("transship/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(config)
        .proxy(reqwest::Proxy::custom(move |url| through.to(url).cloned()))
        // Followed by us, without credentials.
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(std::time::Duration::from_secs(30))
        .tcp_keepalive(std::time::Duration::from_secs(30))
        .http1_only();
    if guard != Guard::Open {
        builder = builder.dns_resolver(Arc::new(Guarded { guard, proxies: Arc::clone(proxies) }));
    }
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Unexpected, "setting up connections").caused_by(error)
    })
}
