//! [`Pinned`]: a server's own certificate, given as its authority.
//!
//! Manuals of registries make one self-signed certificate, show it and hand it out as `ca.crt`. By the book a certificate of an
//! authority is none of a server, and webpki refuses it; Go, OpenSSL and so every other client take it. A user who
//! gives exactly the certificate that the server shows trusts this server, not only its issuer.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Verifies as webpki does, and takes a certificate that was given for what it is: its name and its time count.
#[derive(Debug)]
pub(super) struct Pinned {
    webpki: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl Pinned {
    pub(super) fn or(
        webpki: Arc<WebPkiServerVerifier>,
        given: Vec<CertificateDer<'static>>,
    ) -> Arc<Self> {
        Arc::new(Self { webpki, given })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let Err(error) = verified else { return verified };
        if !self.given.iter().any(|given| given == end_entity) || is_of_time(&error) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Whether the time of a certificate is not right, or cannot be read. webpki looks at it first, so that after any other error it
/// is right.
fn is_of_time(error: &Error) -> bool {
    use CertificateError::{BadEncoding, Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        Error::InvalidCertificate(
            BadEncoding | Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        )
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::RootCertStore;
    use rustls::crypto::ring::default_provider;

    use super::*;

    /// A certificate of an authority that names a host, valid in these years.
    fn made(years: [i32; 2]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["h.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let [from, to] = years.map(|year| date_time_ymd(year, 1, 1));
        (params.not_before, params.not_after) = (from, to);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn verified(shown: &CertificateDer<'_>, given: &CertificateDer<'static>, name: &str) -> bool {
        let provider = Arc::new(default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(given.clone()).unwrap();
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let pinned = Pinned::or(webpki.build().unwrap(), vec![given.clone()]);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        pinned.verify_server_cert(shown, &[], &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn its_name_and_its_time_count() {
        let good = made([2020, 2999]);
        assert!(verified(&good, &good, "h.example"));
        assert!(!verified(&good, &good, "other.example"));
        assert!(!verified(&good, &made([2020, 2999]), "h.example"), "another one was given");
        for years in [[2020, 2021], [2998, 2999]] {
            let bad = made(years);
            assert!(!verified(&bad, &bad, "h.example"), "{years:?}");
        }
    }
}
