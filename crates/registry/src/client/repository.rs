//! [`Repository`]: one repository of a host.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use transship_core::{Observer, Result};

use super::auth::{Access, Scopes};
use super::call::{Answer, Call, Fetched};
use super::host::{Host, not_a_url};
use super::link;
use super::network::Network;
use super::patience::Patience;
use crate::config::{Endpoint, Role, Via};

/// The part of a query that tells a mirror which registry is meant.
const NAMESPACE: &str = "ns";

#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) host: Arc<Host>,
    /// Without the host: `library/alpine`.
    pub(crate) path: String,
    /// What all requests ask for, so that one token is enough.
    access: Access,
    pub(crate) role: Role,
    /// Where a `hosts.toml` says how it is asked for.
    via: Option<Arc<Via>>,
    patience: Patience,
    pub(crate) observer: Observer,
}

impl Repository {
    pub(crate) fn new(
        network: &Network,
        endpoint: &Endpoint,
        access: Access,
        observer: &Observer,
    ) -> Self {
        Self {
            host: network.host(endpoint),
            path: endpoint.repository.clone(),
            access,
            role: endpoint.role,
            via: endpoint.via.clone(),
            patience: Patience::Full,
            observer: observer.clone(),
        }
    }

    /// The same, asked with another patience.
    pub(crate) fn with(&self, patience: Patience) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The same, for questions whose answer only spares work.
    pub(crate) fn probed(&self) -> Self {
        match self.patience {
            Patience::Full => self.with(Patience::Probe),
            Patience::OtherPlaces | Patience::Probe => self.clone(),
        }
    }

    /// A request about something in it: `manifests/latest`.
    pub(crate) async fn call(&self, method: Method, rest: &str, doing: &str) -> Result<Call> {
        let url = self.url(rest).await?;
        let what = format!("{doing} {}/{}", self.host.name(), self.path);
        Ok(self.call_to(method, url, what))
    }

    /// A request to read something small in it. The first one to this machine does not wait until it is known whether a server there
    /// speaks TLS.
    pub(crate) async fn read_call(
        &self,
        method: Method,
        rest: &str,
        doing: &str,
        headers: &HeaderMap,
    ) -> Result<Call> {
        let what = format!("{doing} {}/{}", self.host.name(), self.path);
        let made = |base: &Url| {
            let url = self.below(base, &format!("{}/{rest}", self.path))?;
            Ok(Call { headers: headers.clone(), ..self.call_to(method.clone(), url, what.clone()) })
        };
        let (base, early) = self.host.base_and(&self.observer, self.patience, Some(&made)).await?;
        Ok(made(base)?.begun(early))
    }

    /// A request for the repositories that the host has.
    pub(crate) async fn catalog_call(&self, count: usize) -> Result<Call> {
        let url = self.below_root(&format!("_catalog?n={count}")).await?;
        let what = format!("listing the repositories of {}", self.host.name());
        Ok(self.call_to(Method::GET, url, what))
    }

    /// A request to a place that the server named.
    pub(crate) fn call_to(&self, method: Method, url: Url, what: impl Into<String>) -> Call {
        let scopes = Scopes::new(&self.path, self.access);
        let call = Call::new(method, url, what).scoped(scopes).heard_by(&self.observer);
        Call { patience: self.patience, ..call }
    }

    pub(crate) async fn url(&self, rest: &str) -> Result<Url> {
        self.below_root(&format!("{}/{rest}", self.path)).await
    }

    async fn below_root(&self, rest: &str) -> Result<Url> {
        let base = self.host.base(&self.observer, self.patience).await?;
        self.below(base, rest)
    }

    fn below(&self, base: &Url, rest: &str) -> Result<Url> {
        let root = self.via.as_ref().map_or("/v2/", |via| &via.root);
        let mut url = base.join(&format!("{root}{rest}")).map_err(not_a_url)?;
        if let Some(namespace) = self.via.as_ref().and_then(|via| via.namespace.as_ref()) {
            url.query_pairs_mut().append_pair(NAMESPACE, namespace);
        }
        Ok(url)
    }

    pub(crate) async fn fetch(&self, call: &Call, limit: u64) -> Result<Fetched> {
        self.host.fetch(call, limit).await
    }

    pub(crate) async fn open(&self, call: &Call) -> Result<Answer> {
        self.host.open(call).await
    }
}

/// The page after one, if it says that there is one. It is where that one was: behind a proxy, servers name a host that
/// nobody reaches.
pub(crate) fn next_page(page: &Fetched) -> Result<Option<Url>> {
    let Some(target) = link::next(&page.headers) else { return Ok(None) };
    let next = page.url.join(&target).map_err(not_a_url)?;
    let mut url = page.url.clone();
    url.set_path(next.path());
    url.set_query(next.query());
    if let (Some(registry), None) = (namespace(&page.url), namespace(&url)) {
        url.query_pairs_mut().append_pair(NAMESPACE, &registry);
    }
    Ok(Some(url))
}

fn namespace(url: &Url) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == NAMESPACE).map(|(_, value)| value.into_owned())
}
