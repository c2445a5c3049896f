//! Bundles and attachments: what is signed is verified, and nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::process::Command;
use std::slice::from_ref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use transship_core::{Document, ErrorKind, Identity, Manifest, sha256};
use transship_trust::{
    Attachment, Content, Found, Policy, SIGN_PREDICATE, SIGNATURES_LIMIT, SigningKey, Verdict,
    signatures_tag,
};

fn key() -> SigningKey {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pem = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----");
    SigningKey::from_pem(pem.as_bytes()).unwrap()
}

fn judged(key: &SigningKey, bundle: Bytes) -> String {
    let policy = Policy::of_keys("k.pub", vec![key.public().unwrap()]);
    let found = [Found::new("bundle", Content::Bundle(bundle))];
    match policy.check("oci", &Identity::unnamed(), &sha256(b"manifest"), &found) {
        Verdict::Verified(_) => "ok".to_owned(),
        Verdict::Rejected(why) => why.to_string(),
    }
}

fn changed(bundle: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let mut bundle: Value = serde_json::from_slice(bundle).unwrap();
    change(&mut bundle);
    bundle.to_string().into()
}

#[test]
fn a_bundle_counts_only_for_its_digest_its_key_and_as_a_signature() {
    let (ours, other) = (key(), key());
    let digest = sha256(b"manifest");
    let good = ours.sign_bundle(&digest).unwrap();
    assert_eq!(judged(&ours, good.clone()), "ok");
    let statement = |kind: &str, predicate: &str, hex: &str| {
        let statement = json!({ "_type": kind, "predicateType": predicate, "predicate": {},
            "subject": [{ "digest": { "sha256": hex } }] });
        ours.sign_statement(statement.to_string().as_bytes()).unwrap()
    };
    let v1 = "https://in-toto.io/Statement/v1";
    assert_eq!(judged(&ours, statement(v1, SIGN_PREDICATE, digest.encoded())), "ok");
    let twice = String::from_utf8(good.to_vec()).unwrap();
    let twice = twice.replacen("\"dsseEnvelope\"", "\"mediaType\":\"x\",\"dsseEnvelope\"", 1);
    for (bundle, why) in [
        (other.sign_bundle(&digest).unwrap(), "no key of the policy made it"),
        (ours.sign_bundle(&sha256(b"else")).unwrap(), "it is for another digest"),
        (
            statement(v1, "https://slsa.dev/provenance/v1", digest.encoded()),
            "it is no signature but",
        ),
        (
            statement("https://in-toto.io/Statement/v0.1", SIGN_PREDICATE, digest.encoded()),
            "of type",
        ),
        (ours.sign_statement(b"{").unwrap(), "EOF"),
        (ours.sign_statement(b"{\"_type\":1,\"_type\":2}").unwrap(), "duplicate key"),
        (changed(&good, |it| it["dsseEnvelope"]["payloadType"] = json!("text/plain")), "no key"),
        (changed(&good, |it| it["dsseEnvelope"]["signatures"] = json!([])), "has 0 signatures"),
        (changed(&good, |it| it["dsseEnvelope"]["payload"] = json!("!")), "no base64"),
        (changed(&good, |it| it["mediaType"] = json!("text/plain")), "no type of a bundle"),
        (changed(&good, |it| it["messageSignature"] = json!({})), "no statement"),
        (changed(&good, |it| it["more"] = json!({})), "unknown key \"more\""),
        (twice.into(), "duplicate key"),
        (good.slice(..good.len() / 2), "EOF"),
        (vec![b' '; (4 << 20) + 1].into(), "larger than"),
    ] {
        let told = judged(&ours, bundle);
        assert!(told.contains(why), "{why}: {told}");
    }
    // Under a policy.json a signature has to name the image.
    let key = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        STANDARD.encode(ours.public().unwrap().der())
    );
    let text =
        json!({ "default": [{ "type": "sigstoreSigned", "keyData": STANDARD.encode(key) }] });
    let policy = Policy::parse("p", text.to_string().as_bytes()).unwrap();
    let found = [Found::new("bundle", Content::Bundle(good))];
    let Verdict::Rejected(why) = policy.check("oci", &Identity::unnamed(), &digest, &found) else {
        panic!("it names nothing");
    };
    assert!(why.to_string().contains("a bundle names no image"), "{why}");
}

