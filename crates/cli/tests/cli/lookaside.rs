//! `signedBy` for images of registries: GPG signatures in lookaside storage, as `registries.d` says where it is.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::json;
use transship::transport::sha256;

use crate::trust::{Lab as Images, text};

/// `app:1` in a registry, the keys `one.asc` and `two.asc`, and a server of lookaside storage over the folder `sigs`.
struct Lab {
    images: Images,
    digest: String,
    /// Of the key `one.asc`.
    fingerprint: String,
    server: String,
    /// The paths that the server was asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    /// `None` without gpg or another program that is needed.
    fn new(programs: &[&str]) -> Option<Self> {
        for program in [&["gpg", "gpgv"], programs].concat() {
            if Command::new(program).arg("--version").output().is_err() {
                assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "{program}");
                eprintln!("skipped: {program} is not here");
                return None;
            }
        }
        let images = Images::new();
        fs::create_dir(images.session.path("gpg")).unwrap();
        Command::new("chmod").arg("700").arg(images.session.path("gpg")).status().unwrap();
        fs::create_dir(images.session.path("d")).unwrap();
        let (server, asked) = serve(images.session.path("sigs"));
        let digest = images.digest("app");
        let mut lab = Self { images, digest, fingerprint: String::new(), server, asked };
        for (key, file) in [("one@x", "one.asc"), ("two@x", "two.asc")] {
            lab.gpg(&["--quick-gen-key", key, "ed25519", "sign", "never"]);
            lab.images.session.write(file, lab.gpg(&["-a", "--export", key]));
        }
        lab.images.session.write("both.asc", lab.gpg(&["-a", "--export"]));
        let listed = lab.gpg(&["--list-keys", "--with-colons", "one@x"]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap();
        line.trim_matches(':').clone_into(&mut lab.fingerprint);
        Some(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.images.session.path(name)
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.path("gpg")).args(["--batch", "--quiet", "--yes"]);
        let ran = command.args(["--passphrase", ""]).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
        ran.stdout
    }

    /// A signature of a digest as `HOST/app:1`.
    fn sign(&self, key: &str, digest: &str) -> Vec<u8> {
        self.sign_with(key, digest, &json!({}))
    }

    fn sign_with(&self, key: &str, digest: &str, optional: &serde_json::Value) -> Vec<u8> {
        let payload = json!({ "critical": { "type": "atomic container signature",
                "image": { "docker-manifest-digest": digest },
                "identity": { "docker-reference": format!("{}/app:1", self.images.host) } },
            "optional": optional });
        self.images.session.write("payload", payload.to_string());
        self.sign_payload(&["-u", key, "--sign"])
    }

    /// The payload of the last signature, signed in another way.
    fn sign_payload(&self, how: &[&str]) -> Vec<u8> {
        let payload = self.path("payload");
        self.gpg(&[how, &["--output", "-", payload.to_str().unwrap()]].concat())
    }

    /// Where the signatures of `app:1` are in a folder.
    fn folder(&self, storage: &str) -> PathBuf {
        self.path(storage).join(format!("app@{}", self.digest.replace(':', "=")))
    }

    /// Puts these signatures, and no other ones, into the folder `sigs`.
    fn keep(&self, signatures: &[(usize, &[u8])]) {
        let _ = fs::remove_dir_all(self.path("sigs"));
        fs::create_dir_all(self.folder("sigs")).unwrap();
        for (number, signature) in signatures {
            let name = format!("signature-{number}");
            fs::write(self.folder("sigs").join(name), signature).unwrap();
        }
    }

    /// The one file in `registries.d`. `HOST`, `SIGS` and `SERVER` in it are filled in.
    fn registries_d(&self, text: &str) {
        let text = text
            .replace("HOST", &self.images.host)
            .replace("SIGS", &format!("file://{}", self.path("sigs").display()))
            .replace("SERVER", &format!("http://{}", self.server));
        self.images.session.write("d/lab.yaml", text);
    }

    fn policy(&self, key: &str) {
        let requirement =
            json!({ "type": "signedBy", "keyType": "GPGKeys", "keyPath": self.path(key) });
        let text = json!({ "default": [{ "type": "reject" }],
            "transports": { "docker": { self.images.host.clone(): [requirement] } } });
        self.images.session.write("p.json", text.to_string());
    }

    fn run(&self) -> Output {
        let _ = fs::remove_dir_all(self.path("out"));
        let line =
            "--registries.d d copy --src-retries 0 --policy p.json docker://HOST/app:1 oci:out:1";
        self.images.session.run(&line.replace("HOST", &self.images.host))
    }

