//! [`SimpleSignature`]: a signature over a payload that names a digest and an image, as cosign and skopeo make them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use transship_core::{Digest, Result};

use crate::PublicKey;
use crate::gpg::ATOMIC_TYPE;
use crate::json::{Fields, Json, malformed};
use crate::log;

/// The most bytes of a payload.
pub const PAYLOAD_LIMIT: u64 = 4 << 20;

/// The type in a payload that cosign and skopeo sign with keys.
pub(crate) const COSIGN_TYPE: &str = "cosign container image signature";

/// A signature and the payload that it signs. Nothing of it is trusted, and the payload is not parsed, until
/// `verify` has found a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimpleSignature {
    /// What is signed.
    pub payload: Bytes,
    /// The signature, in base64.
    pub signature: String,
    /// What a log says of it: the text of a bundle with a signed entry timestamp.
    pub log: Option<String>,
}

/// What a payload says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) digest: String,
    pub(crate) name: String,
}

impl SimpleSignature {
    /// A signature that no log is asked about.
    pub fn new(payload: impl Into<Bytes>, signature: impl Into<String>) -> Self {
        Self { payload: payload.into(), signature: signature.into(), log: None }
    }

    /// With the entry of a log.
    #[must_use]
    pub fn with_log(mut self, entry: impl Into<String>) -> Self {
        self.log = Some(entry.into());
        self
    }

    /// Whether a key made it.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        let signature = STANDARD.decode(&self.signature);
        signature.is_ok_and(|signature| key.verifies(&self.payload, &signature))
    }

    /// The name that the signature gives to the manifest of a digest; else why it does not count.
    ///
    /// First the signature is checked over the bytes of the payload, then its text is read.
    pub(crate) fn verify(
        &self,
        keys: &[PublicKey],
        log: Option<&[PublicKey]>,
        digest: &Digest,
    ) -> std::result::Result<String, String> {
        if self.payload.len() as u64 > PAYLOAD_LIMIT {
            return Err(format!("its payload is larger than {PAYLOAD_LIMIT} bytes"));
        }
        let signature = STANDARD.decode(&self.signature);
        let signature = signature.map_err(|_| "the signature is no base64".to_owned())?;
        let maker = keys.iter().find(|key| key.verifies(&self.payload, &signature));
        let maker = maker.ok_or("no key of the policy made it")?;
        if let Some(log) = log {
            let entry = self.log.as_ref().ok_or("no entry of a log lies with it")?;
            let checked = log::check(entry, log, &self.payload, &signature, maker);
            checked.map_err(|error| error.to_string())?;
        }
        Claim::of(&self.payload, COSIGN_TYPE, digest)
    }
}

impl Claim {
    /// The name that a verified payload gives to the manifest of a digest; else why it does not count.
    pub(crate) fn of(
        payload: &[u8],
        wanted: &str,
        digest: &Digest,
    ) -> std::result::Result<String, String> {
        let claim = Self::parse(payload, wanted).map_err(|error| error.to_string())?;
        if claim.digest != digest.as_ref() {
            return Err(format!("it is good, but it is for {}", claim.digest));
        }
        Ok(claim.name)
    }

    /// Reads a payload of a type.
    fn parse(payload: &[u8], wanted: &str) -> Result<Self> {
        let mut whole = Json::parse(payload)?.fields("the payload")?;
        let optional = whole.need("optional")?;
        // cosign writes null, and skopeo takes that of cosign alone.
        if optional != Json::Null || wanted == ATOMIC_TYPE {
            check_optional(optional)?;
        }
        let mut critical = whole.object("critical")?;
        whole.end()?;
        let found = critical.text("type")?;
        if found != wanted {
            return Err(malformed(format!(
                "the payload is of type {found:?}, and {wanted:?} is needed"
            )));
        }
        let digest = only_text(critical.object("image")?, "docker-manifest-digest")?;
        let name = only_text(critical.object("identity")?, "docker-reference")?;
        critical.end()?;
        Ok(Self { digest, name })
    }
}

fn only_text(mut from: Fields, key: &str) -> Result<String> {
    let text = from.text(key)?;
    from.end()?;
    Ok(text)
}

/// What is optional may be anything, but for two fields that have a type.
fn check_optional(optional: Json) -> Result<()> {
    let mut fields = optional.fields("\"optional\"")?;
    fields.optional_text("creator")?;
    match fields.take("timestamp") {
        Some(Json::Number(number))
            if number.is_f64() && number.as_f64().is_none_or(|n| n.fract() != 0.0) =>
        {
            Err(malformed("\"timestamp\" in \"optional\" is no whole number".into()))
        }
        None | Some(Json::Number(_)) => Ok(()),
        Some(_) => Err(malformed("\"timestamp\" in \"optional\" is no number".into())),
    }
}
