//! [`unsupported`]: the algorithm that a handshake failed for, by its name.

use rustls::CertificateError::{
    UnsupportedSignatureAlgorithmContext, UnsupportedSignatureAlgorithmForPublicKeyContext,
};
use rustls::{AlertDescription, Error};

/// Object identifiers as they stand in certificates, of algorithms and curves that are not supported.
const NAMES: [(&[u8], &str); 7] = [
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "ECDSA P-521"),
    // Only keys of that curve sign with it.
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], "ECDSA P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "ECDSA secp256k1"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], "RSA with SHA-1"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], "RSA with MD5"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], "ECDSA with SHA-1"),
];

/// What can be used instead.
pub(crate) const SUPPORTED: &str = "RSA of 2048 bits or more, ECDSA P-256 or P-384, Ed25519";

/// Says which algorithm a server uses, or may use, that is not supported, if that is why a handshake failed.
pub(crate) fn unsupported(error: &Error) -> Option<String> {
    match error {
        Error::InvalidCertificate(UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id,
            ..
        }) => Some(signed_with(&[signature_algorithm_id])),
        Error::InvalidCertificate(UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id,
            public_key_algorithm_id,
        }) => Some(signed_with(&[public_key_algorithm_id, signature_algorithm_id])),
        // The server says no more than that.
        Error::AlertReceived(AlertDescription::HandshakeFailure) => Some(
            "refuses the handshake: it may want a client certificate, or have a key that is not supported, as ECDSA P-521"
                .to_owned(),
        ),
        Error::PeerIncompatible(_) => Some("has no algorithm in common with this client".to_owned()),
        _ => None,
    }
}

fn signed_with(identifiers: &[&[u8]]) -> String {
    let named = NAMES.iter().find(|(oid, _)| {
        identifiers.iter().any(|held| held.windows(oid.len()).any(|part| part == *oid))
    });
    match named {
        Some((_, name)) => format!("has a certificate signed with {name}, which is not supported"),
        None => "has a certificate signed with an algorithm that is not supported".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, UnixTime};

    use super::*;

    /// An authority with a key of P-521, and a certificate of P-256 for `localhost` that it signed.
    const CA: &[u8] = include_bytes!("fixtures/p521-ca.crt");
    const LEAF: &[u8] = include_bytes!("fixtures/p521-leaf.crt");

    #[test]
    fn an_authority_of_p521_is_named() {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CA).unwrap()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let leaf = CertificateDer::from_pem_slice(LEAF).unwrap();
        let name = "localhost".try_into().unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(2_000_000_000));
        let error = verifier.build().unwrap().verify_server_cert(&leaf, &[], &name, &[], now);
        let said = unsupported(&error.unwrap_err()).unwrap();
        assert!(said.contains("ECDSA P-521"), "{said}");
    }

    #[test]
    fn other_failures_are_not_about_algorithms() {
        let refused = Error::AlertReceived(AlertDescription::HandshakeFailure);
        assert!(unsupported(&refused).unwrap().contains("P-521"));
        for other in [
            Error::AlertReceived(AlertDescription::CertificateRequired),
            Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer),
            Error::DecryptError,
        ] {
            assert_eq!(unsupported(&other), None);
        }
        assert!(signed_with(&[&[1, 2]]).contains("an algorithm that is not supported"));
    }
}