    /// What a copy says that ends with this code.
    #[track_caller]
    fn refused(&self, code: i32) -> String {
        let output = self.run();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(!self.path("out").exists(), "the destination is not opened");
        text(&output)
    }

    fn skopeo(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("skopeo");
        command.env("GNUPGHOME", self.path("gpg")).arg("--registries.d").arg(self.path("d"));
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The agent that gpg started ends with its home.
        let mut command = Command::new("gpgconf");
        command.arg("--homedir").arg(self.path("gpg")).args(["--kill", "all"]);
        let _ = command.status();
    }
}

/// A server over a folder: `/sigs/PATH` is a file in it. What is below other folders is as their names say.
fn serve(folder: PathBuf) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(path) = requested(&mut stream) else { continue };
            seen.lock().unwrap().push(path.clone());
            let (status, more, body) = answer(&folder, &path);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    (host, asked)
}

fn requested(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(!head.to_lowercase().contains("authorization"), "{head}");
    head.split(' ').nth(1).map(str::to_owned)
}

fn answer(folder: &Path, path: &str) -> (&'static str, String, Vec<u8>) {
    let none = String::new;
    let (first, rest) = path[1..].split_once('/').unwrap();
    match first {
        "sigs" => match fs::read(folder.join(rest)) {
            Ok(file) => ("200 OK", none(), file),
            Err(_) => ("404 Not Found", none(), Vec::new()),
        },
        "moved" => ("302 Found", format!("Location: /sigs/{rest}\r\n"), Vec::new()),
        "circle" => ("302 Found", format!("Location: /circle/{rest}\r\n"), Vec::new()),
        "broken" => ("500 Internal Server Error", none(), Vec::new()),
        "denied" => ("403 Forbidden", none(), Vec::new()),
        "large" => ("200 OK", none(), vec![b'x'; (4 << 20) + 1]),
        _ => ("200 OK", none(), b"x".to_vec()),
    }
}

/// The file of `registries.d`, the key of the policy, which signatures are there, and whether the image is accepted.
type Row = (&'static str, &'static str, &'static [(usize, &'static str)], bool);

const ALL: &str = "docker: {HOST: {lookaside: 'SIGS'}}";
const GOOD: &[(usize, &str)] = &[(1, "good")];
const TABLE: &[Row] = &[
    (ALL, "one.asc", GOOD, true),
    (ALL, "two.asc", GOOD, false),
    (ALL, "one.asc", &[(1, "other key")], false),
    (ALL, "one.asc", &[(1, "other image")], false),
    (ALL, "one.asc", &[(1, "other name")], false),
    (ALL, "one.asc", &[(1, "null")], false),
    (ALL, "one.asc", &[(1, "no signature")], false),
    (ALL, "one.asc", &[], false),
    (ALL, "one.asc", &[(1, "other key"), (2, "good")], true),
    (ALL, "one.asc", &[(2, "good")], false),
    (ALL, "one.asc", &[(1, "armored")], false),
    (ALL, "one.asc", &[(1, "clear text")], false),
    (ALL, "both.asc", &[(1, "good")], true),
    (ALL, "both.asc", &[(1, "by both")], false),
    ("default-docker: {lookaside: 'SIGS/'}", "one.asc", GOOD, true),
    ("docker: {HOST/app: {sigstore: 'SIGS'}}", "one.asc", GOOD, true),
    ("docker: {'HOST/app:1': {lookaside: 'SIGS'}}", "one.asc", GOOD, true),
    ("docker: {HOST/ap: {lookaside: 'SIGS'}}", "one.asc", GOOD, false),
    (
        "docker: {HOST/app: {lookaside: 'file:///nowhere'}, HOST: {lookaside: 'SIGS'}}",
        "one.asc",
        GOOD,
        false,
    ),
    (
        "docker: {HOST/app: {lookaside-staging: 'file:///nowhere'}, HOST: {lookaside: 'SIGS'}}",
        "one.asc",
        GOOD,
        true,
    ),
    ("docker: {HOST: {lookaside: 'SIGS', sigstore: 'file:///nowhere'}}", "one.asc", GOOD, true),
    ("default-docker:\n#  nothing\n", "one.asc", GOOD, false),
    ("docker: {HOST: {lookaside: SERVER/sigs}}", "one.asc", GOOD, true),
    ("docker: {HOST: {lookaside: SERVER/sigs/}}", "two.asc", GOOD, false),
    ("docker: {HOST: {lookaside: SERVER/moved}}", "one.asc", GOOD, true),
    ("docker: {HOST: {lookaside: SERVER/broken}}", "one.asc", GOOD, false),
    ("docker: {HOST: {lookaside: /nowhere}}", "one.asc", GOOD, false),
    ("docker: [", "one.asc", GOOD, false),
];

