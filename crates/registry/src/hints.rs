//! Hints that name an option of this transport.

use transship_core::Hint;

use crate::SCHEME;

/// To speak plain HTTP, or not to check certificates.
pub(crate) const NO_TLS: Hint =
    option("for plain HTTP, or to accept any certificate", "tls-verify", "false");

pub(crate) const fn option(when: &'static str, key: &'static str, value: &'static str) -> Hint {
    Hint::SetOption { when, scheme: SCHEME, key, value }
}

/// For a server whose certificate no trusted authority has signed.
pub(crate) fn certificate() -> Hint {
    Hint::AnyOf(vec![option("to trust its certificate authority", "cert-dir", "FOLDER"), NO_TLS])
}
