//! [`Credential`]: what a client has to show.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use transship_core::{Digest, Error, ErrorKind, Result, sha256};

/// The one credential that a registry takes. Only digests of it are kept, and compared: how long that takes says nothing of it.
#[derive(Clone)]
pub struct Credential {
    scheme: Scheme,
    expected: Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Basic,
    Bearer,
}

impl Credential {
    /// `USER:PASSWORD` for basic authentication; a text without a colon is a token for bearer authentication.
    ///
    /// # Errors
    /// `InvalidInput` for a text without a user or password, or one that no header can carry. The error does not show it.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        let refused = |why: &'static str| Err(Error::new(ErrorKind::InvalidInput, why));
        if text.is_empty() || text.chars().any(char::is_control) {
            return refused("the credential is empty, or has control characters");
        }
        let (scheme, sent) = match text.split_once(':') {
            Some((user, password)) if user.is_empty() || password.is_empty() => {
                return refused(
                    "the credential lacks a user or a password: its form is USER:PASSWORD",
                );
            }
            Some(_) => (Scheme::Basic, STANDARD.encode(text)),
            None if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return refused(
                    "a token has only letters, digits and signs of ASCII, as a header carries them",
                );
            }
            None => (Scheme::Bearer, text.to_owned()),
        };
        Ok(Self { scheme, expected: sha256(sent.as_bytes()) })
    }

    /// Whether a request has it.
    pub(crate) fn fits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, sent)| {
            scheme.eq_ignore_ascii_case(self.scheme.name())
                && sha256(sent.trim().as_bytes()) == self.expected
        })
    }

    /// What a client is told to send.
    pub(crate) fn challenge(&self) -> &'static str {
        match self.scheme {
            Scheme::Basic => "Basic realm=\"transship\"",
            Scheme::Bearer => "Bearer realm=\"transship\"",
        }
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_the_credential_fits() {
        let sent = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            HeaderMap::from_iter([(AUTHORIZATION, value)])
        };
        let basic = Credential::parse("me:hunter2\n").unwrap();
        let good = format!("bAsic {}", STANDARD.encode("me:hunter2"));
        assert!(basic.fits(&sent(&good)));
        for bad in ["Basic", "Basic x", "Bearer me:hunter2", &STANDARD.encode("me:hunter2")] {
            assert!(!basic.fits(&sent(bad)), "{bad}");
        }
        assert!(!basic.fits(&HeaderMap::new()));
        let bearer = Credential::parse("t0ken").unwrap();
        assert!(bearer.fits(&sent("Bearer t0ken")) && !bearer.fits(&sent("Bearer t0ke")));
        for bad in ["", "\n", ":", "me:", ":x", "a b", "a\nb", "töken"] {
            let error = Credential::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
        // In base64 all fits.
        let umlaut = Credential::parse("m\u{fc}ller:p\u{e4}ss").unwrap();
        assert!(umlaut.fits(&sent(&format!("Basic {}", STANDARD.encode("m\u{fc}ller:p\u{e4}ss")))));
        assert!(!format!("{basic:?}").contains("hunter2"));
    }
}
