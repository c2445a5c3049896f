//! [`Credentials`]: who we are for a host.

use std::fmt;

use transship_core::Result;

use crate::RegistryOptions;

/// A secret: it prints as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself. It goes into a request and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who we are for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        secret: Secret,
    },
    /// A token that is given, by `OAuth2`, for another one.
    IdentityToken(Secret),
    /// A token that goes into each request as it is.
    Bearer(Secret),
}

/// Finds credentials.
#[derive(Debug)]
pub(crate) struct Credentials {
    fixed: Option<Credential>,
}

impl Credentials {
    /// As the options say.
    pub(crate) fn new(options: &RegistryOptions) -> Self {
        Self { fixed: options.credential.clone() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "files and helpers are to come")]
    /// The credential for a repository of a host (`docker.io`, `localhost:5000`). Blocks: it reads files and starts helpers.
    pub(crate) fn find(&self, _host: &str, _repository: &str) -> Result<Option<Credential>> {
        Ok(self.fixed.clone())
    }
}
