//! [`Locator`]: a path, and an image in the archive there.

use std::fmt;
use std::path::Path;

use transship_core::{Digest, DigestAlgorithm, Error, ErrorKind, Escaped, Result};

use crate::{PathText, cut_path};

const FORMS: &str =
    "PATH:@INDEX chooses by position, PATH:NAME by name, PATH@sha256:DIGEST by digest";

/// What differs between transports in a [`Locator`].
pub trait Grammar {
    /// What a name is.
    type Name: fmt::Display;
    /// What messages say that a text is not: `a place in an archive`.
    const PLACE: &'static str;
    /// What messages call a digest: `an image ID`.
    const DIGEST: &'static str;
    /// The algorithms of digests that choose an image.
    const ALGORITHMS: &'static [DigestAlgorithm];
    /// What to do about an empty path.
    const EMPTY_PATH: Option<&'static str>;

    /// Reads what stands behind the colon of a whole text, where it is no index.
    ///
    /// # Errors
    /// `InvalidInput`.
    fn name(whole: &str, name: &str) -> Result<Self::Name>;

    /// What a colon means behind which nothing stands.
    ///
    /// # Errors
    /// `InvalidInput` where it has no meaning; else no image is chosen.
    fn colon_alone(whole: &str) -> Result<()>;
}

/// A parsed locator: `PATH[:NAME|:@INDEX|@DIGEST]`. Its `Display` is the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locator<G: Grammar> {
    /// The path, without escapes; `-` is standard input or output where the archive is a file. Not empty.
    pub path: String,
    /// Which of the images there.
    pub select: Selector<G::Name>,
}

/// Which image of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector<N> {
    /// Its only one; when writing, an image without a name.
    None,
    /// The one of a name.
    Name(N),
    /// The one at a position, from 0.
    Index(usize),
    /// The one of a digest.
    Digest(Digest),
}

impl<G: Grammar> Locator<G> {
    /// An archive at a path, without a choice among its images.
    ///
    /// # Errors
    /// `InvalidInput` for an empty path or one with a NUL.
    pub fn of_path(path: &str) -> Result<Self> {
        let refused = |why| Error::new(ErrorKind::InvalidInput, why);
        if path.is_empty() {
            let error = refused("the path is empty");
            return Err(G::EMPTY_PATH.into_iter().fold(error, Error::hint));
        }
        if path.contains('\0') {
            return Err(refused("a path cannot hold a NUL"));
        }
        Ok(Self { path: path.to_owned(), select: Selector::None })
    }

    /// Reads a locator, canonical or not.
    ///
    /// # Errors
    /// `InvalidInput` with the reason.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, rest) = cut_path(text);
        let Some(rest) = rest else { return Self::of_path(&path) };
        if rest.is_empty() {
            G::colon_alone(text)?;
            return Self::of_path(&path);
        }
        if let Some((path, digest)) = parse_digest::<G>(text, &path, rest)? {
            return Ok(Self::of_path(path)?.with(Selector::Digest(digest)));
        }
        let select = match rest.strip_prefix('@') {
            Some(index) => Selector::Index(parse_index::<G>(text, index)?),
            None => Selector::Name(G::name(text, rest)?),
        };
        Ok(Self::of_path(&path)?.with(select))
    }

    /// Reads the locator of a place that is about to be opened. A malformed digest is one where no file or folder is called
    /// `PATH@sha256`, in which it would be a name.
    ///
    /// # Errors
    /// `InvalidInput` with the reason.
    pub fn of_place(text: &str) -> Result<Self> {
        let this = Self::parse(text)?;
        let cut =
            before_digest::<G>(&this.path).filter(|_| matches!(this.select, Selector::Name(_)));
        match cut {
            Some((_, algorithm)) if Path::new(&this.path).symlink_metadata().is_err() => {
                Err(malformed::<G>(text, algorithm))
            }
            _ => Ok(this),
        }
    }

    /// The same archive with another choice.
    #[must_use]
    pub fn with(&self, select: Selector<G::Name>) -> Self {
        Self { path: self.path.clone(), select }
    }

    /// The error for a text that is no locator, with the reason.
    pub fn invalid(text: &str, why: &str) -> Error {
        let message = format!("\"{}\" is no {}: {why}", Escaped(text), G::PLACE);
        Error::new(ErrorKind::InvalidInput, message)
    }
}

impl<G: Grammar> fmt::Display for Locator<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", PathText(&self.path))?;
        match &self.select {
            Selector::None => Ok(()),
            Selector::Name(name) => write!(f, ":{name}"),
            Selector::Index(index) => write!(f, ":@{index}"),
            Selector::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// `PATH@sha256:HEX`, cut at its colon. What looks like a digest and is too short is refused rather than taken as a
/// name beside a folder called `PATH@sha256`.
fn parse_digest<'a, G: Grammar>(
    text: &str,
    path: &'a str,
    rest: &str,
) -> Result<Option<(&'a str, Digest)>> {
    let Some((before, algorithm)) = before_digest::<G>(path) else { return Ok(None) };
    if !rest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    if rest.len() != digits(algorithm) || rest.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(malformed::<G>(text, algorithm));
    }
    let digest = Digest::try_from(format!("{algorithm}:{rest}"))
        .map_err(|e| Locator::<G>::invalid(text, "the digest is malformed").caused_by(e))?;
    Ok(Some((before, digest)))
}

/// The path before a digest, and the digest's algorithm, of what stands before the last colon.
fn before_digest<G: Grammar>(path: &str) -> Option<(&str, &'static DigestAlgorithm)> {
    G::ALGORITHMS.iter().find_map(|algorithm| {
        let before = path.strip_suffix(algorithm.as_ref())?.strip_suffix('@')?;
        Some((before, algorithm))
    })
}

fn digits(of: &DigestAlgorithm) -> usize {
    if *of == DigestAlgorithm::Sha512 { 128 } else { 64 }
}

fn malformed<G: Grammar>(text: &str, algorithm: &DigestAlgorithm) -> Error {
    let (what, digits) = (G::DIGEST, digits(algorithm));
    let why = format!(
        "the digest is malformed: {what} is @{algorithm}: and {digits} lower-case hex digits"
    );
    Locator::<G>::invalid(text, &why)
}

fn parse_index<G: Grammar>(text: &str, index: &str) -> Result<usize> {
    let invalid = |why: &str| Locator::<G>::invalid(text, why);
    if index.is_empty() {
        return Err(invalid("no number stands behind the @"));
    }
    if index.starts_with('-') {
        return Err(invalid("an index cannot be negative").hint("the first image is @0"));
    }
    if index.starts_with("sha256:") || index.starts_with("sha512:") {
        let why = format!("{} stands directly behind the path", G::DIGEST);
        return Err(invalid(&why).hint(FORMS));
    }
    if index.contains(':') {
        return Err(invalid("an index and a name cannot stand together"));
    }
    if !index.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid("an index is a number of decimal digits").hint(FORMS));
    }
    if index.len() > 1 && index.starts_with('0') {
        return Err(invalid("an index is written without leading zeros"));
    }
    index.parse().map_err(|e| invalid("the index is too large").caused_by(e))
}
