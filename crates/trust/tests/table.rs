//! Policies, identities and signatures, case by case. What each is to give follows from containers-policy.json(5) and from the
//! order in which a signature is checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use transship_core::{Digest, DockerName, ErrorKind, Identity, sha256};
use transship_trust::{
    Content, Found, Policy, PublicKey, SIGNATURES_LIMIT, SignatureKinds, SigningKey,
    SimpleSignature, Verdict,
};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn key() -> SigningKey {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    SigningKey::from_pem(pem("PRIVATE KEY", der.as_ref()).as_bytes()).unwrap()
}

fn data(key: &PublicKey) -> String {
    STANDARD.encode(pem("PUBLIC KEY", key.der()))
}

fn named(name: &str) -> Identity {
    Identity::of_name(&DockerName::parse(name).unwrap())
}

fn policy(requirements: &Value) -> Policy {
    let text = json!({ "default": requirements }).to_string();
    Policy::parse("p.json", text.as_bytes()).unwrap()
}

/// What is rejected, in words; `ok` for what is not.
fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Verified(_) => "ok".to_owned(),
        Verdict::Rejected(why) => why.to_string(),
    }
}

struct Signer {
    key: SigningKey,
    manifest: Digest,
}

impl Signer {
    fn new() -> Self {
        Self { key: key(), manifest: sha256(b"the manifest") }
    }

    fn signed(&self, name: &str) -> Found {
        let signature = self.key.sign_simple(&self.manifest, name).unwrap();
        Found::new("sha256-x.sig, signature 1", Content::Simple(signature))
    }

    fn requirement(&self, identity: Option<Value>) -> Value {
        let mut requirement =
            json!({ "type": "sigstoreSigned", "keyData": data(&self.key.public().unwrap()) });
        if let Some(identity) = identity {
            requirement["signedIdentity"] = identity;
        }
        requirement
    }
}

#[test]
fn the_most_specific_scope_applies_and_no_other() {
    let accept = json!([{ "type": "insecureAcceptAnything" }]);
    let reject = json!([{ "type": "reject" }]);
    let image = "reg.example.com:5000/ns/app:1";
    for (scope, matches) in [
        ("reg.example.com:5000/ns/app:1", true),
        ("reg.example.com:5000/ns/app:2", false),
        ("reg.example.com:5000/ns/app", true),
        ("reg.example.com:5000/ns/ap", false),
        ("reg.example.com:5000/ns", true),
        ("reg.example.com:5000/n", false),
        ("reg.example.com:5000", true),
        ("reg.example.com", false),
        ("*.example.com", true),
        ("*.com", true),
        ("*.reg.example.com", false),
        ("*.example.com:5000", false),
        ("", true),
    ] {
        let text = json!({ "default": reject, "transports": { "docker": { scope: accept } } });
        let policy = Policy::parse("p", text.to_string().as_bytes()).unwrap();
        let verdict = policy.check("docker", &named(image), &sha256(b""), &[]);
        assert_eq!(told(&verdict) == "ok", matches, "{scope}: {}", told(&verdict));
        // Of another transport it says nothing.
        let other = policy.check("docker-daemon", &named(image), &sha256(b""), &[]);
        assert!(told(&other).contains("rejected by p (default)"), "{}", told(&other));
    }
    let text = json!({ "default": accept, "transports": { "docker": {
        "example.com/a": reject, "example.com/a/b": accept, "example.com/a/b:3": reject } } });
    let policy = Policy::parse("p", text.to_string().as_bytes()).unwrap();
    for (image, ok) in [
        ("example.com/a/b:1", true),
        ("example.com/a/b:3", false),
        ("example.com/a/c:1", false),
        ("example.com/x:1", true),
    ] {
        let verdict = policy.check("docker", &named(image), &sha256(b""), &[]);
        assert_eq!(told(&verdict) == "ok", ok, "{image}");
    }
    let stored =
        json!({ "default": accept, "transports": { "containers-storage": { "[/root]": reject } } });
    let stored = Policy::parse("p", stored.to_string().as_bytes()).unwrap();
    let unknown = Identity::with_unknown_scopes();
    let verdict = stored.check("containers-storage", &unknown, &sha256(b""), &[]);
    assert!(told(&verdict).contains("the scopes of containers-storage"), "{}", told(&verdict));
    assert_eq!(told(&stored.check("other", &unknown, &sha256(b""), &[])), "ok");
    let hub = json!({ "default": reject, "transports": { "docker": { "docker.io/library/alpine": accept } } });
    let hub = Policy::parse("p", hub.to_string().as_bytes()).unwrap();
    assert_eq!(told(&hub.check("docker", &named("alpine"), &sha256(b""), &[])), "ok");
}

