use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use transship_test_registry::{ClientCertificates, Listen, Registry, Tls};

use crate::client::{Answer, over};
use crate::registry;

enum Shows {
    Nothing,
    Certificate,
}

/// A ping; an error is the handshake's.
fn ping(registry: &Registry, name: &str, shows: &Shows) -> Result<Answer, String> {
    let ca = CertificateDer::from_pem_slice(registry.ca_pem().unwrap().as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        Shows::Nothing => config.with_no_client_auth(),
        Shows::Certificate => {
            let (certificate, key) = registry.client_pem().unwrap();
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(registry.host()).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let answer = over(&mut stream, registry.host(), "GET /v2/", &[], b"");
    if answer.status != 0 {
        return Ok(answer);
    }
    // What broke it is what the next read says.
    Err(stream.read(&mut [0]).err().map(|e| e.to_string()).unwrap_or_default())
}

#[test]
fn certificates_hold_for_loopback_alone() {
    for listen in [Listen::V4, Listen::V6] {
        let registry = registry(|options| {
            options.tls = Tls::On(ClientCertificates::NotAsked);
            options.listen = listen;
        });
        assert!(registry.url().starts_with("https://"));
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(ping(&registry, name, &Shows::Nothing).unwrap().status, 200, "{name}");
        }
        let refused = ping(&registry, "example.com", &Shows::Nothing).unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
        assert!(!registry.exchanges()[0].client_certificate);
    }
}

#[test]
fn client_certificates() {
    let start = |ask| registry(|options| options.tls = Tls::On(ask));
    let asked = start(ClientCertificates::Asked);
    assert_eq!(ping(&asked, "localhost", &Shows::Nothing).unwrap().status, 200);
    assert_eq!(ping(&asked, "localhost", &Shows::Certificate).unwrap().status, 200);
    let shown: Vec<bool> = asked.exchanges().iter().map(|one| one.client_certificate).collect();
    assert_eq!(shown, [false, true]);
    let required = start(ClientCertificates::Required);
    assert!(ping(&required, "localhost", &Shows::Nothing).is_err());
    assert_eq!(ping(&required, "localhost", &Shows::Certificate).unwrap().status, 200);
}
