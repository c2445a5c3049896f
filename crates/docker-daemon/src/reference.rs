//! [`Locator`]: what stands behind `docker-daemon:`.

use std::fmt;

use transship_core::{
    Digest, DockerName, Error, ErrorKind, Escaped, Reference, Result, ResultExt, parse_digest,
};

use crate::SCHEME;

/// A parsed locator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Locator {
    /// All images.
    All,
    /// By a name with a tag or a digest.
    Name(DockerName),
    /// By ID.
    Id(Digest),
}

impl Locator {
    pub(crate) fn of(at: &Reference) -> Result<Self> {
        if at.scheme() != SCHEME {
            return Err(invalid(format!("{at} is no reference of {SCHEME}")));
        }
        Self::parse(at.locator())
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::All);
        }
        let shown = || format!("\"{}\" is no image of an engine", Escaped(text));
        if text.starts_with("sha256:") {
            let id = parse_digest(text)
                .map_err(|error| invalid("the ID is no digest").context(shown()).caused_by(error));
            return id.map(Self::Id).map_err(|error| error.hint("an ID is given in full"));
        }
        let name = DockerName::parse(text).context(shown)?;
        if name.tag().is_some() && name.digest().is_some() {
            return Err(invalid("a tag and a digest cannot stand together").context(shown()));
        }
        Ok(Self::Name(if name.digest().is_some() { name } else { name.or_latest() }))
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::new(SCHEME, self.to_string())
    }

    /// What the engine calls it; `None` for all images.
    pub(crate) fn in_engine(&self) -> Option<String> {
        (*self != Self::All).then(|| self.to_string())
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn canonical_texts() {
        for (text, canonical) in [
            ("", String::new()),
            ("x", "docker.io/library/x:latest".to_owned()),
            ("x:1", "docker.io/library/x:1".to_owned()),
            ("h.x:5/y:1", "h.x:5/y:1".to_owned()),
            (&format!("q/x@sha256:{HEX}"), format!("docker.io/q/x@sha256:{HEX}")),
            (&format!("sha256:{HEX}"), format!("sha256:{HEX}")),
        ] {
            let parsed = Locator::parse(text).unwrap();
            assert_eq!(parsed.to_string(), canonical, "{text}");
            assert_eq!(Locator::parse(&canonical).unwrap(), parsed, "{text}");
        }
    }

    #[test]
    fn refused() {
        let both = format!("x:1@sha256:{HEX}");
        for text in ["sha256:abc", "X", "x:", ":1", "x:1:2", "@", "//x", &both, HEX] {
            assert_eq!(Locator::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