#[test]
fn an_identity_is_matched_as_the_policy_says() {
    let signer = Signer::new();
    let digest = format!("host/ns/app@{}", signer.manifest);
    let exact = |name: &str| json!({ "type": "exactReference", "dockerReference": name });
    let repository = |name: &str| json!({ "type": "exactRepository", "dockerRepository": name });
    let remap = |from: &str, to: &str| json!({ "type": "remapIdentity", "prefix": from, "signedPrefix": to });
    let (same, beside) = (json!({ "type": "matchExact" }), json!({ "type": "matchRepository" }));
    let default = json!({ "type": "matchRepoDigestOrExact" });
    for (image, signed, identity, ok) in [
        ("host.x/ns/app:1", "host.x/ns/app:1", None, true),
        ("host.x/ns/app:1", "host.x/ns/app:2", None, false),
        ("host.x/ns/app:1", "host.x/ns/app", None, false),
        ("host.x/ns/app:1", "host.x/ns/other:1", None, false),
        ("host.x/ns/app:1", "other.x/ns/app:1", None, false),
        ("alpine", "docker.io/library/alpine:latest", None, true),
        ("host.x/ns/app:1", "host.x/ns/app:1", Some(&same), true),
        ("host.x/ns/app:1", "host.x/ns/app:2", Some(&same), false),
        ("host.x/ns/app:1", "host.x/ns/app:2", Some(&beside), true),
        ("host.x/ns/app:1", "host.x/ns/app", Some(&beside), true),
        ("host.x/ns/app:1", "host.x/ns/ap:1", Some(&beside), false),
        ("host.x/ns/app:1", "vendor/app:9", Some(&exact("vendor/app:9")), true),
        ("host.x/ns/app:1", "vendor/app:8", Some(&exact("vendor/app:9")), false),
        ("host.x/ns/app:1", "vendor/app:8", Some(&repository("vendor/app")), true),
        ("host.x/ns/app:1", "vendor/ap:8", Some(&repository("vendor/app")), false),
        ("mirror.x/v/app:1", "vendor.x/app:1", Some(&remap("mirror.x/v", "vendor.x")), true),
        ("mirror.x/v/app:1", "vendor.x/app:2", Some(&remap("mirror.x/v", "vendor.x")), false),
        ("mirror.x/vv/app:1", "vendor.x/app:1", Some(&remap("mirror.x/v", "vendor.x")), false),
        ("mirror.x/vv/app:1", "mirror.x/vv/app:1", Some(&remap("mirror.x/v", "vendor.x")), true),
        ("m.x:5/v/app:1", "v.x:6/app:1", Some(&remap("m.x:5/v", "v.x:6")), true),
        ("m.x:5/app:1", "v.x/app:1", Some(&remap("m.x:5", "v.x")), true),
        ("m.x:5/app:1", "v.x:5/app:1", Some(&remap("m.x", "v.x")), false),
        ("alpine:1", "m.x/library/alpine:1", Some(&remap("docker.io", "m.x")), true),
        ("m.x/library/a:1", "docker.io/library/a:1", Some(&remap("m.x", "docker.io")), true),
        ("host.x/ns/app:1", "", Some(&default), false),
        ("host.x/ns/app:1", "NOT a name", Some(&beside), false),
    ] {
        let policy = policy(&json!([signer.requirement(identity.cloned())]));
        let found = [signer.signed(signed)];
        let verdict = policy.check("docker", &named(image), &signer.manifest, &found);
        assert_eq!(told(&verdict) == "ok", ok, "{image} {signed} {identity:?}: {}", told(&verdict));
        assert_eq!(told(&verdict).contains("it is good, but it is for"), !ok, "{}", told(&verdict));
    }
    // By digest, the repository is enough, if the signature names a tag or a digest.
    let of = |signed: &str| {
        let policy = policy(&json!([signer.requirement(None)]));
        let found = [signer.signed(signed)];
        told(&policy.check(
            "docker",
            &named(&digest.replace("host", "host.x")),
            &signer.manifest,
            &found,
        ))
    };
    assert_eq!(of("host.x/ns/app:7"), "ok");
    assert!(of("host.x/ns/app").contains("it is for host.x/ns/app, not for"));
    // What has no name is matched by exact names alone.
    for (identity, ok) in [(None, false), (Some(exact("vendor/app:9")), true)] {
        let policy = policy(&json!([signer.requirement(identity)]));
        let found = [signer.signed("vendor/app:9")];
        let verdict = policy.check("dir", &Identity::unnamed(), &signer.manifest, &found);
        assert_eq!(told(&verdict) == "ok", ok, "{}", told(&verdict));
    }
}

