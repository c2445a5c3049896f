//! `signedBy`: what gpg and skopeo sign, and what skopeo says of the same policies.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use transship_core::{Digest, Identity, sha256};
use transship_trust::{Found, Policy, Verdict};

struct Lab(tempfile::TempDir);

impl Lab {
    /// Two keys in a home of gpg: `one@x` in `one.asc` (armored) and `two@x` in `two.gpg`. `None` without gpg.
    fn new() -> Option<Self> {
        let lab = Self(tempfile::tempdir().unwrap());
        fs::create_dir(lab.path("home")).unwrap();
        Command::new("chmod").arg("700").arg(lab.path("home")).status().ok()?;
        let there = |name: &str| Command::new(name).arg("--version").output().is_ok();
        if !there("gpg") || !there("gpgv") {
            assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "gpg is required");
            eprintln!("skipped: gpg or gpgv is not here");
            return None;
        }
        for (key, file, armor) in [("one@x", "one.asc", true), ("two@x", "two.gpg", false)] {
            lab.gpg(&["--quick-gen-key", key, "ed25519", "sign", "never"]);
            let public = lab.gpg(&[if armor { "-a" } else { "--no-armor" }, "--export", key]);
            fs::write(lab.path(file), public).unwrap();
        }
        Some(lab)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.path("home")).args(["--batch", "--quiet", "--yes"]);
        let ran = command.args(["--passphrase", ""]).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
        ran.stdout
    }

    fn sign(&self, key: &str, payload: &str) -> Vec<u8> {
        let file = self.path("to-sign");
        fs::write(&file, payload).unwrap();
        self.gpg(&["-u", key, "--sign", "--output", "-", file.to_str().unwrap()])
    }

    fn requirement(&self, file: &str) -> Value {
        json!({ "type": "signedBy", "keyType": "GPGKeys", "keyPath": self.path(file),
            "signedIdentity": { "type": "exactReference", "dockerReference": "host.x/app:1" } })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The agent that gpg started ends with its home.
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.path("home"))
            .args(["--kill", "all"])
            .status();
    }
}

fn payload(digest: &Digest, name: &str) -> String {
    json!({ "critical": { "type": "atomic container signature",
            "image": { "docker-manifest-digest": digest.to_string() },
            "identity": { "docker-reference": name } },
        "optional": { "creator": "test", "timestamp": 1 } })
    .to_string()
}

fn judged(requirement: &Value, digest: &Digest, message: &[u8]) -> String {
    let text = json!({ "default": [requirement] }).to_string();
    let policy = Policy::parse("p", text.as_bytes()).unwrap();
    let found = [Found::detached("signature-1", &message.to_vec().into())];
    match policy.check("dir", &Identity::unnamed(), digest, &found) {
        Verdict::Verified(_) => "ok".to_owned(),
        Verdict::Rejected(why) => why.to_string(),
    }
}

#[test]
fn a_message_counts_only_by_its_key_for_its_digest_and_name() {
    let Some(lab) = Lab::new() else { return };
    let digest = sha256(b"manifest");
    let good = lab.sign("one@x", &payload(&digest, "host.x/app:1"));
    let (one, two) = (lab.requirement("one.asc"), lab.requirement("two.gpg"));
    assert_eq!(judged(&one, &digest, &good), "ok");
    let mut both = one.clone();
    both.as_object_mut().unwrap().remove("keyPath");
    both["keyPaths"] = json!([lab.path("two.gpg"), lab.path("one.asc")]);
    assert_eq!(judged(&both, &digest, &good), "ok");
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let cosign =
        payload(&digest, "host.x/app:1").replace("atomic container", "cosign container image");
    for (requirement, message, why) in [
        (&two, good.clone(), "no key of the policy made it"),
        (
            &one,
            lab.sign("two@x", &payload(&digest, "host.x/app:1")),
            "no key of the policy made it",
        ),
        (&one, lab.sign("one@x", &payload(&sha256(b"else"), "host.x/app:1")), "it is for sha256:"),
        (&one, lab.sign("one@x", &payload(&digest, "host.x/app:2")), "not for host.x/app:1"),
        (&one, lab.sign("one@x", &cosign), "is of type"),
        (&one, lab.sign("one@x", "{}"), "has no"),
        (&one, changed, ""),
        (&one, good[..good.len() - 10].to_vec(), ""),
        (&one, b"no message".to_vec(), "it is no message"),
        (&one, vec![b'x'; (4 << 20) + 1], "larger than"),
        (&one, b"\0sigstore-json\n{}".to_vec(), "signature-1"),
        // gpgv inflates it before it judges.
        (&one, lab.sign("one@x", &"0".repeat(64 << 20)), "its payload is larger than"),
        (&two, lab.sign("one@x", &"0".repeat(64 << 20)), ""),
    ] {
        let told = judged(requirement, &digest, &message);
        assert!(told != "ok" && told.contains(why), "{why}: {told}");
    }
    let missing = lab.requirement("none.asc");
    assert!(judged(&missing, &digest, &good).contains("none.asc"));
}

