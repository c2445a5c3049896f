//! Outside makers and judges of bundles: npm's sigstore packages, which `.ci/install-peers` installs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "npm/ask.rs"]
mod ask;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use transship_core::{Digest, Identity, sha256};
use transship_trust::{Content, Found, Policy, PublicKey, SIGN_PREDICATE, SigningKey, Verdict};

use ask::ask;

fn pem(der: &[u8], kind: &str) -> String {
    format!("-----BEGIN {kind} KEY-----\n{}\n-----END {kind} KEY-----\n", STANDARD.encode(der))
}

fn judged(policy: &Policy, digest: &Digest, content: Content) -> String {
    let found = [Found::new("it", content)];
    match policy.check("oci", &Identity::unnamed(), digest, &found) {
        Verdict::Verified(_) => "ok".to_owned(),
        Verdict::Rejected(why) => why.to_string(),
    }
}

/// What `--sign-format bundle` writes.
#[test]
fn npm_verifies_what_we_sign_and_nothing_else() {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let key = SigningKey::from_pem(pem(der.as_ref(), "PRIVATE").as_bytes()).unwrap();
    let bundle = |bundle: Bytes| serde_json::from_slice::<Value>(&bundle).unwrap();
    let good = bundle(key.sign_bundle(&sha256(b"manifest")).unwrap());
    let mut other = good.clone();
    let statement = bundle(key.sign_bundle(&sha256(b"else")).unwrap());
    other["dsseEnvelope"]["payload"] = statement["dsseEnvelope"]["payload"].clone();
    let question = json!({
        "key": pem(key.public().unwrap().der(), "PUBLIC"),
        "bundles": [good, statement, other],
    });
    let Some(answer) = ask(&question) else { return };
    let why = answer[2].as_str().unwrap_or_default();
    assert_eq!((&answer[0], &answer[1]), (&json!("ok"), &json!("ok")));
    assert!(why.contains("signature verification failed"), "{answer}");
}

/// Bundles of a bare key, with an entry of a log and without; a payload whose signature a log has.
#[test]
fn we_verify_what_npm_signs() {
    let (digest, name) = (sha256(b"manifest"), "registry.example.com/app:1");
    let statement = |predicate: &str| {
        json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate,
            "subject": [{ "digest": { "sha256": digest.encoded() } }], "predicate": {} })
        .to_string()
    };
    let payload = json!({ "critical": { "type": "cosign container image signature",
        "image": { "docker-manifest-digest": digest.to_string() },
        "identity": { "docker-reference": name } }, "optional": null });
    let signed_by_npm = |predicate: &str| {
        ask(&json!({ "statement": statement(predicate), "payload": payload.to_string() }))
    };
    let Some(made) = signed_by_npm(SIGN_PREDICATE) else { return };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let policy_of = |made: &Value| {
        let key = PublicKey::from_pem(text(&made["key"]).as_bytes()).unwrap();
        Policy::of_keys("k.pub", vec![key])
    };
    let bundle = |made: &Value, form: &str| Content::Bundle(made[form].to_string().into());
    for form in ["bare", "logged"] {
        assert_eq!(judged(&policy_of(&made), &digest, bundle(&made, form)), "ok", "{form}");
        let elsewhere = judged(&policy_of(&made), &sha256(b"else"), bundle(&made, form));
        assert!(elsewhere.contains("for another digest"), "{form}: {elsewhere}");
    }
    let sbom = signed_by_npm("https://spdx.dev/Document").unwrap();
    let told = judged(&policy_of(&sbom), &digest, bundle(&sbom, "bare"));
    assert!(told.contains("it is no signature"), "{told}");
    let told = judged(&policy_of(&sbom), &digest, bundle(&made, "bare"));
    assert!(told.contains("no key of the policy made it"), "{told}");

    let logged_by = |log: &Value| {
        let requirement = json!({ "type": "sigstoreSigned",
            "keyData": STANDARD.encode(text(&made["key"])),
            "rekorPublicKeyData": STANDARD.encode(text(log)),
            "signedIdentity": { "type": "exactReference", "dockerReference": name } });
        let policy = json!({ "default": [requirement] }).to_string();
        Policy::parse("policy.json", policy.as_bytes()).unwrap()
    };
    let simple = |signed: &Value| {
        let (signature, log) = (text(&signed["signature"]), text(&signed["log"]));
        let file = json!({ "mimeType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "payload": STANDARD.encode(payload.to_string()),
            "annotations": { "dev.cosignproject.cosign/signature": signature,
                "dev.sigstore.cosign/bundle": log } });
        Found::detached("it", &format!("\0sigstore-json\n{file}").into()).content
    };
    assert_eq!(judged(&logged_by(&made["log"]), &digest, simple(&made["simple"])), "ok");
    for (log, signed) in [(&sbom["log"], &made["simple"]), (&made["log"], &sbom["simple"])] {
        assert_ne!(judged(&logged_by(log), &digest, simple(signed)), "ok");
    }
}