#[test]
fn skopeo_says_the_same_of_what_it_signed_into_lookaside_storage() {
    let Some(lab) = Lab::new(&["skopeo"]) else { return };
    let host = lab.images.host.clone();
    lab.registries_d("default-docker: {lookaside-staging: 'SIGS'}");
    let (from, to) = (format!("docker://{host}/app:1"), format!("docker://{host}/signed:1"));
    let by = ["--insecure-policy", "copy", "--sign-by", &lab.fingerprint];
    let plain = ["--src-tls-verify=false", "--dest-tls-verify=false", &from];
    let signed = lab.skopeo(&[&by[..], &plain, &[&to]].concat());
    assert!(signed.status.success(), "{signed:?}");
    let made = lab.path("sigs").join(format!("signed@{}", lab.digest.replace(':', "=")));
    assert!(made.join("signature-1").exists(), "the digest stays");
    let signature = fs::read(made.join("signature-1")).unwrap();
    let again = |how: &[&str]| {
        lab.sign("one@x", &lab.digest);
        lab.sign_payload(how)
    };
    let made_of = |what: &str| match what {
        "good" => lab.sign("one@x", &lab.digest),
        "other key" => lab.sign("two@x", &lab.digest),
        "other image" => lab.sign("one@x", sha256(b"else").as_ref()),
        "other name" => signature.clone(),
        "armored" => again(&["-u", "one@x", "--armor", "--sign"]),
        "clear text" => again(&["-u", "one@x", "--clearsign"]),
        "by both" => again(&["-u", "one@x", "-u", "two@x", "--sign"]),
        "null" => lab.sign_with("one@x", &lab.digest, &serde_json::Value::Null),
        text => text.as_bytes().to_vec(),
    };
    for (number, (registries_d, key, kept, accepted)) in TABLE.iter().enumerate() {
        lab.registries_d(registries_d);
        lab.policy(key);
        let kept: Vec<_> = kept.iter().map(|(at, what)| (*at, made_of(what))).collect();
        lab.keep(&kept.iter().map(|(at, made)| (*at, &**made)).collect::<Vec<_>>());
        let (policy, out) = (lab.path("p.json"), format!("dir:{}", lab.path("theirs").display()));
        let line = ["--policy", policy.to_str().unwrap(), "copy", "--remove-signatures"];
        let theirs = lab.skopeo(&[&line[..], &["--src-tls-verify=false", &from, &out]].concat());
        let ours = lab.run();
        let said = format!("{}{}", text(&theirs), text(&ours));
        let row = format!("{number}: {registries_d}, {key}: {said}");
        assert_eq!(
            (theirs.status.success(), ours.status.success()),
            (*accepted, *accepted),
            "{row}"
        );
    }
    // What skopeo signed, under the name that it signed.
    lab.registries_d(ALL);
    lab.keep(&[]);
    let kept = lab.path("sigs").join(made.file_name().unwrap());
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("signature-1"), signature).unwrap();
    lab.policy("one.asc");
    lab.images.session.ok(&format!(
        "copy --quiet --registries.d d --policy p.json docker://{host}/signed:1 oci:by-skopeo:1"
    ));
}

