//! [`Tls`]: a server's certificate and key.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use transship_core::{Error, ErrorKind, Result};

/// The most bytes of a certificate file or a key file.
const LIMIT: u64 = 1 << 20;

/// A certificate with its key, by which connections are encrypted.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its key, both PEM. It blocks.
    ///
    /// # Errors
    /// I/O errors; `Corrupt` when a file holds something else, or the key is that of another certificate.
    pub fn read(certificates: &Path, key: &Path) -> Result<Self> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&read(certificates)?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain =
            chain.ok_or_else(|| corrupt(certificates, "it holds no certificates as PEM"))?;
        // What the parser says could quote the key.
        let own = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|_| corrupt(key, "it holds no private key as PEM"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, own));
        let mut config = config
            .map_err(|error| corrupt(key, "it does not fit the certificate").caused_by(error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| Error::io("reading", path, error).of_option();
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn corrupt(path: &Path, why: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, why).context(path.display())
}
