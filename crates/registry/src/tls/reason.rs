//! [`refusal`]: why the certificate of a server is not accepted, in plain words.

use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error, OtherError};
use transship_core::Hint;

use crate::hints::{NO_TLS, certificate};

/// What webpki calls the certificate of an authority that a server shows as its own: `openssl req -x509` makes such.
const OF_AN_AUTHORITY: &str = "CaUsedAsEndEntity";

/// Why a certificate is refused, and what to do. `None` for what is not about certificates, or rare.
pub(crate) fn refusal(error: &Error) -> Option<(String, Hint)> {
    use CertificateError::{
        ExpiredContext, NotValidForNameContext, NotValidYetContext, Other, UnknownIssuer,
    };
    let Error::InvalidCertificate(error) = error else { return None };
    match error {
        UnknownIssuer => Some((
            "its certificate is signed by no authority that is trusted here".to_owned(),
            certificate(),
        )),
        Other(OtherError(other)) if other.to_string() == OF_AN_AUTHORITY => Some((
            "its certificate is self-signed, and not one of those that are trusted here".to_owned(),
            certificate(),
        )),
        ExpiredContext { not_after, .. } => {
            Some((format!("its certificate expired on {}", date(*not_after)), of_time()))
        }
        NotValidYetContext { not_before, .. } => {
            Some((format!("its certificate is not valid before {}", date(*not_before)), of_time()))
        }
        NotValidForNameContext { presented, .. } => Some((names(presented), of_names())),
        _ => None,
    }
}

fn of_time() -> Hint {
    let renew = "the server needs a new certificate, unless the clock of this machine is wrong";
    Hint::AnyOf(vec![Hint::Text(renew.into()), NO_TLS])
}

fn of_names() -> Hint {
    let name = "use a name that the certificate is for";
    Hint::AnyOf(vec![Hint::Text(name.into()), NO_TLS])
}

fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "its certificate is for no name: it has no subjectAltName".to_owned();
    }
    let names: Vec<_> = presented.iter().map(|name| plain(name)).collect();
    format!("its certificate is for {}", names.join(", "))
}

/// `h.example` of `DnsName("h.example")`.
fn plain(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

fn date(time: UnixTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::{CertificateDer, ServerName};

    use super::*;

    /// A certificate that signs itself, valid in these years.
    fn made(is_ca: IsCa, years: [i32; 2]) -> CertificateDer<'static> {
        let names = ["h.example", "10.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        // An authority of the same name would be taken for the one that signed it.
        params.distinguished_name.push(DnType::CommonName, fastrand::u64(..).to_string());
        params.is_ca = is_ca;
        let [from, to] = years.map(|year| date_time_ymd(year, 1, 1));
        (params.not_before, params.not_after) = (from, to);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Why a server that shows it is refused, and the hint.
    fn refused(shown: &CertificateDer<'_>, trusted: &CertificateDer<'_>, name: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone().into_owned()).unwrap();
        let provider = Arc::new(default_provider());
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let error =
            webpki.build().unwrap().verify_server_cert(shown, &[], &name, &[], UnixTime::now());
        let (why, hint) = refusal(&error.unwrap_err()).unwrap();
        format!("{why}; {hint}")
    }

    #[test]
    fn each_reason_is_said_in_plain_words_with_what_helps() {
        let ca = || IsCa::Ca(BasicConstraints::Unconstrained);
        let other = made(ca(), [2020, 2999]);
        for (shown, name, why, helps) in [
            (made(ca(), [2020, 2999]), "h.example", "is self-signed", "cert-dir"),
            (made(IsCa::NoCa, [2020, 2999]), "h.example", "no authority", "cert-dir"),
            (
                made(IsCa::NoCa, [2020, 2021]),
                "h.example",
                "expired on Fri, 01 Jan 2021",
                "new certificate",
            ),
            (
                made(IsCa::NoCa, [2998, 2999]),
                "h.example",
                "not valid before Mon, 01 Jan 2998",
                "the clock",
            ),
        ] {
            let said = refused(&shown, &other, name);
            assert!(said.contains(why) && said.contains(helps), "{said}");
            assert_eq!(said.contains("cert-dir"), helps == "cert-dir", "{said}");
        }
        let own = made(IsCa::NoCa, [2020, 2999]);
        let said = refused(&own, &own, "other.example");
        assert!(said.starts_with("its certificate is for h.example, 10.0.0.1; "), "{said}");
        assert!(!said.contains("cert-dir"), "{said}");
    }

    #[test]
    fn what_is_not_about_certificates_is_left() {
        assert!(refusal(&Error::DecryptError).is_none());
        assert!(refusal(&Error::InvalidCertificate(CertificateError::Revoked)).is_none());
        assert_eq!(names(&[]), "its certificate is for no name: it has no subjectAltName");
    }
}
