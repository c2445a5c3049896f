//! That a log has a signature: the signed entry timestamp of Rekor, as cosign keeps it with a simple signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use transship_core::{Result, sha256};

use crate::PublicKey;
use crate::json::{Json, malformed};
use crate::key::decode_pem;

/// That one of the log's keys signed an entry for this payload, this signature and the key that made it.
///
/// The entry is read after its signature was checked; what has to be read before are its four fields.
///
/// # Errors
/// `Corrupt`, with what is wrong.
pub(crate) fn check(
    bundle: &str,
    log: &[PublicKey],
    payload: &[u8],
    signature: &[u8],
    maker: &PublicKey,
) -> Result<()> {
    let mut whole = Json::parse(bundle.as_bytes())?.fields("the log's entry")?;
    let promise = whole.base64("SignedEntryTimestamp")?;
    let mut entry = whole.object("Payload")?;
    whole.end()?;
    let body = entry.text("body")?;
    let (time, index) = (entry.whole_number("integratedTime")?, entry.whole_number("logIndex")?);
    let id = entry.text("logID")?;
    entry.end()?;
    // What is signed has its keys in this order and no space.
    let signed = format!(
        r#"{{"body":{},"integratedTime":{time},"logID":{},"logIndex":{index}}}"#,
        json!(body),
        json!(id)
    );
    if !log.iter().any(|key| key.is_ecdsa() && key.verifies(signed.as_bytes(), &promise)) {
        return Err(malformed("no key of the log signed its entry".into()));
    }
    let body = STANDARD.decode(body).map_err(|error| malformed(error.to_string()))?;
    check_entry(&body, payload, signature, maker)
}

/// That a `hashedrekord` is about this signature.
fn check_entry(body: &[u8], payload: &[u8], signature: &[u8], maker: &PublicKey) -> Result<()> {
    let mut entry = Json::parse(body)?.fields("the log's entry")?;
    let (kind, version) = (entry.text("kind")?, entry.text("apiVersion")?);
    if kind != "hashedrekord" || version != "0.0.1" {
        return Err(malformed(format!("the log's entry is of the kind {kind} {version}")));
    }
    let mut spec = entry.object("spec")?;
    let mut logged = spec.object("signature")?;
    if logged.base64("content")? != signature {
        return Err(malformed("the log's entry is for another signature".into()));
    }
    let key = logged.object("publicKey")?.base64("content")?;
    let (_, key) = decode_pem(&key)?;
    if maker.der() != key {
        return Err(malformed("the log's entry is for another key".into()));
    }
    let mut hash = spec.object("data")?.object("hash")?;
    let (algorithm, value) = (hash.text("algorithm")?, hash.text("value")?);
    if algorithm != "sha256" || value != sha256(payload).encoded() {
        return Err(malformed("the log's entry is for another payload".into()));
    }
    Ok(())
}