#[test]
fn a_signature_counts_only_if_all_of_it_is_right() {
    let (signer, other) = (Signer::new(), Signer::new());
    let name = "host.x/app:1";
    let good = signer.key.sign_simple(&signer.manifest, name).unwrap();
    let sign = |payload: &str| {
        // The key signs what it is given: a payload that is wrong in itself.
        let simple = signer.key.sign_payload(payload.as_bytes()).unwrap();
        Found::new("s", Content::Simple(simple))
    };
    let text = String::from_utf8(good.payload.to_vec()).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1)
    };
    let mut torn = good.clone();
    torn.signature.truncate(torn.signature.len() - 4);
    let mut no_base64 = good.clone();
    no_base64.signature = "!".to_owned();
    let mut other_payload = good.clone();
    other_payload.payload = changed("host.x", "host.y").into();
    let mut large = good.clone();
    large.payload = vec![b' '; (4 << 20) + 1].into();
    let simple = |signature| Found::new("s", Content::Simple(signature));
    let digest = signer.manifest.to_string();
    for (found, why) in [
        (simple(torn), "no key of the policy made it"),
        (simple(no_base64), "the signature is no base64"),
        (simple(other_payload), "no key of the policy made it"),
        (simple(large), "larger than 4194304 bytes"),
        (other.signed(name), "no key of the policy made it"),
        (sign(&changed(&digest, sha256(b"else").as_ref())), "it is for sha256:"),
        (
            sign(&changed("cosign container image signature", "atomic container signature")),
            "is of type",
        ),
        (sign(&changed("\"optional\":null", "\"optional\":null,\"x\":1")), "unknown key \"x\""),
        (sign(&changed("\"optional\":null", "\"optional\":null,\"optional\":{}")), "duplicate key"),
        (sign(&changed("\"type\":", "\"more\":1,\"type\":")), "unknown key \"more\""),
        (sign(&changed(",\"optional\":null", "")), "has no \"optional\""),
        (
            sign(&changed("\"optional\":null", "\"optional\":{\"timestamp\":1.5}")),
            "no whole number",
        ),
        (sign(&text[..text.len() - 1]), "EOF"),
        (sign(&format!("{text}{{}}")), "trailing"),
        (sign("[]"), "has to be object"),
        (Found::new("s", Content::OpenPgp("x".into())), "no sigstore signature (1 of other kinds)"),
        (Found::new("s", Content::Unreadable("torn".into())), "s: torn"),
    ] {
        let policy = policy(&json!([signer.requirement(None)]));
        let verdict = told(&policy.check("docker", &named(name), &signer.manifest, &[found]));
        assert!(verdict.contains(why), "{why}: {verdict}");
        assert!(verdict.len() < 2000, "bounded");
    }
    let extra = sign(&changed("\"optional\":null", "\"optional\":{\"creator\":\"c\",\"any\":[1]}"));
    let policy = policy(&json!([signer.requirement(None)]));
    assert_eq!(told(&policy.check("docker", &named(name), &signer.manifest, &[extra])), "ok");
}

