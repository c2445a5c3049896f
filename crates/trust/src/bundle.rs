//! Bundles: what cosign makes since its version 3. A signature over a statement about a digest, which names no image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use transship_core::{Digest, Result};

use crate::json::{Json, malformed};
use crate::{Content, Found, PAYLOAD_LIMIT, PublicKey, SigningKey};

/// The media type of a bundle, and of the manifest that holds it.
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// How the types of older versions begin, which are verified in the same way.
const BUNDLES: &str = "application/vnd.dev.sigstore.bundle";

/// The type of a statement that is a signature. Other statements by the same key say something else.
pub const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Whether a media type is that of bundles.
pub(crate) fn is_bundle(media_type: &str) -> bool {
    media_type.starts_with(BUNDLES)
}

/// That a key signed the digest with a bundle; else why it does not count.
///
/// First the signature is checked over the statement's bytes, then the statement is read.
pub(crate) fn verify(
    bundle: &Bytes,
    keys: &[PublicKey],
    digest: &Digest,
) -> std::result::Result<(), String> {
    let envelope = Envelope::parse(bundle).map_err(|error| error.to_string())?;
    if !keys.iter().any(|key| envelope.is_signed_by(key)) {
        return Err("no key of the policy made it".to_owned());
    }
    if envelope.payload_type != IN_TOTO {
        return Err(format!("its payload is of type {:?}", envelope.payload_type));
    }
    check_statement(&envelope.payload, digest).map_err(|error| error.to_string())
}

/// A signed statement, not trusted.
struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

impl Envelope {
    fn parse(bundle: &[u8]) -> Result<Self> {
        if bundle.len() as u64 > PAYLOAD_LIMIT {
            return Err(malformed(format!("the bundle is larger than {PAYLOAD_LIMIT} bytes")));
        }
        let mut whole = Json::parse(bundle)?.fields("the bundle")?;
        let kind = whole.text("mediaType")?;
        if !is_bundle(&kind) {
            return Err(malformed(format!("{kind:?} is no type of a bundle")));
        }
        if whole.take("messageSignature").is_some() {
            return Err(malformed("the bundle holds no statement (dsseEnvelope)".into()));
        }
        // Of what proves the time and a log, nothing is needed where the key is given.
        whole.need("verificationMaterial")?;
        let mut envelope = whole.object("dsseEnvelope")?;
        whole.end()?;
        let payload_type = envelope.text("payloadType")?;
        let payload = envelope.base64("payload")?;
        let all = envelope.need("signatures")?.list("\"signatures\"")?;
        envelope.end()?;
        let signatures = all.into_iter().map(|one| {
            let mut one = one.fields("a signature")?;
            one.optional_text("keyid")?;
            let signature = one.base64("sig")?;
            one.end()?;
            Ok(signature)
        });
        let signatures: Vec<_> = signatures.collect::<Result<_>>()?;
        // More would be endless work, and readers take one.
        if signatures.len() != 1 {
            return Err(malformed(format!("the bundle has {} signatures", signatures.len())));
        }
        Ok(Self { payload_type, payload, signatures })
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = signed_bytes(&self.payload_type, &self.payload);
        self.signatures.iter().any(|signature| key.verifies(&message, signature))
    }
}

/// What is signed of an envelope: the type and the payload, each with its length.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// That a statement is a signature of a digest.
fn check_statement(payload: &[u8], digest: &Digest) -> Result<()> {
    let mut statement = Json::parse(payload)?.fields("the statement")?;
    let kind = statement.text("_type")?;
    if kind != STATEMENT {
        return Err(malformed(format!("the statement is of type {kind:?}")));
    }
    let predicate = statement.text("predicateType")?;
    if predicate != SIGN_PREDICATE {
        return Err(malformed(format!("it is no signature but a statement of type {predicate:?}")));
    }
    let subjects = statement.need("subject")?.list("\"subject\"")?;
    let (algorithm, hex) = (digest.algorithm().to_string(), digest.encoded());
    for subject in subjects {
        let mut subject = subject.fields("a subject")?;
        let found = subject.object("digest")?.optional_text(&algorithm)?;
        if found.as_deref() == Some(hex) {
            return Ok(());
        }
    }
    Err(malformed("it is good, but it is for another digest".into()))
}

impl Found {
    /// Whether it is a bundle by which a key signed the digest.
    pub fn is_bundle_of(&self, digest: &Digest, by: &PublicKey) -> bool {
        let key = std::slice::from_ref(by);
        matches!(&self.content, Content::Bundle(bundle) if verify(bundle, key, digest).is_ok())
    }
}

impl SigningKey {
    /// Signs the digest of a manifest in a bundle, as cosign does since its version 3. It names no image.
    ///
    /// # Errors
    /// `Unexpected` where the system gives no random numbers.
    pub fn sign_bundle(&self, digest: &Digest) -> Result<Bytes> {
        let statement = json!({
            "_type": STATEMENT,
            "subject": [{ "digest": { digest.algorithm().to_string(): digest.encoded() } }],
            "predicateType": SIGN_PREDICATE,
            "predicate": {},
        });
        self.sign_statement(statement.to_string().as_bytes())
    }

    /// Signs a statement as it is, in a bundle.
    ///
    /// # Errors
    /// As [`sign_bundle`](Self::sign_bundle).
    pub fn sign_statement(&self, statement: &[u8]) -> Result<Bytes> {
        let signature = self.sign(&signed_bytes(IN_TOTO, statement))?;
        // Only a hint, by which a reader that has many keys finds the right one.
        let fingerprint = ring::digest::digest(&ring::digest::SHA256, self.public()?.der());
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "publicKey": { "hint": STANDARD.encode(fingerprint) },
                "tlogEntries": [],
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(statement),
                "payloadType": IN_TOTO,
                "signatures": [{ "sig": STANDARD.encode(signature), "keyid": "" }],
            },
        });
        Ok(bundle.to_string().into())
    }
}
