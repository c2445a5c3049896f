//! [`Locator`]: what stands behind `docker-archive:`.
//!
//! The grammar is in the [crate's documentation](crate).

use std::fmt;

use transship_core::{Digest, DockerName, Error, ErrorKind, Escaped, Reference, Result};
use transship_local::{PathText, cut_path};

use crate::SCHEME;

/// A parsed locator: `PATH[:NAME|:@INDEX|@DIGEST]`. Its `Display` is the canonical text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Locator {
    /// The archive's path, without escapes; `-` is standard input or output. Not empty.
    pub path: String,
    /// Which of its images.
    pub select: Selector,
}

/// Which image of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// Its only one; when writing, an image without a name.
    None,
    /// The one of a name, which has a tag and no digest.
    Name(DockerName),
    /// The one at a position in `manifest.json`, from 0.
    Index(usize),
    /// The one of an image ID: the sha256 digest of its config.
    Id(Digest),
}

impl Locator {
    /// An archive at a path, without a choice among its images.
    ///
    /// # Errors
    /// `InvalidReference` for an empty path or one with a NUL.
    pub fn of_path(path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::new(ErrorKind::InvalidReference, "the path is empty"));
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
        let Some(rest) = rest else { return Self::of_path(&path) };
        if rest.is_empty() {
            return Err(invalid(text, "nothing stands behind the colon")
                .hint("leave the colon out, or name an image: PATH:NAME, PATH:@INDEX"));
        }
        if let Some(path) = path.strip_suffix("@sha256")
            && rest.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Ok(Self::of_path(path)?.with(Selector::Id(parse_id(text, rest)?)));
        }
        let select = match rest.strip_prefix('@') {
            Some(index) => Selector::Index(parse_index(text, index)?),
            None => Selector::Name(parse_name(text, rest)?),
        };
        Ok(Self::of_path(&path)?.with(select))
    }

    /// The same archive with another choice.
    #[must_use]
    pub fn with(&self, select: Selector) -> Self {
        Self { path: self.path.clone(), select }
    }

    /// As a reference.
    pub fn to_reference(&self) -> Reference {
        Reference::new(SCHEME, self.to_string())
    }

    /// Whether it is standard input or output.
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
            Selector::Id(id) => write!(f, "@{id}"),
        }
    }
}

/// Parses a name as archives hold it: with a tag, `latest` where none is given, and no digest.
pub(crate) fn archive_name(text: &str) -> Result<DockerName> {
    let name = DockerName::parse(text)?.or_latest();
    if name.digest().is_some() {
        return Err(Error::new(
            ErrorKind::InvalidReference,
            format!(
                "\"{}\" has a digest, and an archive keeps names with tags only",
                Escaped(text)
            ),
        ));
    }
    Ok(name)
}

fn parse_id(text: &str, hex: &str) -> Result<Digest> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if hex.len() != 64 || !hex.bytes().all(is_hex) {
        return Err(invalid(text, "an image ID is @sha256: and 64 lower-case hex digits"));
    }
    Digest::try_from(format!("sha256:{hex}"))
        .map_err(|e| invalid(text, "the image ID is malformed").caused_by(e))
}

