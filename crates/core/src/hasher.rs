//! [`Hasher`]. The one place that names `sha2`.

use sha2::{Digest as _, Sha256, Sha512};

use crate::{Digest, DigestAlgorithm, Error, ErrorKind, Result};

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
            State::Sha256(hasher) => Digest::of_hash(DigestAlgorithm::Sha256, &hasher.finalize()),
            State::Sha512(hasher) => Digest::of_hash(DigestAlgorithm::Sha512, &hasher.finalize()),
        }
    }
}

/// The sha256 digest of bytes in memory.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EMPTY_JSON_DIGEST;

    #[test]
    fn known_digests() {
        assert_eq!(sha256(b"{}").as_ref(), EMPTY_JSON_DIGEST);
        let mut hasher = Hasher::new(&DigestAlgorithm::Sha512).unwrap();
        hasher.update(b"abc");
        assert!(hasher.finish().as_ref().starts_with("sha512:ddaf35a193617aba"));
        for other in [DigestAlgorithm::Sha384, DigestAlgorithm::Other("blake3".into())] {
            assert_eq!(Hasher::new(&other).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }
}
