//! [`Downloads`]: files on servers that are no registries.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use transship_core::{Error, ErrorKind, Observer, Result};

use crate::RegistryOptions;
use crate::client::{Call, Network};
use crate::config::{Endpoint, GivenCredential, Pulls, Role, Server, Via};
use crate::tls::Files;

/// Reads files from servers that are no registries, as signatures in lookaside storage, the way registries are spoken to:
/// through proxies, with the certificates and time limits of the options, and again where that may help. No credential is sent.
#[derive(Debug)]
pub struct Downloads {
    network: Arc<Network>,
    observer: Observer,
}

impl Downloads {
    /// No file is read before the first download.
    pub fn new(options: RegistryOptions, observer: Observer) -> Self {
        Self { network: Network::new(options), observer }
    }

    /// What a URL of http or https leads to; `None` where nothing is there.
    ///
    /// # Errors
    /// `LimitExceeded` beyond `limit` bytes, `Denied` for plain HTTP where the options refuse it, and those of the connection.
    pub async fn get(&self, url: &str, limit: u64) -> Result<Option<Bytes>> {
        let at = Url::parse(url).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("{url:?} is no URL")).caused_by(error)
        })?;
        let host = self.network.host(&endpoint(&at)?);
        let call = Call::new(Method::GET, at, format!("reading {url}")).heard_by(&self.observer);
        let fetched = host.download(&call, limit).await?;
        match fetched.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => fetched
                .success()
                .map(|fetched| Some(fetched.bytes))
                .map_err(|error| error.context(call.what)),
        }
    }
}

/// The server of a URL, spoken to as its scheme says.
fn endpoint(at: &Url) -> Result<Endpoint> {
    let base = at.join("/").map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("{at} has no host")).caused_by(error)
    })?;
    let name = base.host_str().unwrap_or_default();
    let host = base.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    let server = Server {
        file: PathBuf::from("lookaside storage"),
        base,
        certificates: Files::default(),
        headers: Vec::new(),
    };
    Ok(Endpoint {
        host,
        repository: String::new(),
        insecure: false,
        pulls: Pulls::All,
        given: GivenCredential::Withheld,
        role: Role::Registry,
        via: Some(Arc::new(Via {
            server: Arc::new(server),
            root: "/".to_owned(),
            namespace: None,
        })),
    })
}
