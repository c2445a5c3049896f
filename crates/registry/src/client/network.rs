//! [`Network`]: the connections of one transport.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::redirect::Policy;
use tokio::sync::OnceCell;
use transship_core::{DockerName, Error, ErrorKind, Result, ResultExt, Sparse, run_blocking};

use super::address::{Guard, Guarded, is_loopback};
use super::host::Host;
use crate::RegistryOptions;
use crate::config::{Endpoint, Given, RegistriesConf, Resolved};
use crate::credentials::Credentials;
use crate::tls::{self, Trust};

/// The connections of one transport, and what it knows of hosts.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) options: RegistryOptions,
    pub(crate) credentials: Arc<Credentials>,
    conf: OnceCell<RegistriesConf>,
    hosts: Mutex<HashMap<(String, Trust, Given), Arc<Host>>>,
    clients: Mutex<HashMap<(String, Trust, Guard), reqwest::Client>>,
}

impl Network {
    pub(crate) fn new(options: RegistryOptions) -> Arc<Self> {
        Arc::new(Self {
            credentials: Arc::new(Credentials::new(&options)),
            options,
            conf: OnceCell::new(),
            hosts: Mutex::default(),
            clients: Mutex::default(),
        })
    }

    /// Whether indexes of which parts are absent are taken.
    pub(crate) fn sparse(&self) -> Sparse {
        if self.options.sparse { Sparse::Accepted } else { Sparse::Refused }
    }

    /// Where a name is read, in the order in which it is tried.
    pub(crate) async fn endpoints(&self, name: &DockerName) -> Result<Vec<Endpoint>> {
        let resolved = self.resolve(name).await?;
        if resolved.endpoints.is_empty() {
            return Err(blocked(name));
        }
        Ok(resolved.endpoints)
    }

    /// Where a name is written.
    pub(crate) async fn write_endpoint(&self, name: &DockerName) -> Result<Endpoint> {
        let resolved = self.resolve(name).await?;
        if resolved.blocked { Err(blocked(name)) } else { Ok(resolved.write) }
    }

    async fn resolve(&self, name: &DockerName) -> Result<Resolved> {
        let options = self.options.clone();
        let load = || run_blocking(move |_| RegistriesConf::load(&options));
        self.conf.get_or_try_init(load).await?.resolve(name)
    }

    /// A host, with its connections.
    pub(crate) fn host(self: &Arc<Self>, endpoint: &Endpoint) -> Arc<Host> {
        let trust = match (self.options.tls_verify, endpoint.insecure) {
            (Some(false), _) | (None, true) => Trust::Anyone,
            (Some(true), _) | (None, false) => Trust::Verified,
        };
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts
            .entry((endpoint.host.clone(), trust, endpoint.given))
            .or_insert_with(|| Host::new(Arc::clone(self), &endpoint.host, trust, endpoint.given));
        Arc::clone(host)
    }

    /// Connections to a host with its port, made once.
    pub(crate) async fn client(
        &self,
        host: &str,
        trust: Trust,
        guard: Guard,
    ) -> Result<reqwest::Client> {
        let key = (host.to_owned(), trust, guard);
        if let Some(client) = self.clients().get(&key) {
            return Ok(client.clone());
        }
        let (options, name) = (self.options.clone(), host.to_owned());
        let config = run_blocking(move |_| tls::client_config(&options, &name, trust)).await?;
        let client = build(host, config, guard).context(|| format!("connecting to {host}"))?;
        self.clients().insert(key, client.clone());
        Ok(client)
    }

    fn clients(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<(String, Trust, Guard), reqwest::Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn blocked(name: &DockerName) -> Error {
    Error::new(ErrorKind::Denied, format!("{} is blocked by registries.conf", name.domain()))
}

fn build(host: &str, mut config: rustls::ClientConfig, guard: Guard) -> Result<reqwest::Client> {
    // One connection for each request: a blob that is slow, or cut, is no other one's affair.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("transship/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(config)
        // Followed by us, without credentials.
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(std::time::Duration::from_secs(30))
        .tcp_keepalive(std::time::Duration::from_secs(30))
        .http1_only();
    if guard != Guard::Open {
        builder = builder.dns_resolver(Arc::new(Guarded::new(guard)));
    }
    if is_loopback(host) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Unexpected, "setting up connections").caused_by(error)
    })
}
