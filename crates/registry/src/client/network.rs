//! [`Network`]: the connections of one transport.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use reqwest::redirect;
use rustls::RootCertStore;
use tokio::sync::OnceCell;
use transship_core::{DockerName, Error, ErrorKind, Result, Sparse, run_blocking};

use super::address::{Guard, Guarded};
use super::host::Host;
use super::proxy::Proxies;
use super::rate::Rate;
use crate::RegistryOptions;
use crate::config::{
    self, Endpoint, GivenCredential, HostsFile, NoPush, RegistriesConf, Resolved, Server,
};
use crate::credentials::Credentials;
use crate::locked;
use crate::tls::{self, Folders, Trust};

/// The connections of one transport, and what it knows of hosts.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) options: RegistryOptions,
    pub(crate) rate: Option<Arc<Rate>>,
    pub(crate) credentials: Arc<Credentials>,
    conf: OnceCell<RegistriesConf>,
    /// By registry, the `hosts.toml` that is for it.
    hosts_files: Mutex<HashMap<String, Arc<OnceCell<Option<HostsFile>>>>>,
    hosts: Mutex<HashMap<HostKey, Arc<Host>>>,
    clients: Mutex<HashMap<Policy, Arc<OnceCell<reqwest::Client>>>>,
    proxies: OnceCell<Arc<Proxies>>,
    /// The authorities of the system, which take a while to read.
    roots: OnceCell<Arc<RootCertStore>>,
}

/// What hosts differ in: the name, and how it is spoken to.
type HostKey = (String, Trust, GivenCredential, Option<Arc<Server>>);

impl Network {
    pub(crate) fn new(options: RegistryOptions) -> Arc<Self> {
        Arc::new(Self {
            credentials: Arc::new(Credentials::new(&options)),
            rate: options.limit_rate.map(|rate| Arc::new(Rate::new(rate.get()))),
            options,
            conf: OnceCell::new(),
            hosts_files: Mutex::default(),
            hosts: Mutex::default(),
            clients: Mutex::default(),
            proxies: OnceCell::new(),
            roots: OnceCell::new(),
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
        match resolved.write {
            _ if resolved.blocked => Err(blocked(name)),
            Ok(endpoint) => Ok(endpoint),
            Err(NoPush(file)) => {
                let message = format!("{} has no host with push for {name}", file.display());
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// The registry itself of a name, whatever mirrors it has.
    pub(crate) async fn own_endpoint(&self, name: &DockerName) -> Result<Endpoint> {
        let resolved = self.resolve(name).await?;
        if resolved.blocked { Err(blocked(name)) } else { Ok(resolved.own) }
    }

    async fn resolve(&self, name: &DockerName) -> Result<Resolved> {
        let options = self.options.clone();
        let load = || {
            run_blocking(move |_| {
                tls::check_chosen(&options)?;
                RegistriesConf::load(&options)
            })
        };
        let conf = self.conf.get_or_try_init(load).await?;
        let resolved = conf.resolve(name)?;
        let Some(folder) = &self.options.hosts_dir else { return Ok(resolved) };
        let file =
            Arc::clone(locked(&self.hosts_files).entry(name.domain().to_owned()).or_default());
        let (folder, host) = (folder.clone(), name.domain().to_owned());
        let load = || run_blocking(move |_| config::hosts_file(&folder, &host));
        Ok(match file.get_or_try_init(load).await? {
            Some(file) => conf.by_hosts(name, resolved, file),
            None => resolved,
        })
    }

    pub(crate) fn host(self: &Arc<Self>, endpoint: &Endpoint) -> Arc<Host> {
        let trust = match (self.options.tls_verify, endpoint.insecure) {
            (Some(false), _) | (None, true) => Trust::Anyone,
            (Some(true), _) | (None, false) => Trust::Verified,
        };
        let server = endpoint.via.as_ref().map(|via| Arc::clone(&via.server));
        let mut hosts = locked(&self.hosts);
        let host = hosts
            .entry((endpoint.host.clone(), trust, endpoint.given, server))
            .or_insert_with(|| Host::new(Arc::clone(self), endpoint, trust));
        Arc::clone(host)
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
}

/// What requests have in common that one client sends. There are few: of places that servers name, all have the same unless
/// the user keeps certificates for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Policy {
    pub(crate) trust: Trust,
    pub(crate) guard: Guard,
    pub(crate) folders: Folders,
}

fn blocked(name: &DockerName) -> Error {
    Error::new(ErrorKind::Denied, format!("{} is blocked by registries.conf", name.domain()))
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

#[cfg(test)]
mod tests {
    use super::super::patience::Patience;
    use super::*;
    use crate::Surroundings;
    use crate::config::{Pulls, Role};
    use transship_core::Observer;

    /// A host, whatever names its storage has, is spoken to by two clients: its own, and that of all places that it names.
    #[tokio::test]
    async fn clients_are_as_many_as_policies() {
        let folder = tempfile::tempdir().unwrap();
        let surroundings = Surroundings::below(folder.path());
        let network = Network::new(RegistryOptions { surroundings, ..RegistryOptions::default() });
        let host = network.host(&Endpoint {
            host: "registry.example:5000".to_owned(),
            repository: "a".to_owned(),
            insecure: false,
            pulls: Pulls::All,
            given: GivenCredential::Sent,
            role: Role::Registry,
            via: None,
        });
        host.base(&Observer::default(), Patience::Full).await.unwrap();
        let certificates = |host: &str| {
            let path = folder.path().join("etc/containers/certs.d").join(host);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let of_host = certificates("registry.example:5000");
        let of_storage = certificates("storage.example");
        let policy = async |url: &str| {
            let policy = host.policy(&url.parse().unwrap(), Trust::Verified).await.unwrap();
            network.client(&policy).await.unwrap();
            policy
        };
        let own = policy("https://registry.example:5000/v2/").await;
        assert_eq!((own.guard, own.folders.own.as_ref()), (Guard::Open, Some(&of_host)));
        let cdn = policy("https://1.cdn.example/x").await;
        for at in 2..50 {
            assert_eq!(policy(&format!("https://{at}.cdn.example/x")).await, cdn);
        }
        let expected = Folders { more: Some(of_host.clone()), ..Folders::default() };
        assert_eq!(cdn.folders, expected, "its authorities, without a client certificate");
        let realm = policy("https://registry.example/token").await;
        assert_eq!(realm.folders, Folders { own: Some(of_host.clone()), ..Folders::default() });
        let storage = policy("https://storage.example/x").await;
        assert_eq!(
            storage.folders,
            Folders { own: Some(of_storage), more: Some(of_host), ..Folders::default() }
        );
        assert_eq!(network.clients.lock().unwrap().len(), 4);
    }
}