fn parse_index(text: &str, index: &str) -> Result<usize> {
    let forms = "PATH:@INDEX chooses by position, PATH:NAME by name, PATH@sha256:ID by image ID";
    if index.is_empty() {
        return Err(invalid(text, "no number stands behind the @"));
    }
    if index.starts_with('-') {
        return Err(invalid(text, "an index cannot be negative").hint("the first image is @0"));
    }
    if index.starts_with("sha256:") {
        return Err(invalid(text, "an image ID stands directly behind the path").hint(forms));
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

fn parse_name(text: &str, name: &str) -> Result<DockerName> {
    if let Some((_, behind)) = name.split_once('@') {
        if behind.contains(':') {
            return Err(invalid(text, "a name in an archive has no digest")
                .hint("PATH@sha256:ID chooses by image ID"));
        }
        return Err(invalid(text, "a name and an index cannot stand together")
            .hint("the forms are PATH:NAME and PATH:@INDEX"));
    }
    archive_name(name).map_err(|error| {
        let error = error.context(format!("\"{}\" is no place in an archive", Escaped(text)));
        if name.contains('\\') || name.starts_with('/') {
            return error.hint(r"a colon in the path is written \:");
        }
        error
    })
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidReference,
        format!("\"{}\" is no place in an archive: {why}", Escaped(text)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn name(text: &str) -> Selector {
        Selector::Name(DockerName::parse(text).unwrap())
    }

    #[test]
    fn canonical_texts() {
        let id = format!("a.tar@sha256:{HEX}");
        for (text, path, select, canonical) in [
            ("a.tar", "a.tar", Selector::None, "a.tar"),
            ("-", "-", Selector::None, "-"),
            ("a.tar:x", "a.tar", name("x:latest"), "a.tar:docker.io/library/x:latest"),
            ("a:h.x:5/y:1", "a", name("h.x:5/y:1"), "a:h.x:5/y:1"),
            ("a.tar:@0", "a.tar", Selector::Index(0), "a.tar:@0"),
            ("a.tar:@10", "a.tar", Selector::Index(10), "a.tar:@10"),
            (&id, "a.tar", Selector::Id(transship_core::sha256(b"{}")), &id),
            (r"a\:b:@1", "a:b", Selector::Index(1), r"a\:b:@1"),
            (r"a\\:@1", r"a\", Selector::Index(1), r"a\\:@1"),
            (r"a\", r"a\", Selector::None, r"a\\"),
            (r"a\b", r"a\b", Selector::None, r"a\b"),
            (r"C:\d\a.tar:@1", r"C:\d\a.tar", Selector::Index(1), r"C:\d\a.tar:@1"),
            ("C:/a:y", "C:/a", name("y:latest"), "C:/a:docker.io/library/y:latest"),
            ("a@sha256", "a@sha256", Selector::None, "a@sha256"),
            ("a@sha256:@2", "a@sha256", Selector::Index(2), "a@sha256:@2"),
            ("a@sha256:q/x:1", "a@sha256", name("q/x:1"), "a@sha256:docker.io/q/x:1"),
            ("a@sha256:x", "a@sha256", name("x:latest"), "a@sha256:docker.io/library/x:latest"),
        ] {
            let locator = Locator::parse(text).unwrap();
            assert_eq!((locator.path.as_str(), &locator.select), (path, &select), "{text}");
            assert_eq!(locator.to_string(), canonical, "{text}");
            assert_eq!(Locator::parse(canonical).unwrap(), locator, "{text}");
        }
    }

    #[test]
    fn refused_with_the_reason() {
        let digest = format!("a:x@sha256:{HEX}");
        let id = format!("a:{HEX}");
        for (text, why) in [
            ("", "the path is empty"),
            ("a:", "nothing stands behind"),
            (":x", "the path is empty"),
            (":@0", "the path is empty"),
            (&digest, "no digest"),
            (&id, "image ID, not a name"),
            ("a:@", "no number"),
            ("a:@-1", "negative"),
            ("a:@+0", "decimal digits"),
            ("a:@00", "leading zeros"),
            ("a:@01", "leading zeros"),
            ("a:@99999999999999999999999", "too large"),
            ("a:@1:x", "cannot stand together"),
            ("a:x@1", "cannot stand together"),
            ("a:x:@1", "cannot stand together"),
            ("a@sha256:abc", "64 lower-case hex"),
            ("a@sha256:", "nothing stands behind"),
            (&format!("a@sha256:{}", HEX.to_uppercase()), "64 lower-case hex"),
            (&format!("@sha256:{HEX}"), "the path is empty"),
            (&format!("a:@sha256:{HEX}"), "directly behind the path"),
            ("a:Upper", "lower case"),
            (r"a:\:x", "a colon in the path"),
            (r"C:\:x", "a colon in the path"),
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
            any::<Vec<u8>>().prop_map(|bytes| Selector::Id(transship_core::sha256(&bytes))),
            "([a-z]{1,3}\\.[a-z]{1,3}(:[0-9]{1,5})?/)?[a-z0-9]{1,5}(/[a-z]{1,3})?(:[A-Za-z0-9_]{1,9})?"
                .prop_map(|text| Selector::Name(archive_name(&text).unwrap())),
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
