//! [`Locator`]: what stands behind `scaffold:`. The grammar is in the [crate's documentation](crate).

use std::fmt;

use transship_core::{DigestAlgorithm, Error, ErrorKind, ImageName, Reference, Result};
use transship_local::{Grammar, Locator as AnyLocator, Selector};

use crate::transport::SCHEME;

// Decide: what a place is. This reads `PATH[:NAME|:@INDEX|@DIGEST]` as the other transports do; what has no path writes a
// parser of its own, and keeps what is promised of `Transport::parse`.

/// A parsed locator. Its `Display` is the canonical text.
pub(crate) type Locator = AnyLocator<Images>;

/// Which image of a place.
pub(crate) type Select = Selector<Name>;

/// What is special about our locators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Images;

// Decide: names are any text, and equal letter for letter. Where all are docker's, make them canonical in `Grammar::name` and
// where a destination takes them (`ImageName::docker`, `DockerName::or_latest`), and claim `Names::Docker`: then `alpine` finds
// `docker.io/library/alpine:latest`.

/// The name of an image, any text. Its `Display` has a `\` before it where it would be read as something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) ImageName);

impl Grammar for Images {
    type Name = Name;
    const PLACE: &'static str = "place for images";
    const DIGEST: &'static str = "a digest";
    const ALGORITHMS: &'static [DigestAlgorithm] =
        &[DigestAlgorithm::Sha256, DigestAlgorithm::Sha512];
    const EMPTY_PATH: Option<&'static str> = None;

    fn name(_: &str, name: &str) -> Result<Name> {
        ImageName::new(name.strip_prefix('\\').unwrap_or(name)).map(Name)
    }

    fn colon_alone(_: &str) -> Result<()> {
        Ok(())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.as_str();
        let special = name.starts_with(['@', '\\']) || name.bytes().all(|b| b.is_ascii_hexdigit());
        write!(f, "{}{name}", if special { "\\" } else { "" })
    }
}

/// The locator of a reference, which may be one of another transport.
pub(crate) fn locator(at: &Reference) -> Result<Locator> {
    if at.scheme() == SCHEME {
        return Locator::parse(at.locator());
    }
    let message = format!("{at} is no reference of {SCHEME}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// The reference of a locator.
pub(crate) fn reference(locator: &Locator) -> Reference {
    Reference::new(SCHEME, locator.to_string())
}
