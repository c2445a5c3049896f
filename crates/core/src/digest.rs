//! [`Digest`]: the checked text of a digest.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Error, ErrorKind, Escaped, Result};

/// The digest of `{}`, the content of the
/// [empty descriptor](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor).
pub const EMPTY_JSON_DIGEST: &str =
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// A [digest](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests), `algorithm:encoded`. It is checked
/// once, when it is parsed, and never changed: two are equal exactly if their texts are.
///
/// The hash of sha256, sha384, sha512 and blake3 is lower-case hex of the right length. Of other algorithms it is any text of the
/// grammar.
///
/// Both parts are safe in paths: neither is empty, has a slash or backslash, or is `.` or `..`.
///
/// ```
/// use transship_core::{Digest, DigestAlgorithm, EMPTY_JSON_DIGEST};
///
/// let digest: Digest = EMPTY_JSON_DIGEST.parse()?;
/// assert_eq!(digest.algorithm(), &DigestAlgorithm::Sha256);
/// assert!(digest.encoded().starts_with("44136fa355b3"));
/// assert!("sha256:44136fa3".parse::<Digest>().is_err());
/// # Ok::<(), transship_core::DigestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest {
    algorithm: DigestAlgorithm,
    text: Box<str>,
}

/// What a digest is computed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// `sha256`, the usual one.
    Sha256,
    /// `sha384`.
    Sha384,
    /// `sha512`.
    Sha512,
    /// The name of another one. It comes from a [`Digest`] alone, so that it is none of the names above.
    #[non_exhaustive]
    Other(Box<str>),
}

/// Why a text is no digest.
#[derive(Debug)]
pub struct DigestError {
    text: String,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    NoColon,
    Algorithm,
    Encoded,
    NotHex(usize),
}

/// How many characters of the text an error shows, at most: more than a digest of sha512 has.
const SHOWN: usize = 160;

impl Digest {
    /// The part before the colon.
    pub fn algorithm(&self) -> &DigestAlgorithm {
        &self.algorithm
    }

    /// The part behind the colon: the hash, in most algorithms as hex.
    pub fn encoded(&self) -> &str {
        // The text is the algorithm, a colon and this, so the index is in it.
        &self.text[self.algorithm.as_ref().len() + 1..]
    }

    /// The digest of a hash that the algorithm gave.
    pub(crate) fn of_hash(algorithm: DigestAlgorithm, hash: &[u8]) -> Self {
        let mut text = format!("{algorithm}:");
        for byte in hash {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self { algorithm, text: text.into() }
    }
}

/// Parses the text of a digest, `algorithm:encoded`.
///
/// # Errors
/// `Corrupt`: what comes from a person is a part of a reference, whose parser says more.
pub fn parse_digest(text: &str) -> Result<Digest> {
    Digest::try_from(text).map_err(|error| Error::new(ErrorKind::Corrupt, error.to_string()))
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> std::result::Result<Self, DigestError> {
        match algorithm_of(&text) {
            Ok(algorithm) => Ok(Self { algorithm, text: text.into() }),
            Err(fault) => Err(DigestError { text, fault }),
        }
    }
}

impl TryFrom<&str> for Digest {
    type Error = DigestError;

    fn try_from(text: &str) -> std::result::Result<Self, DigestError> {
        Self::try_from(text.to_owned())
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> std::result::Result<Self, DigestError> {
        Self::try_from(text)
    }
}

impl AsRef<str> for Digest {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl DigestAlgorithm {
    fn named(name: &str) -> Self {
        match name {
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            other => Self::Other(other.into()),
        }
    }

    /// How many hex digits a hash has, for the algorithms that the image spec registers and for sha384, which its tools use as well.
    fn hex_digits(&self) -> Option<usize> {
        match self {
            Self::Sha256 => Some(64),
            Self::Sha384 => Some(96),
            Self::Sha512 => Some(128),
            Self::Other(name) => (&**name == "blake3").then_some(64),
        }
    }
}

impl AsRef<str> for DigestAlgorithm {
    fn as_ref(&self) -> &str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_ref())
    }
}

impl fmt::Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.text.chars().take(SHOWN).collect();
        let more = if start.len() < self.text.len() { ".." } else { "" };
        write!(f, "\"{}{more}\" is not a digest: ", Escaped(&start))?;
        match &self.fault {
            Fault::NoColon => f.write_str("it has no colon"),
            Fault::Algorithm => f.write_str(
                "its algorithm is not of lower-case letters and digits, joined by one of + . _ -",
            ),
            Fault::Encoded => f.write_str("behind its colon belong letters, digits, =, _ and -"),
            Fault::NotHex(digits) => {
                write!(f, "behind its colon belong {digits} lower-case hex digits")
            }
        }
    }
}

impl std::error::Error for DigestError {}

/// Checks a whole text, and says its algorithm.
fn algorithm_of(text: &str) -> std::result::Result<DigestAlgorithm, Fault> {
    let (name, encoded) = text.split_once(':').ok_or(Fault::NoColon)?;
    if !name.split(['+', '.', '_', '-']).all(is_component) {
        return Err(Fault::Algorithm);
    }
    let algorithm = DigestAlgorithm::named(name);
    match algorithm.hex_digits() {
        Some(digits) if encoded.len() != digits || !encoded.bytes().all(is_hex) => {
            Err(Fault::NotHex(digits))
        }
        None if encoded.is_empty() || !encoded.bytes().all(is_encoded) => Err(Fault::Encoded),
        _ => Ok(algorithm),
    }
}

