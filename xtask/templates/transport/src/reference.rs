//! [`Locator`]: what stands behind `scaffold:`. The grammar is in the [crate's documentation](crate).

use std::fmt;

use transship_core::{Digest, Error, ErrorKind, Escaped, ImageName, Reference, Result};

use crate::transport::SCHEME;

/// A parsed locator. Its `Display` is the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locator {
    // Decide: what a place is. For a path, `transship_local` has `cut_path` and `PathText`, as the others write it.
    pub(crate) place: String,
    pub(crate) select: Select,
}

/// Which image of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Select {
    /// Its only one; when writing, an image without a name.
    Only,
    Name(ImageName),
    Index(usize),
    Digest(Digest),
}

impl Locator {
    /// Without looking at anything but the text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (place, rest) = text.split_once(':').unwrap_or((text, ""));
        if let Some((before, algorithm)) = cut_algorithm(place)
            && !rest.is_empty()
            && !rest.starts_with('\\')
        {
            let digest = parse_digest(text, algorithm, rest)?;
            return Self::new(text, before, Select::Digest(digest));
        }
        let select = match (rest, rest.strip_prefix('@')) {
            ("", _) => Select::Only,
            (_, Some(index)) => Select::Index(parse_index(text, index)?),
            _ => Select::Name(ImageName::new(rest.strip_prefix('\\').unwrap_or(rest))?),
        };
        Self::new(text, place, select)
    }

    /// The locator of a reference, which may be one of another transport.
    pub(crate) fn of(at: &Reference) -> Result<Self> {
        if at.scheme() == SCHEME {
            return Self::parse(at.locator());
        }
        let message = format!("{at} is no reference of {SCHEME}");
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// The same place with another choice.
    pub(crate) fn with(&self, select: Select) -> Self {
        Self { place: self.place.clone(), select }
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::new(SCHEME, self.to_string())
    }

    fn new(text: &str, place: &str, select: Select) -> Result<Self> {
        if place.is_empty() || place.chars().any(char::is_control) {
            return Err(invalid(text, "the place is empty or has control characters"));
        }
        Ok(Self { place: place.to_owned(), select })
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match &self.select {
            Select::Only => f.write_str(place),
            Select::Name(name) => {
                let special = name.as_str().starts_with(['@', '\\']);
                let escape = special || cut_algorithm(place).is_some();
                write!(f, "{place}:{}{name}", if escape { "\\" } else { "" })
            }
            Select::Index(index) => write!(f, "{place}:@{index}"),
            Select::Digest(digest) => write!(f, "{place}@{digest}"),
        }
    }
}

/// Cuts `PLACE@sha256`, which is what stands before the first colon of `PLACE@sha256:HEX`.
fn cut_algorithm(place: &str) -> Option<(&str, &str)> {
    place.rsplit_once('@').filter(|(_, algorithm)| matches!(*algorithm, "sha256" | "sha512"))
}

fn parse_digest(text: &str, algorithm: &str, hex: &str) -> Result<Digest> {
    let digits = if algorithm == "sha256" { 64 } else { 128 };
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let whole = hex.len() == digits && hex.bytes().all(lower);
    whole.then(|| Digest::try_from(format!("{algorithm}:{hex}")).ok()).flatten().ok_or_else(|| {
        let why = format!("a digest is @{algorithm}: and {digits} lower-case hex digits");
        invalid(text, &why).hint("a name behind such a place has a \\ before it")
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
    let message = format!("\"{}\" is no place for images: {why}", Escaped(text));
    Error::new(ErrorKind::InvalidInput, message)
}