#[test]
fn a_signature_is_added_to_those_that_are_there() {
    let (key, digest) = (key(), sha256(b"manifest"));
    assert_eq!(signatures_tag(&digest), format!("sha256-{}.sig", digest.encoded()));
    let one = key.sign_simple(&digest, "host.x/a:1").unwrap();
    let two = key.sign_simple(&digest, "host.x/a:2").unwrap();
    let by = key.public().unwrap();
    let first = Attachment::of_simple(&[], &one, &by).unwrap();
    let second = Attachment::of_simple(from_ref(&first.manifest), &two, &by).unwrap();
    let layers = |manifest: &Manifest| match manifest.document() {
        Document::Image(image) => image.layers.clone(),
        _ => panic!("an image"),
    };
    assert_eq!(layers(&second.manifest)[..1], layers(&first.manifest)[..]);
    assert_eq!(layers(&second.manifest)[1].digest, sha256(&two.payload));
    // Signing again changes nothing; another key, whose payload is the same, adds its signature.
    let again = key.sign_simple(&digest, "host.x/a:2").unwrap();
    assert_ne!(again.signature, two.signature);
    let third = Attachment::of_simple(from_ref(&second.manifest), &again, &by).unwrap();
    assert_eq!(third.manifest.bytes(), second.manifest.bytes());
    let other = self::key();
    let theirs = other.sign_simple(&digest, "host.x/a:2").unwrap();
    let both = Attachment::of_simple(from_ref(&second.manifest), &theirs, &other.public().unwrap());
    let both = both.unwrap().manifest;
    assert_eq!(layers(&both).len(), 3);
    // Lists that were made apart lose nothing, and what both have stays once.
    let apart = Attachment::of_simple(from_ref(&first.manifest), &theirs, &by).unwrap().manifest;
    let all = Attachment::of_all(&[second.manifest.clone(), apart]).unwrap().manifest;
    assert_eq!(layers(&all), layers(&both));
    let kept = Attachment::of_all(&[both.clone(), first.manifest.clone()]).unwrap().manifest;
    assert_eq!(kept.bytes(), both.bytes());
    let mut full = first.manifest.clone();
    for at in 1..=SIGNATURES_LIMIT {
        let one = key.sign_simple(&digest, &format!("host.x/b:{at}")).unwrap();
        match Attachment::of_simple(from_ref(&full), &one, &by) {
            Ok(more) => full = more.manifest,
            Err(error) => {
                assert_eq!((at, error.kind()), (SIGNATURES_LIMIT, ErrorKind::LimitExceeded));
            }
        }
    }
    assert_eq!(layers(&full).len(), SIGNATURES_LIMIT);
    assert!(two.is_among(&[one.to_file(), again.to_file()], &by));
    assert!(!two.is_among(&[one.to_file(), theirs.to_file()], &by));
    let file = Found::detached("signature-1", &one.to_file());
    assert!(matches!(file.content, Content::Simple(read) if read == one));
    for (file, unreadable) in [
        (&b"\0sigstore-json\n{\"mimeType\":1}"[..], true),
        (b"\0sigstore-json\n{", true),
        (b"\0other\n", false),
    ] {
        let found = Found::detached("s", &Bytes::copy_from_slice(file));
        assert_eq!(matches!(found.content, Content::Unreadable(_)), unreadable, "{found:?}");
    }
}

#[test]
fn openssl_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let openssl = |arguments: &[&str]| {
        let run = Command::new("openssl").args(arguments).current_dir(folder.path()).output();
        run.ok().map(|output| (output.status.success(), output.stdout))
    };
    let curve = "ec_paramgen_curve:P-256";
    let made = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", "k.pem"]);
    if made.is_none() {
        assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "openssl is required");
        eprintln!("skipped: openssl is not here");
        return;
    }
    assert!(openssl(&["pkey", "-in", "k.pem", "-pubout", "-out", "k.pub"]).unwrap().0);
    let key = SigningKey::read(&path("k.pem")).unwrap();
    let signature = key.sign_simple(&sha256(b"manifest"), "host.x/a:1").unwrap();
    fs::write(path("payload"), &signature.payload).unwrap();
    fs::write(path("sig"), STANDARD.decode(&signature.signature).unwrap()).unwrap();
    let verify = ["dgst", "-sha256", "-verify", "k.pub", "-signature", "sig", "payload"];
    assert!(openssl(&verify).unwrap().0);
    fs::write(path("payload"), "else").unwrap();
    assert!(!openssl(&verify).unwrap().0);
    // And what openssl signs is verified, by keys of each kind.
    for (name, arguments) in [
        ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"][..]),
        ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
        ("ed25519", &["-algorithm", "ED25519"]),
    ] {
        let made = [&["genpkey"][..], arguments, &["-out", name]].concat();
        assert!(openssl(&made).unwrap().0);
        let (_, public) = openssl(&["pkey", "-in", name, "-pubout"]).unwrap();
        let public = transship_trust::PublicKey::from_pem(&public).unwrap();
        let signed = match name {
            "ed25519" => openssl(&["pkeyutl", "-sign", "-inkey", name, "-rawin", "-in", "payload"]),
            _ => openssl(&["dgst", "-sha256", "-sign", name, "payload"]),
        };
        let (_, signed) = signed.unwrap();
        assert!(public.verifies(b"else", &signed), "{name}");
        assert!(!public.verifies(b"other", &signed), "{name}");
    }
}
