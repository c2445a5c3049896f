//! Certificates made on the spot.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::options::ClientCertificates;

/// What clients need of it, as PEM.
#[derive(Clone)]
pub(super) struct Certificates {
    pub(super) ca: String,
    pub(super) client: String,
    pub(super) client_key: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Certificates {
    pub(super) fn make(ask: ClientCertificates) -> io::Result<Self> {
        let (ca_key, ca_params) = (key()?, ca_params()?);
        let ca = ca_params.self_signed(&ca_key).map_err(io::Error::other)?;
        let issuer = Issuer::new(ca_params, ca_key);
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let server = leaf(&issuer, names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let client = leaf(&issuer, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self {
            ca: ca.pem(),
            client: client.0.pem(),
            client_key: client.1.serialize_pem(),
            acceptor: acceptor(&ca, &server, ask)?,
        })
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

fn ca_params() -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, "CA of an in-process registry");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf(
    issuer: &Issuer<'_, KeyPair>,
    names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
) -> io::Result<(Certificate, KeyPair)> {
    let key = key()?;
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, "in-process registry");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let certificate = params.signed_by(&key, issuer).map_err(io::Error::other)?;
    Ok((certificate, key))
}

fn acceptor(
    ca: &Certificate,
    server: &(Certificate, KeyPair),
    ask: ClientCertificates,
) -> io::Result<TlsAcceptor> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match ask {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        asked => builder.with_client_cert_verifier(verifier(ca.der().clone(), provider, asked)?),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server.1.serialize_der()));
    let chain = vec![server.0.der().clone()];
    let config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn verifier(
    ca: CertificateDer<'static>,
    provider: Arc<tokio_rustls::rustls::crypto::CryptoProvider>,
    ask: ClientCertificates,
) -> io::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca).map_err(io::Error::other)?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match ask {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder.build().map(|verifier| verifier as _).map_err(io::Error::other)
}