#[test]
fn one_good_signature_is_enough_and_every_requirement_must_hold() {
    let (signer, other) = (Signer::new(), Signer::new());
    let name = "host.x/app:1";
    let check = |requirements: Value, found: &[Found]| {
        told(&policy(&requirements).check("docker", &named(name), &signer.manifest, found))
    };
    let ours = signer.requirement(None);
    let mut found: Vec<_> = (1..SIGNATURES_LIMIT).map(|_| other.signed(name)).collect();
    let rejected = check(json!([ours]), &found);
    assert!(rejected.contains("and 247 more") && rejected.len() < 2000, "{rejected}");
    found.push(signer.signed(name));
    assert_eq!(check(json!([ours]), &found), "ok");
    let both = json!([ours, other.requirement(None)]);
    assert_eq!(check(both.clone(), &found), "ok");
    assert!(check(both, &[signer.signed(name)]).contains("no key of the policy made it"));
    assert!(check(json!([ours, { "type": "reject" }]), &[]).ends_with("(default): reject"));
    let keys = json!([{ "type": "sigstoreSigned", "keyDatas": [
        data(&other.key.public().unwrap()), data(&signer.key.public().unwrap())] }]);
    assert_eq!(check(keys, &[signer.signed(name)]), "ok");
    assert!(check(json!([ours]), &[]).contains("there is no signature"));
    let path = json!([{ "type": "sigstoreSigned", "keyPath": "/nowhere/k.pub" }]);
    assert!(check(path, &found).contains("/nowhere/k.pub"));
}

#[test]
fn what_cannot_be_checked_rejects_with_its_name() {
    let signer = Signer::new();
    for (requirement, name) in [
        (
            json!({ "type": "signedBy", "keyType": "X509Certificates", "keyPath": "/k" }),
            "signedBy with X509Certificates",
        ),
        (
            json!({ "type": "signedBaseLayer", "baseLayerIdentity": { "type": "matchExact" } }),
            "signedBaseLayer",
        ),
        (
            json!({ "type": "sigstoreSigned", "fulcio": { "caPath": "/ca", "oidcIssuer": "i", "subjectEmail": "e" }, "rekorPublicKeyPath": "/r" }),
            "sigstoreSigned with fulcio",
        ),
        (
            json!({ "type": "sigstoreSigned", "pki": { "caRootsPath": "/ca", "subjectEmail": "e" } }),
            "sigstoreSigned with pki",
        ),
    ] {
        let found = [signer.signed("host.x/app:1")];
        let verdict = policy(&json!([requirement])).check(
            "docker",
            &named("host.x/app:1"),
            &signer.manifest,
            &found,
        );
        assert!(
            told(&verdict).contains(name) && told(&verdict).contains("this release cannot check"),
            "{}",
            told(&verdict)
        );
    }
}

/// The entry of a log, as cosign keeps it, with its timestamp by a key.
fn entry(log: &SigningKey, logged: &SimpleSignature, by: &PublicKey) -> String {
    let body = json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": { "hash": { "algorithm": "sha256", "value": sha256(&logged.payload).encoded() } },
        "signature": { "content": logged.signature,
            "publicKey": { "content": STANDARD.encode(pem("PUBLIC KEY", by.der())) } } } });
    let body = STANDARD.encode(body.to_string());
    // The order in which it is signed; it may lie in another one.
    let signed = format!(r#"{{"body":"{body}","integratedTime":1,"logID":"ab","logIndex":2}}"#);
    let promise = log.sign_payload(signed.as_bytes()).unwrap().signature;
    json!({ "SignedEntryTimestamp": promise,
        "Payload": { "logIndex": 2, "body": body, "logID": "ab", "integratedTime": 1 } })
    .to_string()
}