fn is_component(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_encoded(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-')
}

pub(crate) fn is_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use super::*;

    fn of(algorithm: &str, digit: &str, digits: usize) -> String {
        format!("{algorithm}:{}", digit.repeat(digits))
    }

    #[test]
    fn what_is_a_digest() {
        let other = |name: &str| DigestAlgorithm::Other(name.into());
        for (text, algorithm) in [
            (of("sha256", "0", 64), DigestAlgorithm::Sha256),
            (of("sha384", "9", 96), DigestAlgorithm::Sha384),
            (of("sha512", "f", 128), DigestAlgorithm::Sha512),
            (of("blake3", "a", 64), other("blake3")),
            // Of others nothing is known but the grammar.
            ("sha1:ABC".to_owned(), other("sha1")),
            ("sha256+b64:x".to_owned(), other("sha256+b64")),
            ("0:-".to_owned(), other("0")),
            ("a+b.c_d-e:=_-Az09".to_owned(), other("a+b.c_d-e")),
            (of("x", "y", 1000), other("x")),
        ] {
            let digest = Digest::try_from(&*text).unwrap();
            assert_eq!(digest.algorithm(), &algorithm, "{text}");
            let parts = (digest.algorithm().to_string(), digest.encoded());
            assert_eq!(format!("{}:{}", parts.0, parts.1), text);
            assert_eq!((digest.to_string(), digest.as_ref()), (text.clone(), &*text));
            assert_eq!(text.parse::<Digest>().unwrap(), digest);
        }
    }

    #[test]
    fn what_is_no_digest_and_why() {
        let no_colon = "it has no colon";
        let algorithm = "its algorithm";
        let encoded = "belong letters";
        let (hex64, hex96, hex128) = ("belong 64 lower", "belong 96 lower", "belong 128 lower");
        for (text, why) in [
            (String::new(), no_colon),
            ("sha256".to_owned(), no_colon),
            ("0".repeat(64), no_colon),
            (":".to_owned(), algorithm),
            (of("", "0", 64), algorithm),
            (of("SHA256", "0", 64), algorithm),
            (of(" sha256", "0", 64), algorithm),
            (of("sha256 ", "0", 64), algorithm),
            ("+a:0".to_owned(), algorithm),
            ("a+:0".to_owned(), algorithm),
            ("a..b:0".to_owned(), algorithm),
            ("a+-b:0".to_owned(), algorithm),
            ("..:0".to_owned(), algorithm),
            ("a/b:0".to_owned(), algorithm),
            ("a\\b:0".to_owned(), algorithm),
            ("ä:0".to_owned(), algorithm),
            ("a:".to_owned(), encoded),
            ("a:b:c".to_owned(), encoded),
            ("a:..".to_owned(), encoded),
            ("a:../b".to_owned(), encoded),
            ("a:b/c".to_owned(), encoded),
            ("a:b\\c".to_owned(), encoded),
            ("a:b+c".to_owned(), encoded),
            ("a:b\0".to_owned(), encoded),
            ("a:b\n".to_owned(), encoded),
            ("a:ä".to_owned(), encoded),
            ("sha256:".to_owned(), hex64),
            (of("sha256", "0", 63), hex64),
            (of("sha256", "0", 65), hex64),
            (of("sha256", "A", 64), hex64),
            (of("sha256", "g", 64), hex64),
            (of("sha256", "=", 64), hex64),
            (of("sha384", "0", 64), hex96),
            (of("sha384", "A", 96), hex96),
            (of("sha512", "0", 64), hex128),
            (of("sha512", "A", 128), hex128),
            (of("blake3", "0", 32), hex64),
            (of("blake3", "A", 64), hex64),
        ] {
            let error = Digest::try_from(&*text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains(char::is_control), "{error}");
            assert_eq!(parse_digest(&text).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn an_error_shows_the_text_or_its_start() {
        let shown = |text: &str| Digest::try_from(text).unwrap_err().to_string();
        assert_eq!(shown("a\u{1b}b"), "\"a\\u{1b}b\" is not a digest: it has no colon");
        assert!(shown(&"ä".repeat(1 << 20)).starts_with(&format!("\"{}..\" is", "ä".repeat(160))));
    }

    #[test]
    fn each_part_is_one_step_of_a_path() {
        let long = of("x", "y", 100);
        for text in [EMPTY_JSON_DIGEST, "a.b:-", "0:=", "a-b+c_d:__", &long] {
            let digest = Digest::try_from(text).unwrap();
            for part in [digest.algorithm().as_ref(), digest.encoded()] {
                let steps: Vec<_> = Path::new(part).components().collect();
                assert_eq!(steps, [Component::Normal(part.as_ref())], "{text}");
            }
        }
    }

    #[test]
    fn json_is_the_text() {
        let digest = Digest::try_from(EMPTY_JSON_DIGEST).unwrap();
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{EMPTY_JSON_DIGEST}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        // An escape in JSON is the character that it stands for.
        let escaped = json.replacen("sha", "\\u0073ha", 1);
        assert_eq!(serde_json::from_str::<Digest>(&escaped).unwrap(), digest);
        for (json, why) in
            [("\"sha256:0\"", "belong 64 lower-case"), ("7", "a string"), ("null", "a string")]
        {
            let error = serde_json::from_str::<Digest>(json).unwrap_err().to_string();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn a_hash_is_written_as_hex() {
        let digest = Digest::of_hash(DigestAlgorithm::Sha256, &[0x0a; 32]);
        assert_eq!(digest.as_ref(), of("sha256", "0a", 32));
        assert_eq!(Digest::try_from(digest.as_ref()).unwrap(), digest);
    }
}
