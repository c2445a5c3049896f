//! [`Network`]: the hosts of one transport.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;
use transship_core::{DockerName, Error, ErrorKind, Result, Sparse, run_blocking};

use super::host::Host;
use super::shared::Shared;
use crate::RegistryOptions;
use crate::config::{
    self, Endpoint, GivenCredential, HostsFile, NoPush, RegistriesConf, Resolved, Server,
};
use crate::locked;
use crate::tls::{self, Trust};

/// The hosts of one transport, and which of them a name is read from and written to.
#[derive(Debug)]
pub(crate) struct Network {
    shared: Arc<Shared>,
    conf: OnceCell<RegistriesConf>,
    /// By registry, the `hosts.toml` that is for it.
    hosts_files: Mutex<HashMap<String, Arc<OnceCell<Option<HostsFile>>>>>,
    hosts: Mutex<HashMap<HostKey, Arc<Host>>>,
}

/// What hosts differ in: the name, and how it is spoken to.
type HostKey = (String, Trust, GivenCredential, Option<Arc<Server>>);

impl Network {
    pub(crate) fn new(options: RegistryOptions) -> Arc<Self> {
        Arc::new(Self {
            shared: Shared::new(options),
            conf: OnceCell::new(),
            hosts_files: Mutex::default(),
            hosts: Mutex::default(),
        })
    }

    fn options(&self) -> &RegistryOptions {
        &self.shared.options
    }

    /// Whether indexes of which parts are absent are taken.
    pub(crate) fn sparse(&self) -> Sparse {
        self.shared.sparse()
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
        let options = self.options().clone();
        let load = || {
            run_blocking(move |_| {
                tls::check_chosen(&options)?;
                RegistriesConf::load(&options)
            })
        };
        let conf = self.conf.get_or_try_init(load).await?;
        let resolved = conf.resolve(name)?;
        let Some(folder) = &self.options().hosts_dir else { return Ok(resolved) };
        let file =
            Arc::clone(locked(&self.hosts_files).entry(name.domain().to_owned()).or_default());
        let (folder, host) = (folder.clone(), name.domain().to_owned());
        let load = || run_blocking(move |_| config::hosts_file(&folder, &host));
        Ok(match file.get_or_try_init(load).await? {
            Some(file) => conf.by_hosts(name, resolved, file),
            None => resolved,
        })
    }

    pub(crate) fn host(&self, endpoint: &Endpoint) -> Arc<Host> {
        let trust = match (self.options().tls_verify, endpoint.insecure) {
            (Some(false), _) | (None, true) => Trust::Anyone,
            (Some(true), _) | (None, false) => Trust::Verified,
        };
        let server = endpoint.via.as_ref().map(|via| Arc::clone(&via.server));
        let mut hosts = locked(&self.hosts);
        let host = hosts
            .entry((endpoint.host.clone(), trust, endpoint.given, server))
            .or_insert_with(|| Host::new(Arc::clone(&self.shared), endpoint, trust));
        Arc::clone(host)
    }
}

fn blocked(name: &DockerName) -> Error {
    Error::new(ErrorKind::Denied, format!("{} is blocked by registries.conf", name.domain()))
}

#[cfg(test)]
mod tests {
    use super::super::address::Guard;
    use super::super::patience::Patience;
    use super::*;
    use crate::Surroundings;
    use crate::config::{Pulls, Role};
    use crate::tls::Folders;
    use std::path::Path;
    use transship_core::Observer;

    /// A host, whatever names its storage has, is spoken to by two clients: its own, and that of all places that it names.
    #[tokio::test]
    async fn clients_are_as_many_as_policies() {
        let folder = tempfile::tempdir().unwrap();
        let network = network(folder.path());
        let host = host(&network);
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
            network.shared.client(&policy).await.unwrap();
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
        assert_eq!(network.shared.clients(), 4);
    }

    /// Connections, certificates and passwords are not kept after a transport is dropped: a service may have one for each job.
    #[tokio::test]
    async fn it_is_freed_with_its_hosts_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let network = network(folder.path());
        let (shared, host) = (Arc::downgrade(&network.shared), host(&network));
        host.base(&Observer::default(), Patience::Full).await.unwrap();
        let url = "https://registry.example/v2/".parse().unwrap();
        let policy = host.policy(&url, Trust::Verified).await.unwrap();
        network.shared.client(&policy).await.unwrap();
        host.find_credential("a", &Observer::default()).await.unwrap();
        let of_host = Arc::downgrade(&host);
        drop(network);
        assert!(
            shared.upgrade().is_some(),
            "the host, which a source may have, has what hosts share"
        );
        drop(host);
        assert!(of_host.upgrade().is_none(), "nobody has the host");
        assert!(shared.upgrade().is_none(), "nobody has what hosts share");
    }

    fn network(folder: &Path) -> Arc<Network> {
        let surroundings = Surroundings::below(folder);
        Network::new(RegistryOptions { surroundings, ..RegistryOptions::default() })
    }

    fn host(network: &Network) -> Arc<Host> {
        network.host(&Endpoint {
            host: "registry.example:5000".to_owned(),
            repository: "a".to_owned(),
            insecure: false,
            pulls: Pulls::All,
            given: GivenCredential::Sent,
            role: Role::Registry,
            via: None,
        })
    }
}
