//! Which certificates of hosts are accepted, and which client certificates are sent.
//!
//! CAs are those of the system and the `*.crt` of a folder: `cert-dir`, else that of the host in `hosts-dir` where it has no
//! `hosts.toml`, else the first that is there of `HOST[:PORT]` in `~/.config/containers/certs.d`, `/etc/containers/certs.d`,
//! `/etc/docker/certs.d`. Its `*.cert` and `*.key` are a client certificate and its key; of several pairs, the first by name is shown.

mod algorithm;
mod folder;
mod pinned;
mod reason;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use transship_core::{Error, ErrorKind, Result};

pub(crate) use algorithm::{SUPPORTED, unsupported};
pub(crate) use folder::{check_chosen, find as folder_of};
pub(crate) use reason::refusal;

use folder::Pair;
use pinned::Pinned;

/// Whether the certificate of a host is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trust {
    /// By a certificate that is good for its name.
    Verified,
    /// It does not.
    Anyone,
}

/// The folders with certificates for connections to a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Folders {
    /// Its own: its authorities are believed, and its client certificate is shown.
    pub(crate) own: Option<PathBuf>,
    /// That of the host which named the place: its authorities are believed.
    pub(crate) more: Option<PathBuf>,
    /// Its own, that a `hosts.toml` names.
    pub(crate) files: Files,
}

/// Files with certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Files {
    /// Of authorities.
    pub(crate) cas: Vec<PathBuf>,
    /// Client certificates, each with its key in another file or in the same. The first is shown.
    pub(crate) clients: Vec<(PathBuf, Option<PathBuf>)>,
}

/// Reads the certificates, so that what is wrong is known where they are named. Blocks.
pub(crate) fn check(files: &Files) -> Result<()> {
    folder::read_files(files).map(|_| ())
}

/// The TLS side of connections, which believe everyone unless roots are given. Blocks: it reads certificates.
pub(crate) fn client_config(
    folders: &Folders,
    roots: Option<&RootCertStore>,
) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?;
    let read = |folder: &Option<PathBuf>| folder.as_deref().map(folder::read).transpose();
    let (own, more) = (read(&folders.own)?.unwrap_or_default(), read(&folders.more)?);
    let named = folder::read_files(&folders.files)?;
    let builder = match roots {
        Some(roots) => {
            let mut cas = own.cas;
            cas.extend(named.cas);
            cas.extend(more.into_iter().flat_map(|more| more.cas));
            let pinned = cas.iter().map(|(_, certificate)| certificate.clone()).collect();
            let roots = Arc::new(with_more(roots, cas)?);
            let webpki = WebPkiServerVerifier::builder_with_provider(roots, provider);
            let webpki = webpki.build().map_err(tls_error)?;
            builder.dangerous().with_custom_certificate_verifier(Pinned::or(webpki, pinned))
        }
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(ring::default_provider()))),
    };
    match named.client.or(own.client) {
        None => Ok(builder.with_no_client_auth()),
        Some(Pair { path, chain, key }) => {
            let unfit = |error: rustls::Error| {
                let message = format!("{}: the certificate and its key do not fit", path.display());
                Error::new(ErrorKind::Corrupt, message).caused_by(error)
            };
            let key = ring::sign::any_supported_type(&key).map_err(unfit)?;
            let certified = CertifiedKey::new(chain, key);
            match certified.keys_match() {
                // Of version 1: servers take it, and the library that checks ours reads version 3 alone.
                Ok(()) | Err(rustls::Error::InvalidCertificate(_)) => {}
                Err(error) => return Err(unfit(error)),
            }
            let resolver = SingleCertAndKey::from(certified);
            Ok(builder.with_client_cert_resolver(Arc::new(resolver)))
        }
    }
}

/// The authorities of the system. Blocks.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Some systems have some that are malformed.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn with_more(
    roots: &RootCertStore,
    more: Vec<(PathBuf, CertificateDer<'static>)>,
) -> Result<RootCertStore> {
    let mut roots = roots.clone();
    for (path, certificate) in more {
        roots.add(certificate).map_err(|error| {
            let message = format!("{}: it holds no certificate of a CA", path.display());
            Error::new(ErrorKind::Corrupt, message).caused_by(error)
        })?;
    }
    Ok(roots)
}

fn tls_error(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unexpected, "setting up TLS").caused_by(error)
}

/// Accepts every certificate whose key signs the handshake.
#[derive(Debug)]
struct Anyone(CryptoProvider);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &rustls::pki_types::ServerName<'_>,
        _ocsp_response: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
