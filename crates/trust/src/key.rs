//! [`PublicKey`]: keys that signatures are checked with.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey, agree_ephemeral};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use transship_core::{Error, ErrorKind, Result, ResultExt, small_file};

/// A public key: ECDSA on P-256 or P-384, RSA of 2048 bits and more, or Ed25519. SHA-256 is the hash of all but the last.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// As ring takes it.
    key: Vec<u8>,
    /// The whole `SubjectPublicKeyInfo`.
    der: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    P256,
    P384,
    Rsa,
    Ed25519,
}

impl PublicKey {
    /// Reads a key as `openssl pkey -pubout` and `cosign` write it: PEM with `PUBLIC KEY`.
    ///
    /// # Errors
    /// `InvalidInput` for what is no such key; it says what is there instead.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let (label, der) = decode_pem(pem)?;
        match label.as_str() {
            "PUBLIC KEY" => Self::from_der(der),
            label if label.contains("PRIVATE KEY") => {
                Err(invalid(format!("it is a private key ({label}), and a public key is needed"))
                    .hint("`openssl pkey -in KEY -pubout` makes the public one"))
            }
            "CERTIFICATE" => {
                Err(invalid("it is a certificate, and a public key is needed".to_owned())
                    .hint("`openssl x509 -in FILE -noout -pubkey` takes the key out of it"))
            }
            label => Err(invalid(format!("it is {label}, and PUBLIC KEY is needed"))),
        }
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), and `InvalidInput` where there is no file.
    pub fn read(path: &Path) -> Result<Self> {
        let pem = small_file(path, "reading").map_err(Error::of_option)?;
        Self::from_pem(&pem).context(|| format!("the key {}", path.display()))
    }

    pub(crate) fn from_der(der: Vec<u8>) -> Result<Self> {
        let (algorithm, key) = read_spki(&der).ok_or_else(|| {
            invalid("it is no key of ECDSA P-256 or P-384, RSA or Ed25519".into())
        })?;
        check_usable(algorithm, key)?;
        let key = key.to_vec();
        Ok(Self { algorithm, key, der })
    }

    /// Whether it signed those bytes.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::P384 => &ECDSA_P384_SHA256_ASN1,
            Algorithm::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature).is_ok()
    }

    /// Whether it is an ECDSA key.
    pub(crate) fn is_ecdsa(&self) -> bool {
        matches!(self.algorithm, Algorithm::P256 | Algorithm::P384)
    }

    /// Its `SubjectPublicKeyInfo`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.algorithm)
    }
}

/// The label and the content of the first block of PEM. Nothing but space may follow it.
pub(crate) fn decode_pem(pem: &[u8]) -> Result<(String, Vec<u8>)> {
    let none = || invalid("it is no PEM: no line -----BEGIN ...-----".to_owned());
    let text = std::str::from_utf8(pem).map_err(|_| none())?;
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(none)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(none)?;
    let end = format!("-----END {label}-----");
    let torn = || invalid(format!("the PEM has no line {end}"));
    let (body, after) = rest.split_once(&end).ok_or_else(torn)?;
    if !after.trim().is_empty() {
        return Err(invalid("the PEM holds more than one block".to_owned()));
    }
    let body: String = body.split_whitespace().collect();
    let der = STANDARD
        .decode(body)
        .map_err(|error| invalid("what the PEM holds is no base64".to_owned()).caused_by(error))?;
    Ok((label.to_owned(), der))
}

pub(crate) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// That a key can verify signatures: else it would later look as if it had made none.
fn check_usable(algorithm: Algorithm, key: &[u8]) -> Result<()> {
    match algorithm {
        Algorithm::P256 => check_point(&ECDH_P256, key),
        Algorithm::P384 => check_point(&ECDH_P384, key),
        Algorithm::Ed25519 if key.len() == 32 => Ok(()),
        Algorithm::Ed25519 => {
            Err(invalid(format!("it is a key of Ed25519 with {} bytes, not 32", key.len())))
        }
        Algorithm::Rsa => check_rsa(key),
    }
}

/// That the point is on the curve. To agree on a secret is what looks at that alone.
fn check_point(curve: &'static agreement::Algorithm, point: &[u8]) -> Result<()> {
    let own = EphemeralPrivateKey::generate(curve, &SystemRandom::new())
        .map_err(|_| Error::new(ErrorKind::Unexpected, "the system gives no random numbers"))?;
    let other = agreement::UnparsedPublicKey::new(curve, point);
    agree_ephemeral(own, &other, |_| ())
        .map_err(|_| invalid("it is a key of ECDSA whose point is not on its curve".to_owned()))
}

/// That an RSA key is as long as `ring` wants it: 2048 bits, at most 8192, and an odd exponent of at least 3.
fn check_rsa(key: &[u8]) -> Result<()> {
    let broken = || invalid("it is a key of RSA that cannot be read".to_owned());
    let (numbers, _) = element(key, SEQUENCE).ok_or_else(broken)?;
    let (modulus, rest) = element(numbers, INTEGER).ok_or_else(broken)?;
    let (exponent, _) = element(rest, INTEGER).ok_or_else(broken)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = modulus.len() * 8 - zeros;
    if !(RSA_BITS.contains(&bits)) {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        let text = format!("it is a key of RSA with {bits} bits; {least} to {most} are taken");
        return Err(invalid(text));
    }
    let fits = exponent.len() <= 5 && exponent.last().is_some_and(|last| last % 2 == 1);
    if fits && exponent != [1] { Ok(()) } else { Err(broken()) }
}

/// The lengths of RSA keys that `ring` verifies with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

/// The algorithm of a `SubjectPublicKeyInfo`, and its key.
fn read_spki(der: &[u8]) -> Option<(Algorithm, &[u8])> {
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    let (whole, after) = element(der, SEQUENCE)?;
    let (algorithm, rest) = element(whole, SEQUENCE)?;
    let (bits, end) = element(rest, BIT_STRING)?;
    // Whole bytes only.
    let key = bits.strip_prefix(&[0])?;
    let (id, parameters) = element(algorithm, OBJECT_ID)?;
    let known = match id {
        EC => match element(parameters, OBJECT_ID)? {
            (P256, []) => Algorithm::P256,
            (P384, []) => Algorithm::P384,
            _ => return None,
        },
        RSA => Algorithm::Rsa,
        ED25519 => Algorithm::Ed25519,
        _ => return None,
    };
    (after.is_empty() && end.is_empty()).then_some((known, key))
}

/// The content of a DER element with a tag, and what follows it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&[length], rest) = rest.split_first_chunk::<1>()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (&length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(length)), rest)
        }
        _ => return None,
    };
    (found == tag).then_some(())?;
    rest.split_at_checked(length)
}