#[test]
fn a_log_must_have_the_signature_where_the_policy_says_so() {
    let (signer, log, other) = (Signer::new(), key(), key());
    let public = signer.key.public().unwrap();
    let mut requirement = signer.requirement(None);
    requirement["rekorPublicKeyData"] = json!(data(&log.public().unwrap()));
    let policy = policy(&json!([requirement]));
    let name = "host.x/app:1";
    let sign = || signer.key.sign_simple(&signer.manifest, name).unwrap();
    let (good, another) = (sign(), sign());
    let true_entry = entry(&log, &good, &public);
    let mut other_payload = good.clone();
    other_payload.payload = "else".into();
    for (signature, told) in [
        (good.clone().with_log(&*true_entry), "ok"),
        (good.clone(), "no entry of a log"),
        (good.clone().with_log(entry(&other, &good, &public)), "no key of the log"),
        (good.clone().with_log(entry(&log, &another, &public)), "for another signature"),
        (good.clone().with_log(entry(&log, &good, &other.public().unwrap())), "for another key"),
        (good.clone().with_log(entry(&log, &other_payload, &public)), "for another payload"),
        (
            good.clone().with_log(true_entry.replace("\"logIndex\":2", "\"logIndex\":3")),
            "no key of the log",
        ),
        (
            good.clone().with_log(true_entry.replace("\"logIndex\":2", "\"logIndex\":2.5")),
            "no whole number",
        ),
        (
            good.clone().with_log(true_entry.replace("\"logID\"", "\"x\":1,\"logID\"")),
            "unknown key",
        ),
        (good.with_log("{"), "EOF"),
    ] {
        let found = [Found::new("s", Content::Simple(signature))];
        let verdict = policy.check("docker", &named(name), &signer.manifest, &found);
        assert!(self::told(&verdict).contains(told), "{told}: {}", self::told(&verdict));
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn a_policy_that_is_not_well_formed_is_refused() {
    let signed = |more: &str| format!(r#"{{"default":[{{"type":"sigstoreSigned"{more}}}]}}"#);
    let by = |more: &str| format!(r#"{{"default":[{{"type":"signedBy"{more}}}]}}"#);
    let scope = |transport: &str, scope: &str| {
        format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{{"{transport}":{{"{scope}":[{{"type":"reject"}}]}}}}}}"#
        )
    };
    for (text, why) in [
        (String::new(), "EOF"),
        ("{}".into(), "has no \"default\""),
        (r#"{"default":[]}"#.into(), "has no requirement"),
        (r#"{"default":{}}"#.into(), "has to be list"),
        (r#"{"default":[{"type":"reject"}],"x":1}"#.into(), "unknown key \"x\""),
        (
            r#"{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}"#.into(),
            "duplicate key",
        ),
        (r#"{"default":[{"type":"reject","x":1}]}"#.into(), "unknown key \"x\""),
        (r#"{"default":[{"type":"foo"}]}"#.into(), "unknown requirement type \"foo\""),
        (r#"{"default":[{"type":"reject"}]} x"#.into(), "trailing"),
        (r#"{"default":[{"type":null}]}"#.into(), "has to be text"),
        (signed(""), "exactly one of keyPath"),
        (signed(r#","keyPath":"/a","keyData":"YQ==""#), "only one can be given"),
        (signed(r#","keyPath":"/a","pki":{}"#), "exactly one of keyPath"),
        (signed(r#","keyPaths":[]"#), "is empty"),
        (signed(r#","keyPath":"""#), "is empty"),
        (signed(r#","keyData":"!""#), "is no base64"),
        (
            signed(r#","fulcio":{"caPath":"/a","oidcIssuer":"i","subjectEmail":"e"}"#),
            "needs a rekorPublicKey",
        ),
        (
            signed(r#","keyPath":"/a","rekorPublicKeyPath":"/a","rekorPublicKeyData":"YQ==""#),
            "only one",
        ),
        (signed(r#","keyPath":"/a","signedIdentity":{"type":"x"}"#), "unknown signedIdentity type"),
        (signed(r#","keyPath":"/a","signedIdentity":{"type":"matchExact","x":1}"#), "unknown key"),
        (
            signed(
                r#","keyPath":"/a","signedIdentity":{"type":"exactReference","dockerReference":"a.x/b"}"#,
            ),
            "neither a tag",
        ),
        (
            signed(
                r#","keyPath":"/a","signedIdentity":{"type":"remapIdentity","prefix":"a.x:1/B","signedPrefix":"a.x"}"#,
            ),
            "no prefix",
        ),
        (by(r#","keyType":"X","keyPath":"/a""#), "unknown keyType"),
        (by(r#","keyType":"GPGKeys""#), "has to be given"),
        (by(r#","keyType":"GPGKeys","keyPath":"/a","scheme":"simple""#), "unknown key \"scheme\""),
        (scope("docker-archive", "/a"), "no scopes"),
        (scope("dir", "a"), "no absolute path"),
        (scope("oci", "/a/../b"), "no absolute path"),
        (scope("oci", "/"), "no absolute path"),
        (scope("dir", "/a/"), "no absolute path"),
    ] {
        let error = Policy::parse("p.json", text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let told = error.to_string();
        assert!(told.contains(why) && told.contains("p.json"), "{text}: {told}");
    }
    for text in [
        scope("oci", "/a:name"),
        scope("made-up", "any"),
        scope("dir", "/a/b"),
        scope("docker", "x"),
    ] {
        Policy::parse("p.json", text.as_bytes()).unwrap();
    }
}

#[test]
fn keys_of_other_forms_are_named() {
    const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDcWNAtpzY/zx63XLfPODgBfjIUNIjFLLGT0000mk02vrW0V1CcrPlb9+PR6oeWbpqQhxDF8qkEs6j7H3KmiDleoMMM9rqwbkBdzOypcPBxC8OFrJxYmzwO7uLV6IAWIfF1nrdl9bohcUJzgt8GEG4fGN9kNWQ7NtHMvzzMOQ5hPwIDAQAB";
    let mut off_curve = key().public().unwrap().der().to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    for (text, why) in [
        ("", "no PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAA==", "no line -----END PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----", "no base64"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no key of ECDSA"),
        (&pem("PUBLIC KEY", &off_curve), "whose point is not on its curve"),
        (&pem("PUBLIC KEY", &STANDARD.decode(RSA_1024).unwrap()), "a key of RSA with 1024 bits"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "it is a certificate"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "it is a private key"),
    ] {
        let error = PublicKey::from_pem(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for (text, why) in [
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", "SEC1"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no key of ECDSA P-256"),
    ] {
        let error = SigningKey::from_pem(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn keys_that_cannot_sign_say_what_to_do() {
    for (label, why, hint) in [
        ("ENCRYPTED COSIGN PRIVATE KEY", "keys of cosign", "cosign import-key-pair"),
        ("ENCRYPTED SIGSTORE PRIVATE KEY", "keys of cosign", "openssl genpkey"),
        ("ENCRYPTED PRIVATE KEY", "with a passphrase", "openssl pkey"),
        ("PUBLIC KEY", "the public key", "the private key of the pair"),
    ] {
        let error = SigningKey::from_pem(pem(label, b"{}").as_bytes()).unwrap_err();
        let hint_says = error.advice().map(ToString::to_string).unwrap_or_default();
        assert!(error.to_string().contains(why), "{label}: {error}");
        assert!(hint_says.contains(hint), "{label}: {hint_says}");
    }
}

#[test]
fn without_a_file_a_key_is_enough_and_a_signature_is_demanded() {
    let signer = Signer::new();
    let policy = Policy::of_keys("k.pub", vec![signer.key.public().unwrap()]);
    let applied = policy.for_image("oci", &Identity::unnamed());
    assert!(applied.index_covers_images() && applied.kinds() == SignatureKinds::SIGSTORE);
    let check =
        |found: &[Found]| told(&applied.check(&Identity::unnamed(), &signer.manifest, found));
    assert_eq!(check(&[signer.signed("any/name:1")]), "ok");
    assert!(check(&[]).contains("is rejected by k.pub"));
    let open = self::policy(&json!([{ "type": "insecureAcceptAnything" }]));
    assert!(open.for_image("dir", &Identity::unnamed()).accepts_anything());
    let demanding = open.require_signed();
    assert!(!demanding.for_image("dir", &Identity::unnamed()).accepts_anything());
    let verdict = demanding.check("dir", &Identity::unnamed(), &signer.manifest, &[]);
    assert!(told(&verdict).contains("a signature is demanded"), "{}", told(&verdict));
}
