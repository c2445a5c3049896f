//! [`Locator`]: what stands behind `oci:` and `oci-archive:`.
//!
//! The grammar is in the [crate's documentation](crate).

use std::fmt;

use transship_core::{
    Digest, DigestAlgorithm, DockerName, Error, ErrorKind, Escaped, ImageName, Result,
};
use transship_local::{PathText, cut_path};

/// A parsed locator: `PATH[:NAME|:@INDEX|@DIGEST]`. Its `Display` is the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Locator {
    /// The path, without escapes; for `oci-archive:`, `-` is standard input or output. Not empty.
    pub path: String,
    /// Which of the images there.
    pub select: Selector,
}

/// Which image of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// Its only one; when writing, an image without a name.
    None,
    /// The one of a name.
    Name(ImageName),
    /// The one of an entry's position in `index.json`, from 0.
    Index(usize),
    /// The manifest or index of a digest, anywhere below `index.json`.
    Digest(Digest),
}

impl Locator {
    /// A layout at a path, without a choice among its images.
    ///
    /// # Errors
    /// `InvalidReference` for an empty path or one with a NUL.
    pub fn of_path(path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::new(ErrorKind::InvalidReference, "the path is empty")
                .hint("this folder is written . (a dot)"));
        }
        if path.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidReference, "a path cannot hold a NUL"));
        }
        Ok(Self { path: path.to_owned(), select: Selector::None })
    }

    /// Reads a locator, canonical or not.
    ///
    /// # Errors
    /// `InvalidReference` with the reason.
    pub fn parse(text: &str) -> Result<Self> {
        let (path, rest) = cut_path(text);
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else { return Self::of_path(&path) };
        if let Some((path, digest)) = parse_digest(text, &path, rest)? {
            return Ok(Self::of_path(path)?.with(Selector::Digest(digest)));
        }
        let select = match rest.strip_prefix('@') {
            Some(index) => Selector::Index(parse_index(text, index)?),
            None => Selector::Name(parse_name(rest).map_err(|e| {
                e.context(format!("\"{}\" is no place in a layout", Escaped(text)))
            })?),
        };
        Ok(Self::of_path(&path)?.with(select))
    }

    /// The same layout with another choice.
    #[must_use]
    pub fn with(&self, select: Selector) -> Self {
        Self { path: self.path.clone(), select }
    }

    /// Whether it is standard input or output, for `oci-archive:`.
    pub fn is_standard_stream(&self) -> bool {
        self.path == "-"
    }
}

impl fmt::Display for Locator {
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

/// Checks a name: the grammar of
/// [`ref.name`](https://github.com/opencontainers/image-spec/blob/main/annotations.md#rules), or a docker name, which the
/// containerd annotation holds.
///
/// # Errors
/// `InvalidReference` for others.
pub(crate) fn parse_name(text: &str) -> Result<ImageName> {
    let name = ImageName::new(text)?;
    if is_oci_name(text) {
        return Ok(name);
    }
    match DockerName::parse(text) {
        Ok(_) => Ok(name),
        Err(docker) => {
            let message = format!("\"{}\" is no name that a layout can hold", Escaped(text));
            let error = Error::new(ErrorKind::InvalidReference, message);
            Err(if text.starts_with('\\') {
                error.hint(r"a colon in the path is written \:")
            } else {
                error
                    .hint("names are letters and digits, joined by one of / - . _ : @ + or by --")
                    .caused_by(docker)
            })
        }
    }
}

/// Whether the grammar of `org.opencontainers.image.ref.name` holds a name:
/// `component("/"component)*`, where a component is alphanumerics joined by one of `- . _ : @ +` or by `--`.
pub(crate) fn is_oci_name(text: &str) -> bool {
    text.split('/').all(|component| {
        let bytes = component.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
            && bytes
                .split(u8::is_ascii_alphanumeric)
                .all(|run| matches!(run, b"" | b"-" | b"." | b"_" | b":" | b"@" | b"+" | b"--"))
    })
}

/// `PATH@sha256:HEX`, cut at its colon. What looks like a digest and is too short is refused rather than taken as a
/// name beside a folder called `PATH@sha256`.
fn parse_digest<'a>(text: &str, path: &'a str, rest: &str) -> Result<Option<(&'a str, Digest)>> {
    let Some((before, algorithm, digits)) =
        [(DigestAlgorithm::Sha256, 64), (DigestAlgorithm::Sha512, 128)].into_iter().find_map(
            |(algorithm, digits)| {
                let before = path.strip_suffix(algorithm.as_ref())?.strip_suffix('@')?;
                Some((before, algorithm, digits))
            },
        )
    else {
        return Ok(None);
    };
    if !rest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let lower = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    if rest.len() != digits || !rest.bytes().all(lower) {
        let why = format!("a digest is @{algorithm}: and {digits} lower-case hex digits");
        return Err(invalid(text, &why));
    }
    let digest = Digest::try_from(format!("{algorithm}:{rest}"))
        .map_err(|e| invalid(text, "the digest is malformed").caused_by(e))?;
    Ok(Some((before, digest)))
}

