//! TLS to an engine: `ca.pem`, `cert.pem` and `key.pem` of a folder.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use transship_core::{Error, ErrorKind, Result, ResultExt, small_file};

/// Where the files belong.
pub(crate) const FOLDER: &str = "the folder for certificates needs ca.pem, cert.pem and key.pem: that of a docker context, or DOCKER_CERT_PATH with DOCKER_TLS_VERIFY=1";

/// Whether a folder has to have `ca.pem`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ca {
    /// As for docker's command, where the folder is named.
    Needed,
    /// As in a context of docker, if it has the other files.
    MayBeMissing,
}

/// The TLS side of connections, of the files in a folder. Blocks.
pub(crate) fn client_config(folder: Option<&Path>, ca: Ca) -> Result<ClientConfig> {
    let own = folder.map(own).transpose()?.flatten();
    let ca = if own.is_some() { ca } else { Ca::Needed };
    let roots = roots(folder, ca)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Unexpected, "setting up TLS").caused_by(error))?
        .with_root_certificates(roots);
    match own {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| corrupt("cert.pem and key.pem do not fit").caused_by(error)),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// What says who we are: both files, or none.
fn own(folder: &Path) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    let missing = |path: &Path| {
        let message = format!("of cert.pem and key.pem, one is missing: {}", path.display());
        corrupt(message)
    };
    match (read(&cert).if_found()?, read(&key).if_found()?) {
        (Some(cert), Some(key)) => {
            let chain = certificates(&cert, "cert.pem")?;
            // What the parser says could quote the key.
            let key = PrivateKeyDer::from_pem_slice(&key)
                .map_err(|_| corrupt("key.pem: it holds no private key as PEM"))?;
            Ok(Some((chain, key)))
        }
        (None, None) => Ok(None),
        (None, _) => Err(missing(&cert)),
        (_, None) => Err(missing(&key)),
    }
}

/// Whose certificates of servers are believed: those of `ca.pem`, or those of the system.
fn roots(folder: Option<&Path>, ca: Ca) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = match folder.map(|folder| read(&folder.join("ca.pem"))) {
        Some(found) if ca == Ca::Needed => {
            Some(found.map_err(|error| error.of_option().hint(FOLDER))?)
        }
        Some(found) => found.if_found()?,
        None => None,
    };
    match found {
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
    Ok(roots)
}

fn certificates(bytes: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    all.ok()
        .filter(|all| !all.is_empty())
        .ok_or_else(|| corrupt(format!("{name}: it holds no certificates as PEM")))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    small_file(path, "reading")
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message.into())
}
