//! [`SigningKey`]: makes signatures.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use transship_core::{Digest, Error, ErrorKind, Result, ResultExt, small_file};

use crate::key::{decode_pem, invalid};
use crate::payload::COSIGN_TYPE;
use crate::{PublicKey, SimpleSignature};

/// How a key in SEC1 form begins.
const SEC1: &[u8] = b"-----BEGIN EC PRIVATE KEY-----";

/// A private key that signs: ECDSA on P-256.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl SigningKey {
    /// Reads a key as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes it: PEM with `PRIVATE KEY`.
    ///
    /// # Errors
    /// `InvalidInput` for what is no such key; it says what is there instead. `Unsupported` for keys with a passphrase.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        // `openssl ecparam -genkey` writes the curve before it, in a block of its own.
        if pem.windows(SEC1.len()).any(|at| at == SEC1) {
            return Err(invalid("it is a key in SEC1 form, and PKCS#8 is needed".to_owned())
                .hint("`openssl pkcs8 -topk8 -nocrypt -in KEY` converts it"));
        }
        let (label, der) = decode_pem(pem)?;
        match label.as_str() {
            "PRIVATE KEY" => {}
            label if label.starts_with("ENCRYPTED") => return Err(with_passphrase(label)),
            "PUBLIC KEY" => {
                return Err(invalid("it is the public key, which checks signatures".to_owned())
                    .hint("sign with the private key of the pair, and check with this one"));
            }
            label => return Err(invalid(format!("it is {label}, and PRIVATE KEY is needed"))),
        }
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random);
        let pair = pair.map_err(|error| {
            invalid(format!("it is no key of ECDSA P-256 that can be used: {error}")).hint(
                "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out KEY` makes one",
            )
        })?;
        Ok(Self { pair, random })
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), and `InvalidInput` where there is no file.
    pub fn read(path: &Path) -> Result<Self> {
        let pem = small_file(path, "reading").map_err(Error::of_option)?;
        Self::from_pem(&pem).context(|| format!("the key {}", path.display()))
    }

    /// The key that checks what this one signs.
    ///
    /// # Errors
    /// None in practice.
    pub fn public(&self) -> Result<PublicKey> {
        /// What stands before the point in a `SubjectPublicKeyInfo` of P-256.
        const SPKI: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        PublicKey::from_der([&SPKI[..], self.pair.public_key().as_ref()].concat())
    }

    /// Signs the digest of a manifest under a name, as cosign and skopeo do for tags: `HOST/REPOSITORY[:TAG]`.
    ///
    /// # Errors
    /// `Unexpected` where the system gives no random numbers.
    pub fn sign_simple(&self, digest: &Digest, name: &str) -> Result<SimpleSignature> {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": name },
                "image": { "docker-manifest-digest": digest.to_string() },
                "type": COSIGN_TYPE,
            },
            "optional": null,
        });
        self.sign_payload(payload.to_string().as_bytes())
    }

    /// Signs a payload as it is.
    ///
    /// # Errors
    /// As [`sign_simple`](Self::sign_simple).
    pub fn sign_payload(&self, payload: &[u8]) -> Result<SimpleSignature> {
        let signature = STANDARD.encode(self.sign(payload)?);
        Ok(SimpleSignature::new(payload.to_vec(), signature))
    }

    /// A signature over bytes, in DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.pair.sign(&self.random, message);
        let signature = signature
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the system gives no random numbers"))?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Why a key that is encrypted is not read, and what to do: cosign's own form differs from that of openssl.
fn with_passphrase(label: &str) -> Error {
    let (whose, hint) = match label {
        "ENCRYPTED COSIGN PRIVATE KEY" | "ENCRYPTED SIGSTORE PRIVATE KEY" => (
            "keys of cosign",
            "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, and keep the file secret; \
             `cosign import-key-pair` makes a key of cosign of it",
        ),
        _ => (
            "keys with a passphrase",
            "`openssl pkey -in KEY -out FILE` writes it without; keep that file secret",
        ),
    };
    Error::new(ErrorKind::Unsupported, format!("{whose} ({label}) cannot be read: it is encrypted"))
        .hint(hint)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::ECDSA_P384_SHA384_ASN1_SIGNING;

    use super::*;

    #[test]
    fn keys_of_other_forms_and_curves_say_what_to_do() {
        let hint = |pem: &str| {
            let error = SigningKey::from_pem(pem.as_bytes()).unwrap_err();
            error.advice().map(ToString::to_string).unwrap_or_default()
        };
        let sec1 = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
        let curve = "-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n";
        for pem in [sec1, &format!("{curve}{sec1}")] {
            assert!(hint(pem).contains("openssl pkcs8"), "{pem}");
        }
        let random = SystemRandom::new();
        let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).unwrap();
        let body = STANDARD.encode(p384.as_ref());
        let p384 = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        assert!(hint(&p384).contains("ec_paramgen_curve:P-256"), "{}", hint(&p384));
    }
}
