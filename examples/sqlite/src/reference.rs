//! [`Locator`]: what stands behind `sqlite:`. The grammar is in the [crate's documentation](crate).

use std::fmt;

use transship::local::{PathText, cut_path};
use transship::transport::{Digest, Error, ErrorKind, Escaped, ImageName, Reference, Result};

use crate::transport::SCHEME;

/// A parsed locator. Its `Display` is the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locator {
    /// Without escapes. Not empty.
    pub(crate) path: String,
    pub(crate) select: Select,
}

/// Which image of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    /// Its only one; when writing, an image without a name.
    Only,
    Name(ImageName),
    Index(usize),
    Digest(Digest),
}

impl Locator {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (path, rest) = cut_path(text);
        let rest = rest.filter(|rest| !rest.is_empty());
        if let (Some((before, algorithm)), Some(hex)) = (cut_algorithm(&path), rest)
            && !hex.starts_with('\\')
        {
            let digest = parse_digest(text, algorithm, hex)?;
            return Self::new(text, before, Select::Digest(digest));
        }
        let select = match rest {
            None => Select::Only,
            Some(rest) => match rest.strip_prefix('@') {
                Some(index) => Select::Index(parse_index(text, index)?),
                None => Select::Name(ImageName::new(rest.strip_prefix('\\').unwrap_or(rest))?),
            },
        };
        Self::new(text, &path, select)
    }

    /// The locator of a reference, which may be one of another transport.
    pub(crate) fn of(at: &Reference) -> Result<Self> {
        Self::parse(at.locator_in(SCHEME)?)
    }

    /// The same database with another choice.
    pub(crate) fn with(&self, select: Select) -> Self {
        Self { path: self.path.clone(), select }
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::new(SCHEME, self.to_string())
    }

    fn new(text: &str, path: &str, select: Select) -> Result<Self> {
        if path.is_empty() {
            return Err(invalid(text, "the path is empty"));
        }
        if path.contains('\0') {
            return Err(invalid(text, "a path cannot hold a NUL"));
        }
        Ok(Self { path: path.to_owned(), select })
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", PathText(&self.path))?;
        match &self.select {
            Select::Only => Ok(()),
            Select::Name(name) => {
                let special = name.as_str().starts_with(['@', '\\']);
                let escape = special || cut_algorithm(&self.path).is_some();
                write!(f, ":{}{name}", if escape { "\\" } else { "" })
            }
            Select::Index(index) => write!(f, ":@{index}"),
            Select::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// Cuts `PATH@sha256`, which is what stands before the first colon of `PATH@sha256:HEX`.
fn cut_algorithm(path: &str) -> Option<(&str, &str)> {
    let cut = path.rsplit_once('@');
    cut.filter(|(_, algorithm)| matches!(*algorithm, "sha256" | "sha512"))
}

fn parse_digest(text: &str, algorithm: &str, hex: &str) -> Result<Digest> {
    let digits = if algorithm == "sha256" { 64 } else { 128 };
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let whole = hex.len() == digits && hex.bytes().all(lower);
    whole.then(|| Digest::try_from(format!("{algorithm}:{hex}")).ok()).flatten().ok_or_else(|| {
        let why = format!("a digest is @{algorithm}: and {digits} lower-case hex digits");
        invalid(text, &why).hint("a name behind such a path has a \\ before it")
    })
}

fn parse_index(text: &str, index: &str) -> Result<usize> {
    let parsed = index.parse::<usize>().ok().filter(|number| number.to_string() == index);
    parsed.ok_or_else(|| {
        invalid(text, "an index is a decimal number without leading zeros")
            .hint("a name that begins with @ has a \\ before it")
    })
}

fn invalid(text: &str, why: &str) -> Error {
    let message = format!("\"{}\" is no place in a database: {why}", Escaped(text));
    Error::new(ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn canonical_texts() {
        let name = |text: &str| Select::Name(ImageName::new(text).unwrap());
        let digest = format!("db@sha256:{HEX}");
        for (text, path, select, canonical) in [
            ("db", "db", Select::Only, "db"),
            ("db:", "db", Select::Only, "db"),
            ("db:a b:c", "db", name("a b:c"), "db:a b:c"),
            ("db:@7", "db", Select::Index(7), "db:@7"),
            (r"db:\@7", "db", name("@7"), r"db:\@7"),
            (r"db:\\x", "db", name(r"\x"), r"db:\\x"),
            (r"db:\x", "db", name("x"), "db:x"),
            (r"a\:b:x", "a:b", name("x"), r"a\:b:x"),
            (&digest, "db", Select::Digest(Digest::try_from(&digest[3..]).unwrap()), &digest),
            (r"db@sha256:\x", "db@sha256", name("x"), r"db@sha256:\x"),
        ] {
            let locator = Locator::parse(text).unwrap();
            assert_eq!((locator.path.as_str(), &locator.select), (path, &select), "{text}");
            assert_eq!(locator.to_string(), canonical, "{text}");
            assert_eq!(Locator::parse(canonical).unwrap(), locator, "{text}");
        }
    }

    #[test]
    fn refused_with_the_reason() {
        for (text, why) in [
            ("", "the path is empty"),
            (":x", "the path is empty"),
            ("db:@", "decimal number"),
            ("db:@01", "leading zeros"),
            ("db:@99999999999999999999999", "decimal number"),
            ("db@sha256:abc", "64 lower-case hex"),
            ("a\0b", "NUL"),
            ("db:a\tb", "control characters"),
            (r"db:\", "empty"),
        ] {
            let error = Locator::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }
}
