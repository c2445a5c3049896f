//! TLS to an engine: `ca.pem`, `cert.pem` and `key.pem` of a folder.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use transship_core::{Error, ErrorKind, Result, ResultExt, small_file};

/// The TLS side of connections, of the files in a folder; each may be missing. Blocks.
pub(crate) fn client_config(folder: Option<&Path>) -> Result<ClientConfig> {
    let read = |name: &str| match folder {
        Some(folder) => read(&folder.join(name)),
        None => Ok(None),
    };
    let mut roots = RootCertStore::empty();
    match read("ca.pem")? {
        Some(bytes) => {
            for ca in certificates(&bytes, "ca.pem")? {
                roots
                    .add(ca)
                    .map_err(|error| corrupt("ca.pem: it holds no CA").caused_by(error))?;
            }
        }
        None => {
            // Some systems have some that are malformed.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Unexpected, "setting up TLS").caused_by(error))?
        .with_root_certificates(roots);
    match (read("cert.pem")?, read("key.pem")?) {
        (Some(cert), Some(key)) => {
            let chain = certificates(&cert, "cert.pem")?;
            // What the parser says could quote the key.
            let key = PrivateKeyDer::from_pem_slice(&key)
                .map_err(|_| corrupt("key.pem: it holds no private key as PEM"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| corrupt("cert.pem and key.pem do not fit").caused_by(error))
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(corrupt("of cert.pem and key.pem, one is missing")),
    }
}

fn certificates(bytes: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    all.ok()
        .filter(|all| !all.is_empty())
        .ok_or_else(|| corrupt(format!("{name}: it holds no certificates as PEM")))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    small_file(path, "reading").if_found()
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message.into())
}
