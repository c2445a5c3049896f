//! The path that a reference is.

use std::path::Path;

use transship_core::{Error, ErrorKind, Reference, Result};

use crate::SCHEME;

/// Checks a locator.
pub(crate) fn parse(locator: &str) -> Result<Reference> {
    if locator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the path is empty")
            .hint("the form is dir:PATH, with dir:. for the working folder"));
    }
    if locator.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidInput, "a path cannot hold a NUL"));
    }
    Ok(Reference::new(SCHEME, locator))
}

/// The path of a reference.
pub(crate) fn path_of(at: &Reference) -> Result<&Path> {
    let locator = at.locator_in(SCHEME)?;
    parse(locator)?;
    Ok(Path::new(locator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_the_path() {
        for text in ["a", ".", "/", "a:b:c@sha256:x", "../x/", " ", "C:\\x", "-", "a\nb", "ä"] {
            let reference = parse(text).unwrap();
            assert_eq!(reference.locator(), text);
            assert_eq!(path_of(&reference).unwrap(), Path::new(text));
        }
        for text in ["", "a\0b"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text:?}");
        }
        assert!(path_of(&Reference::new("oci", "a")).is_err());
    }
}