#[test]
fn a_rejection_names_file_scope_and_each_signature() {
    let Some(lab) = Lab::new(&[]) else { return };
    let (host, server) = (&lab.images.host, &lab.server);
    lab.policy("one.asc");
    let folder = format!("app@{}", lab.digest.replace(':', "="));
    lab.registries_d("docker: {HOST: {lookaside: SERVER/sigs}}");
    lab.keep(&[(1, &lab.sign("two@x", &lab.digest)), (2, b"x")]);
    let told = lab.refused(5);
    for part in [
        "p.json".to_owned(),
        format!("scope \"{host}\""),
        "one.asc".to_owned(),
        format!("http://{server}/sigs/{folder}/signature-1: no key of the policy made it"),
        format!("http://{server}/sigs/{folder}/signature-2: it is no message"),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    // One request for each signature and one for the end; and no tag of signatures is looked for.
    let asked = std::mem::take(&mut *lab.asked.lock().unwrap());
    let expected = [1, 2, 3].map(|number| format!("/sigs/{folder}/signature-{number}"));
    assert_eq!(asked, expected);
    assert!(lab.images.registry.exchanges().iter().all(|one| !one.path.contains("sha256-")));
    lab.keep(&[]);
    let told = lab.refused(5);
    let place =
        format!("/{folder}/signature-1: there is no signature (d/lab.yaml, scope \"{host}\")");
    assert!(told.contains(&place), "{told}");
    lab.registries_d("docker: {nowhere.example: {lookaside: SERVER/sigs}}");
    assert!(lab.refused(5).contains("there is no signature (the default place)"));
}

#[test]
fn what_storage_answers_is_bounded_and_its_failures_are_no_rejections() {
    let Some(lab) = Lab::new(&[]) else { return };
    lab.policy("one.asc");
    let good = lab.sign("one@x", &lab.digest);
    lab.registries_d("docker: {HOST: {lookaside: 'SIGS'}}");
    lab.keep(&[(1, &vec![b'x'; (4 << 20) + 1]), (2, &good)]);
    assert!(lab.run().status.success(), "one that is too large does not hide the next");
    lab.keep(&[(1, &vec![b'x'; (4 << 20) + 1])]);
    let told = lab.refused(5);
    assert!(told.contains("signature-1") && told.contains("more than 4194304 bytes"), "{told}");
    let many: Vec<_> = (1..=257).map(|number| (number, &*good)).collect();
    lab.keep(&many);
    assert!(lab.refused(5).contains("more than 256 are not read"));
    lab.keep(&many[..256]);
    assert!(lab.run().status.success());
    let mebibytes = vec![b'x'; 3 << 20];
    lab.keep(&(1..=6).map(|number| (number, &*mebibytes)).collect::<Vec<_>>());
    assert!(lab.refused(5).contains("bytes together, and more than 16777216"));
    for (storage, code, said) in [
        ("SERVER/large", 5, "bytes together, and more than 16777216"),
        ("SERVER/endless", 5, "more than 256 are not read"),
        ("SERVER/broken", 1, "500"),
        ("SERVER/denied", 1, "403"),
        ("SERVER/circle", 1, "redirects more than"),
        ("http://127.0.0.1:1/sigs", 1, "127.0.0.1:1"),
    ] {
        lab.registries_d(&format!("docker: {{HOST: {{lookaside: {storage}}}}}"));
        let told = lab.refused(code);
        assert!(told.contains(said), "{storage}: {told}");
        assert!(code == 5 || told.contains("d/lab.yaml, scope"), "{storage}: {told}");
    }
}

#[test]
fn a_malformed_file_is_named_with_its_key_before_anything_is_opened() {
    let Some(lab) = Lab::new(&[]) else { return };
    lab.policy("one.asc");
    for (text, said) in [
        ("docker: [", "while parsing"),
        ("docker: {HOST: {lookaside: sigs}}", "lookaside: line 1: \"sigs\" is no URL"),
        ("docker: {HOST: {look: x}}", "\"look\" is not known: known are lookaside,"),
    ] {
        lab.registries_d(text);
        let told = lab.refused(2);
        assert!(told.contains("d/lab.yaml") && told.contains(said), "{text}: {told}");
    }
    lab.registries_d("docker: {HOST: {lookaside: 'SIGS'}}");
    let same = format!("docker: {{'{}': {{lookaside: 'file:///a'}}}}", lab.images.host);
    lab.images.session.write("d/more.yaml", same);
    let told = lab.refused(2);
    assert!(told.contains("d/more.yaml") && told.contains("is in d/lab.yaml already"), "{told}");
    fs::remove_dir_all(lab.path("d")).unwrap();
    assert!(lab.refused(2).contains("reading d"));
    // Without an option, that of the user is read, and where nothing asks for a signature, none.
    let user = "home/.config/containers/registries.d";
    fs::create_dir_all(lab.path(user)).unwrap();
    lab.images.session.write(&format!("{user}/x.yaml"), "x: y");
    let line = format!("copy --policy p.json docker://{}/app:1 oci:out:1", lab.images.host);
    assert!(
        text(&lab.images.session.run(&line)).contains("registries.d/x.yaml: line 1: \"x\" is not")
    );
    lab.images.session.write("p.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#);
    lab.images.session.ok(&line);
}

#[test]
fn signatures_in_the_registry_are_not_read_where_a_file_says_so() {
    let images = Images::new();
    images.sign("app", &images.digest("app"), "any/name");
    fs::create_dir(images.session.path("d")).unwrap();
    let line = "copy --registries.d d --verify-key k.pub docker://HOST/app:1 docker://TARGET/app:1";
    for (said, accepted) in [("true", true), ("false", false), ("", true)] {
        let text = format!("default-docker: {{use-sigstore-attachments: {said}}}");
        images.session.write("d/lab.yaml", text);
        if accepted {
            images.accepted(line);
        } else {
            let told = images.rejected(line);
            assert!(told.contains("d/lab.yaml, default-docker: use-sigstore-attachments is false"));
        }
    }
}
