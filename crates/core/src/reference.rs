//! [`Reference`]: where an image is.

use std::fmt;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// Where an image is: `scheme:locator`, in its transport's canonical form.
///
/// A value: no open file, no connection, no configuration. Its text is all of it; [`Transports::parse`] of that text,
/// in another process with the same working folder, gives an equal reference that opens the same image.
///
/// [`Transports::parse`]: crate::Transports::parse
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    scheme: &'static str,
    locator: Arc<str>,
}

impl Reference {
    /// For transports: a reference from a locator that is canonical already.
    pub fn new(scheme: &'static str, locator: impl Into<Arc<str>>) -> Self {
        Self { scheme, locator: locator.into() }
    }

    /// The transport's scheme, e.g. `oci`.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// What stands behind the scheme, in the transport's grammar.
    pub fn locator(&self) -> &str {
        &self.locator
    }

    /// The locator, for the transport of a scheme.
    ///
    /// # Errors
    /// `InvalidInput` when the reference is another transport's.
    pub fn locator_in(&self, scheme: &str) -> Result<&str> {
        if self.scheme == scheme {
            return Ok(&self.locator);
        }
        let message = format!("{self} is no reference of {scheme}:");
        Err(Error::new(ErrorKind::InvalidInput, message))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.locator)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}