fn parse_index(text: &str, index: &str) -> Result<usize> {
    let forms = "PATH:@INDEX chooses by position, PATH:NAME by name, PATH@sha256:DIGEST by digest";
    if index.is_empty() {
        return Err(invalid(text, "no number stands behind the @"));
    }
    if index.starts_with('-') {
        return Err(invalid(text, "an index cannot be negative").hint("the first image is @0"));
    }
    if index.starts_with("sha256:") || index.starts_with("sha512:") {
        return Err(invalid(text, "a digest stands directly behind the path").hint(forms));
    }
    if index.contains(':') {
        return Err(invalid(text, "an index and a name cannot stand together"));
    }
    if !index.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid(text, "an index is a number of decimal digits").hint(forms));
    }
    if index.len() > 1 && index.starts_with('0') {
        return Err(invalid(text, "an index is written without leading zeros"));
    }
    index.parse().map_err(|e| invalid(text, "the index is too large").caused_by(e))
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidReference,
        format!("\"{}\" is no place in a layout: {why}", Escaped(text)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn name(text: &str) -> Selector {
        Selector::Name(ImageName::new(text).unwrap())
    }

    #[test]
    fn canonical_texts() {
        let digest = format!("d@sha256:{HEX}");
        let sha512 = format!("d@sha512:{HEX}{HEX}");
        let pinned = format!("d:x@sha256:{HEX}");
        let parsed = |text: &str| Selector::Digest(Digest::try_from(text).unwrap());
        for (text, path, select, canonical) in [
            ("d", "d", Selector::None, "d"),
            ("d:", "d", Selector::None, "d"),
            ("/a/b:v1", "/a/b", name("v1"), "/a/b:v1"),
            ("d:notlatest:image", "d", name("notlatest:image"), "d:notlatest:image"),
            ("d:a/b-c.d_e:f@g+h--i", "d", name("a/b-c.d_e:f@g+h--i"), "d:a/b-c.d_e:f@g+h--i"),
            ("d:localhost/a__b:1", "d", name("localhost/a__b:1"), "d:localhost/a__b:1"),
            ("d:[::1]:5000/x:1", "d", name("[::1]:5000/x:1"), "d:[::1]:5000/x:1"),
            ("d:@0", "d", Selector::Index(0), "d:@0"),
            (&digest, "d", parsed(&digest[2..]), &digest),
            (&sha512, "d", parsed(&sha512[2..]), &sha512),
            (&pinned, "d", name(&pinned[2..]), &pinned),
            ("d@sha256:name", "d@sha256", name("name"), "d@sha256:name"),
            (r"a\:b:x", "a:b", name("x"), r"a\:b:x"),
            (r"a\\:x", r"a\", name("x"), r"a\\:x"),
            (r"a\b", r"a\b", Selector::None, r"a\b"),
            (r"C:\d:x", r"C:\d", name("x"), r"C:\d:x"),
            ("C:/d", "C:/d", Selector::None, "C:/d"),
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
            (":", "the path is empty"),
            (":x", "the path is empty"),
            (&format!("@sha256:{HEX}"), "the path is empty"),
            ("d@sha256:abc", "64 lower-case hex"),
            (&format!("d@sha256:{}", HEX.to_uppercase()), "64 lower-case hex"),
            (&format!("d@sha512:{HEX}"), "128 lower-case hex"),
            (&format!("d:@sha256:{HEX}"), "directly behind the path"),
            ("d:@", "no number"),
            ("d:@-1", "negative"),
            ("d:@+1", "decimal digits"),
            ("d:@01", "leading zeros"),
            ("d:@1:x", "cannot stand together"),
            ("d:@99999999999999999999999", "too large"),
            ("d:invalid'image!value@", "no name that a layout can hold"),
            ("d:x--", "no name that a layout can hold"),
            ("d:a---b/.", "no name that a layout can hold"),
            (r"d:\:x", "a colon in the path"),
            ("d:a\tb", "control characters"),
            ("a\0b", "NUL"),
        ] {
            let error = Locator::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidReference, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
    }

    fn selectors() -> impl Strategy<Value = Selector> {
        prop_oneof![
            Just(Selector::None),
            any::<usize>().prop_map(Selector::Index),
            any::<Vec<u8>>().prop_map(|bytes| Selector::Digest(transship_core::sha256(&bytes))),
            "[a-zA-Z0-9]{1,5}([-._:@+/][a-zA-Z0-9]{1,5}){0,3}z"
                .prop_map(|text| Selector::Name(parse_name(&text).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn every_locator_survives_its_text(
            path in "([A-Za-z]:[/\\\\])?[-@:/\\\\a-c.]{1,9}(@sha256)?",
            select in selectors(),
        ) {
            let locator = Locator { path, select };
            prop_assert_eq!(Locator::parse(&locator.to_string()).unwrap(), locator);
        }

        #[test]
        fn whatever_is_taken_is_canonical_after_one_round(text in "[@:/\\\\sha256x.C0-9-]{0,20}|.{0,30}") {
            if let Ok(locator) = Locator::parse(&text) {
                prop_assert_eq!(Locator::parse(&locator.to_string()).unwrap(), locator);
            }
        }
    }
}