/// A folder as skopeo's `dir:` is read by it and by us: with one policy both say the same.
#[test]
fn skopeo_says_the_same_of_what_skopeo_and_gpg_signed() {
    let Some(lab) = Lab::new() else { return };
    if Command::new("skopeo").arg("--version").output().is_err() {
        assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "skopeo is required");
        eprintln!("skipped: skopeo is not here");
        return;
    }
    let manifest = image(&lab.path("image"));
    let digest = sha256(&manifest);
    let theirs = lab.path("signed");
    let skopeo = |arguments: &[&str]| {
        let mut command = Command::new("skopeo");
        command.env("GNUPGHOME", lab.path("home")).args(arguments);
        command.output().unwrap().status.success()
    };
    let (from, to) =
        (format!("dir:{}", lab.path("image").display()), format!("dir:{}", theirs.display()));
    // skopeo signs for the name of its destination; a folder has none, so `--sign-identity` gives one.
    let listed = String::from_utf8(lab.gpg(&["--list-keys", "--with-colons", "one@x"])).unwrap();
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap();
    let by = ["--sign-by", fingerprint.trim_matches(':'), "--sign-identity", "host.x/app:1"];
    assert!(skopeo(&[&["--insecure-policy", "copy"], &by[..], &[&from, &to]].concat()));
    let made = fs::read(theirs.join("signature-1")).unwrap();
    let own = lab.sign("one@x", &payload(&digest, "host.x/app:1"));
    for (number, (message, file)) in [
        (&made, "one.asc"),
        (&made, "two.gpg"),
        (&own, "one.asc"),
        (&own, "two.gpg"),
        (&lab.sign("one@x", &payload(&digest, "host.x/app:2")), "one.asc"),
        (&lab.sign("one@x", &payload(&sha256(b"x"), "host.x/app:1")), "one.asc"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(theirs.join("signature-1"), message).unwrap();
        let requirement = lab.requirement(file);
        let policy = lab.path("policy.json");
        fs::write(&policy, json!({ "default": [requirement] }).to_string()).unwrap();
        let out = format!("dir:{}", lab.path(&format!("out-{number}")).display());
        let accepts = skopeo(&["--policy", policy.to_str().unwrap(), "copy", &to, &out]);
        let ours = judged(&requirement, &digest, message);
        assert_eq!(accepts, ours == "ok", "{number}: {ours}");
        assert_eq!(accepts, matches!(number, 0 | 2), "{number}");
    }
}

#[test]
fn skopeo_says_the_same_of_scopes_and_of_files() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "skopeo is required");
        eprintln!("skipped: skopeo is not here");
        return;
    }
    let lab = tempfile::tempdir().unwrap();
    let lab = lab.path().canonicalize().unwrap();
    let digest = sha256(&image(&lab.join("image")));
    std::os::unix::fs::symlink(lab.join("image"), lab.join("link")).unwrap();
    let at = |name: &str| lab.join(name).display().to_string();
    for (number, (text, accepted)) in policies(&lab).iter().enumerate() {
        let file = lab.join("policy.json");
        fs::write(&file, text).unwrap();
        let (from, to) =
            (format!("dir:{}", at("link")), format!("dir:{}", at(&format!("out-{number}"))));
        let arguments = ["--policy", file.to_str().unwrap(), "copy", &from, &to];
        let theirs = Command::new("skopeo").args(arguments).output().unwrap();
        let ours = Policy::parse("p", text.as_bytes()).is_ok_and(|policy| {
            let identity = Identity::of_path(&lab.join("link"));
            matches!(policy.check("dir", &identity, &digest, &[]), Verdict::Verified(_))
        });
        assert_eq!(theirs.status.success(), *accepted, "{text}: {theirs:?}");
        assert_eq!(ours, *accepted, "{text}");
    }
}

