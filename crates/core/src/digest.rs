//! Hashing. The one place that names `sha2`.

use std::fmt::Write;

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha512};

use crate::{Error, ErrorKind, Result};

/// The digest of `{}`, the content of the
/// [empty descriptor](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor).
pub const EMPTY_JSON_DIGEST: &str =
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// Computes a digest from bytes as they pass: sha256 or sha512.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A hasher for an algorithm.
    ///
    /// # Errors
    /// `Unsupported` for all but sha256 and sha512, the ones that the
    /// [image spec](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#registered-algorithms) registers
    /// and that are used.
    pub fn new(algorithm: &DigestAlgorithm) -> Result<Self> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Self::sha256()),
            DigestAlgorithm::Sha512 => Ok(Self(State::Sha512(Box::default()))),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("digests of algorithm {other} cannot be checked"),
            )
            .hint("sha256 and sha512 can")),
        }
    }

    /// A sha256 hasher.
    pub fn sha256() -> Self {
        Self(State::Sha256(Sha256::new()))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes taken.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hasher) => to_digest("sha256", &hasher.finalize()),
            State::Sha512(hasher) => to_digest("sha512", &hasher.finalize()),
        }
    }
}

/// The sha256 digest of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

/// Parses the text of a digest, `algorithm:encoded`.
///
/// # Errors
/// `Corrupt`: what comes from a person is a part of a reference, whose parser says more.
pub fn parse_digest(text: &str) -> Result<Digest> {
    Digest::try_from(text).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{text:?} is not a digest")).caused_by(error)
    })
}

#[expect(clippy::expect_used, reason = "hex of the right length is always a digest")]
fn to_digest(algorithm: &str, hash: &[u8]) -> Digest {
    let mut text = String::with_capacity(algorithm.len() + 1 + 2 * hash.len());
    text.push_str(algorithm);
    text.push(':');
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Digest::try_from(text).expect("hex of a hash is a digest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        assert_eq!(sha256(b"{}").as_ref(), EMPTY_JSON_DIGEST);
        let mut hasher = Hasher::new(&DigestAlgorithm::Sha512).unwrap();
        hasher.update(b"abc");
        assert!(hasher.finish().as_ref().starts_with("sha512:ddaf35a193617aba"));
        assert_eq!(
            Hasher::new(&DigestAlgorithm::from("blake3")).unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }
}
