//! [`check`]: whether a registry accepts a credential.

use reqwest::{Method, StatusCode};
use transship_core::{DockerName, Error, ErrorKind, Observer, Result, ResultExt};

use crate::client::{Call, Network, Patience};
use crate::credentials::host_of;
use crate::{Credential, RegistryOptions};

/// The most of an answer that says nothing.
const LIMIT: u64 = 64 * 1024;

/// What registries say that they are.
const API: &str = "docker-distribution-api-version";

/// Asks a registry, `HOST[:PORT]` or `HOST[:PORT]/REPOSITORY`, whether it accepts a credential: with `GET /v2/`, and for a token where
/// it wants one. A registry without authentication accepts every credential.
///
/// # Errors
/// `Denied` when it does not; those of the connection; `InvalidInput` for a key that is none.
pub async fn check(
    options: &RegistryOptions,
    key: &str,
    credential: &Credential,
    observer: &Observer,
) -> Result<()> {
    let host = host_of(key)?;
    let mut options = options.clone();
    options.credential = Some(credential.clone());
    options.anonymous = false;
    let network = Network::new(options);
    let name = DockerName::parse(&format!("{host}/login")).context(|| host)?;
    if name.domain() != host {
        let message = format!("{host:?} is no registry: it has neither a dot nor a port");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let host = network.host(&network.write_endpoint(&name).await?);
    let url =
        host.base(observer, Patience::Full).await?.join("v2/").map_err(|error| {
            Error::new(ErrorKind::Unexpected, "this is no URL").caused_by(error)
        })?;
    let call = Call::new(Method::GET, url, format!("logging in to {}", host.name()));
    let call = call.heard_by(observer);
    let answer = host.fetch(&call, LIMIT).await?;
    match answer.status {
        status if status.is_success() => match answer.foreign() {
            Some(error) if answer.header(API).is_none() => Err(error.context(call.what)),
            _ => Ok(()),
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let message = format!("{} does not accept this user and password", host.name());
            Err(Error::new(ErrorKind::Denied, message))
        }
        _ => Err(answer.error().context(call.what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, Surroundings};
    use transship_test_registry::{
        Auth, ClientCertificates, Options, Registry, Tls, TokenAuth, User,
    };

    fn registry(change: impl FnOnce(&mut Options)) -> Registry {
        let mut options = Options::default();
        change(&mut options);
        Registry::start(options).unwrap()
    }

    /// Options that read nothing of this machine's.
    fn options(folder: &tempfile::TempDir) -> RegistryOptions {
        let surroundings = Surroundings::below(folder.path());
        RegistryOptions { surroundings, retries: 0, ..RegistryOptions::default() }
    }

    async fn check_with(
        options: &RegistryOptions,
        registry: &Registry,
        secret: &str,
    ) -> Result<()> {
        let credential = Credential::Basic { user: "me".into(), secret: Secret::new(secret) };
        check(options, registry.host(), &credential, &Observer::default()).await
    }

    #[tokio::test]
    async fn with_basic_auth_and_with_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let user = || User::new("me", "right");
        let ways = [Auth::Basic(vec![user()]), Auth::Token(TokenAuth::new([user()]))];
        for auth in ways {
            let registry = registry(|options| options.auth = auth);
            check_with(&options(&folder), &registry, "right").await.unwrap();
            let error = check_with(&options(&folder), &registry, "hunter2").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            let said = format!("{error} {error:?}");
            assert!(said.contains(registry.host()) && !said.contains("hunter2"), "{said}");
        }
        let credential = Credential::IdentityToken(Secret::new("made-up"));
        let registry = registry(|options| options.auth = Auth::Token(TokenAuth::new([user()])));
        let (plain, observer) = (options(&folder), Observer::default());
        let asked = check(&plain, registry.host(), &credential, &observer);
        assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::Denied);
        let credential =
            Credential::IdentityToken(Secret::new(registry.refresh_token("me").unwrap()));
        check(&plain, registry.host(), &credential, &observer).await.unwrap();
    }

    #[tokio::test]
    async fn with_certificates_of_a_folder() {
        let registry = registry(|options| options.tls = Tls::On(ClientCertificates::Required));
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(&folder);
        let refused = check_with(&options, &registry, "x").await.unwrap_err();
        assert!(refused.to_string().contains("certificate"), "{refused}");
        assert_eq!(registry.exchanges().len(), 0, "nothing is sent without a valid certificate");
        let certs = folder.path().join("etc/containers/certs.d").join(registry.host());
        std::fs::create_dir_all(&certs).unwrap();
        std::fs::write(certs.join("ca.crt"), registry.ca_pem().unwrap()).unwrap();
        assert!(
            check_with(&options, &registry, "x").await.is_err(),
            "without a client certificate"
        );
        let (certificate, key) = registry.client_pem().unwrap();
        std::fs::write(certs.join("me.cert"), certificate).unwrap();
        std::fs::write(certs.join("me.key"), key).unwrap();
        check_with(&options, &registry, "x").await.unwrap();
        assert!(registry.exchanges().iter().all(|exchange| exchange.client_certificate));
        options.cert_dir = Some(certs);
        check_with(&options, &registry, "x").await.unwrap();
    }

    #[tokio::test]
    async fn without_checking_and_with_a_warning() {
        let registry = registry(|options| options.tls = Tls::On(ClientCertificates::NotAsked));
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(&folder);
        let warnings = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = std::sync::Arc::clone(&warnings);
        let observer =
            Observer::new(move |notice| heard.lock().unwrap().push(format!("{notice:?}")));
        let credential = Credential::Basic { user: "me".into(), secret: Secret::new("hunter2") };
        assert!(check(&options, registry.host(), &credential, &observer).await.is_err());
        options.tls_verify = Some(false);
        check(&options, registry.host(), &credential, &observer).await.unwrap();
        let warnings = warnings.lock().unwrap().join(" ");
        assert!(
            warnings.contains("is not verified") && !warnings.contains("hunter2"),
            "{warnings}"
        );
        let conf = folder.path().join("etc/containers/registries.conf");
        std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
        let text = format!("[[registry]]\nlocation = {:?}\ninsecure = true", registry.host());
        std::fs::write(conf, text).unwrap();
        options.tls_verify = None;
        check(&options, registry.host(), &credential, &observer).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_registry() {
        let folder = tempfile::tempdir().unwrap();
        let credential = Credential::Bearer(Secret::new("t"));
        let (options, observer) = (options(&folder), Observer::default());
        for bad in ["", "name", "https://h.example", "h.example:port"] {
            let asked = check(&options, bad, &credential, &observer).await;
            assert_eq!(asked.unwrap_err().kind(), ErrorKind::InvalidInput, "{bad}");
        }
    }
}