/// Policies for the link `link` to the image `image` in a folder, and whether they accept it.
fn policies(lab: &Path) -> Vec<(String, bool)> {
    let (accept, reject) = (r#"[{"type":"insecureAcceptAnything"}]"#, r#"[{"type":"reject"}]"#);
    let scoped = |transport: &str, scope: &str| {
        format!(r#"{{"default":{reject},"transports":{{"{transport}":{{"{scope}":{accept}}}}}}}"#)
    };
    let at = |name: &str| lab.join(name).display().to_string();
    vec![
        (format!(r#"{{"default":{accept}}}"#), true),
        (format!(r#"{{"default":{reject}}}"#), false),
        (scoped("dir", &at("image")), true),
        (scoped("dir", &at("")[..at("").len() - 1]), true),
        (scoped("dir", "/tmp-other"), false),
        (scoped("dir", &at("imag")), false),
        (scoped("dir", &at("link")), false),
        (scoped("dir", ""), true),
        (scoped("dir", "/"), false),
        (scoped("dir", "relative"), false),
        (scoped("dir", "/a/../b"), false),
        (scoped("oci", ""), false),
        (scoped("docker-archive", ""), false),
        (scoped("docker-archive", "/a"), false),
        (scoped("made-up", "anything"), false),
        (format!(r#"{{"default":{accept},"transports":{{"dir":{{"":{reject}}}}}}}"#), false),
        (
            format!(
                r#"{{"default":{accept},"transports":{{"dir":{{"{}":{reject}}}}}}}"#,
                at("image")
            ),
            false,
        ),
        (format!(r#"{{"default":{accept},"transports":{{}}}}"#), true),
        (r#"{"default":[{"type":"insecureAcceptAnything"},{"type":"reject"}]}"#.to_owned(), false),
        (r#"{"default":[]}"#.to_owned(), false),
        ("{}".to_owned(), false),
        (format!(r#"{{"default":{accept},"more":1}}"#), false),
        (format!(r#"{{"default":{accept},"default":{accept}}}"#), false),
        (format!(r#"{{"default":{accept}}} {{}}"#), false),
        (r#"{"default":[{"type":"insecureAcceptAnything","more":1}]}"#.to_owned(), false),
        (r#"{"default":[{"type":"other"}]}"#.to_owned(), false),
        (r#"{"default":[{"type":"signedBy","keyType":"GPGKeys"}]}"#.to_owned(), false),
        (r#"{"default":[{"type":"signedBy","keyType":"X","keyPath":"/k"}]}"#.to_owned(), false),
        (
            r#"{"default":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}]}"#.to_owned(),
            false,
        ),
        (
            r#"{"default":[{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}]}"#
                .to_owned(),
            false,
        ),
        ("not JSON".to_owned(), false),
    ]
}

/// An image of one empty layer.
fn image(at: &Path) -> Vec<u8> {
    fs::create_dir(at).unwrap();
    let layer = [0_u8; 1024];
    let config = json!({ "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [sha256(&layer).to_string()] } })
    .to_string();
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": sha256(config.as_bytes()).to_string(), "size": config.len() },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": sha256(&layer).to_string(), "size": layer.len() }] })
        .to_string();
    let put = |name: &str, bytes: &[u8]| fs::write(at.join(name), bytes).unwrap();
    put("version", b"Directory Transport Version: 1.1\n");
    put(sha256(&layer).encoded(), &layer);
    put(sha256(config.as_bytes()).encoded(), config.as_bytes());
    put("manifest.json", manifest.as_bytes());
    manifest.into_bytes()
}
