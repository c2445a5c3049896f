//! Policies and signatures: what is rejected reaches no destination.

use std::fs;
use std::process::Output;

use serde_json::json;
use transship::transport::sha256;
use transship::trust::SigningKey;
use transship_test_registry::{Fault, Options, Registry, Rule};

use crate::make::golden;
use crate::session::Session;

const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLfgSOmpJDpzm7KYW
zNs0wZ1+dG531kR/1u5V/eDAmvuhRANCAAQE5VSmjjDmngEsRP1Qkg/g2W/WXga+
0T//NoZ7RUmfe30hoQsgCsOLkvSX8t11wStI3C8gjBAbXH+6WstyArHU
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBOVUpo4w5p4BLET9UJIP4Nlv1l4G
vtE//zaGe0VJn3t9IaELIArDi5L0l/LddcErSNwvIIwQG1x/ulrLcgKx1A==
-----END PUBLIC KEY-----
";
const OTHER: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEB0WfeRFUJ7TguV+DzfhTJOirM5f
CL8qLEIr8Kuvm2Eu1eCPGi4dN0kYocHg+YN6QYJBjQCmAaVhdKlI/AXS5w==
-----END PUBLIC KEY-----
";
const OTHER_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdquiUWkrj2d8qlgV
PdlddhdCGRXIWa4zkUJGIXraXYWhRANCAAQQHRZ95EVQntOC5X4PN+FMk6Kszl8I
vyosQivwq6+bYS7V4I8aLh03SRihweD5g3pBgkGNAKYBpWF0qUj8BdLn
-----END PRIVATE KEY-----
";
const EMPTY: &str = "{}";

pub(crate) struct Lab {
    pub(crate) session: Session,
    pub(crate) registry: Registry,
    pub(crate) host: String,
}

impl Lab {
    /// `app:1` in a registry, an index of three images, and the public key in `k.pub`.
    pub(crate) fn new() -> Self {
        let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
        let host = registry.host().to_owned();
        golden("skopeo-oci-archive-index.tar", &session.path("index.tar"));
        session.ok(&format!("copy --quiet oci-archive:index.tar docker://{host}/index:1"));
        session.ok(&format!("copy --quiet hello.tar:@0 docker://{host}/app:1"));
        session.write("k.pub", PUBLIC);
        session.write("k.pem", KEY);
        session.write("other.pub", OTHER);
        session.write("other.pem", OTHER_KEY);
        Self { session, registry, host }
    }

    pub(crate) fn digest(&self, repository: &str) -> String {
        let (_, manifest) = self.registry.manifest(repository, "1").unwrap();
        sha256(&manifest).to_string()
    }

    /// Signs a digest as cosign does: under a tag beside the image.
    pub(crate) fn sign(&self, repository: &str, digest: &str, name: &str) {
        let key = SigningKey::from_pem(KEY.as_bytes()).unwrap();
        let signature = key.sign_simple(&digest.try_into().unwrap(), name).unwrap();
        let config = self.registry.put_blob(repository, EMPTY);
        let layer = self.registry.put_blob(repository, signature.payload.clone());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": layer,
                "size": signature.payload.len(),
                "annotations": { "dev.cosignproject.cosign/signature": signature.signature },
            }],
        });
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        self.registry.put_manifest(repository, Some(&tag), media_type, manifest.to_string());
    }

    /// Runs a line that has to be rejected: no blob is read, and nothing is written.
    #[track_caller]
    pub(crate) fn rejected(&self, line: &str) -> String {
        let (target, before) = (Registry::start(Options::default()).unwrap(), self.session.left());
        self.registry.forget_exchanges();
        let line = line.replace("TARGET", target.host()).replace("HOST", &self.host);
        let output = self.session.run(&line);
        assert_eq!(output.status.code(), Some(5), "{line}: {output:?}");
        assert_eq!(target.exchanges().len(), 0, "{line}");
        assert_eq!(self.session.left(), before);
        text(&output)
    }

    #[track_caller]
    pub(crate) fn accepted(&self, line: &str) -> String {
        let target = Registry::start(Options::default()).unwrap();
        let line = line.replace("TARGET", target.host()).replace("HOST", &self.host);
        let output = self.session.run(&line);
        assert!(output.status.success(), "{line}: {output:?}");
        text(&output)
    }
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_image_that_its_key_did_not_sign_reaches_no_destination() {
    let lab = Lab::new();
    let digest = lab.digest("app");
    for to in ["docker://TARGET/app:1", "oci:out:1", "docker-archive:out.tar", "dir:out"] {
        let told = lab.rejected(&format!("copy --verify-key k.pub docker://HOST/app:1 {to}"));
        assert!(told.contains(&digest) && told.contains("there is no signature"), "{told}");
        assert_eq!(
            lab.registry.exchanges().iter().filter(|one| one.path.contains("/blobs/")).count(),
            0
        );
    }
    lab.sign("app", &digest, "any/name");
    let told =
        lab.rejected("copy --verify-key other.pub docker://HOST/app:1 docker://TARGET/app:1");
    assert!(told.contains("rejected by --verify-key other.pub"), "{told}");
    assert!(told.contains(".sig, signature 1: no key of the policy made it"), "{told}");
    lab.accepted("copy --verify-key k.pub docker://HOST/app:1 docker://TARGET/app:1");
    lab.accepted("copy --verify-key other.pub --verify-key k.pub docker://HOST/app:1 oci:one:1");
    lab.accepted("copy --verify-key k.pub --dry-run docker://HOST/app:1 oci:two:1");
}

#[test]
fn a_policy_names_file_scope_and_requirement() {
    let lab = Lab::new();
    let digest = lab.digest("app");
    let policy = |requirement: serde_json::Value| {
        let text = json!({
            "default": [{ "type": "reject" }],
            "transports": { "docker": { format!("{}/app", lab.host): [requirement] } },
        });
        lab.session.write("p.json", text.to_string());
    };
    let line = "copy --policy p.json docker://HOST/app:1 docker://TARGET/app:1";
    let k = lab.session.path("k.pub").display().to_string();
    policy(json!({ "type": "sigstoreSigned", "keyPath": k }));
    let told = lab.rejected(line);
    for part in ["p.json", &format!("docker, scope \"{}/app\"", lab.host), "sigstoreSigned by", &k]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    lab.sign("app", &digest, "vendor/app:1");
    assert!(lab.rejected(line).contains("it is good, but it is for docker.io/vendor/app:1"));
    lab.sign("app", &digest, &format!("{}/app:1", lab.host));
    lab.accepted(line);
    // Other images and transports have the default.
    assert!(
        lab.rejected("copy --policy p.json docker://HOST/index:1 oci:x:1")
            .contains("(default): reject")
    );
    assert!(
        lab.rejected("copy --policy p.json hello.tar:@0 oci:x:1").contains("(default): reject")
    );
    let mut piped = lab.session.command("copy --policy p.json docker-archive:-:@0 oci:x:1");
    piped.stdin(fs::File::open(lab.session.path("hello.tar")).unwrap());
    assert_eq!(piped.output().unwrap().status.code(), Some(5));
    lab.accepted("copy --insecure-policy hello.tar:@0 oci:free:1");
    policy(json!({ "type": "insecureAcceptAnything" }));
    lab.accepted(line);
    assert!(lab.rejected(&format!("{line} --require-signed")).contains("a signature is demanded"));
    lab.session.write("p.json", r#"{"default":[],"x":1}"#);
    let output = lab.session.run("copy --policy p.json hello.tar:@0 oci:x:1");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let missing = lab.session.run("copy --policy none.json hello.tar:@0 oci:x:1");
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}

#[test]
fn each_image_of_an_index_is_checked_or_the_index_for_all() {
    let lab = Lab::new();
    let (_, index) = lab.registry.manifest("index", "1").unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let children: Vec<String> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["digest"].as_str().unwrap().to_owned())
        .collect();
    let k = lab.session.path("k.pub").display().to_string();
    let text = json!({ "default": [{ "type": "sigstoreSigned", "keyPath": k, "signedIdentity": { "type": "matchRepository" } }] });
    lab.session.write("p.json", text.to_string());
    let name = format!("{}/index", lab.host);
    let line = "copy --policy p.json docker://HOST/index:1 docker://TARGET/index:1";
    lab.sign("index", &lab.digest("index"), &name);
    // podman and skopeo look at each image on its own; cosign signs the index.
    assert!(lab.rejected(line).contains("there is no signature"));
    lab.accepted("copy --verify-key k.pub docker://HOST/index:1 docker://TARGET/index:1");
    lab.sign("index", &children[0], &name);
    assert!(lab.rejected(line).contains(&children[1]));
    let one = &index["manifests"][0]["platform"];
    let (os, arch) = (one["os"].as_str().unwrap(), one["architecture"].as_str().unwrap());
    lab.accepted(&format!("{line} --platform {os}/{arch}"));
    for child in &children[1..] {
        lab.sign("index", child, &name);
    }
    lab.accepted(line);
}

#[test]
fn of_several_images_those_that_are_rejected_stay_behind() {
    let lab = Lab::new();
    lab.sign("app", &lab.digest("app"), "x");
    let mut pair = [("app", "a"), ("index", "b")];
    for out in ["last", "first"] {
        let lines = pair.map(|(from, to)| format!("docker://{}/{from}:1 -> {to}:1\n", lab.host));
        lab.session.write("list", lines.concat());
        let line = format!("copy --verify-key k.pub --from-file list oci:{out}");
        lab.rejected(&line);
        let output = lab.session.run(&format!("{line} --keep-going"));
        assert_eq!(output.status.code(), Some(5), "{out}: {output:?}");
        let listed = lab.session.ok(&format!("list oci:{out}"));
        assert!(listed.contains("a:1") && !listed.contains("b:1"), "{listed}");
        pair.reverse();
    }
    lab.session.write(
        "list",
        format!("docker://{0}/index:1 -> b:1\ndocker://{0}/index:1 -> c:1\n", lab.host),
    );
    let told = lab.rejected("copy --verify-key k.pub --from-file list --keep-going oci:none");
    assert!(told.contains("no image may be copied"), "{told}");
}

#[test]
fn what_was_checked_is_copied_whatever_the_registry_says_the_second_time() {
    let lab = Lab::new();
    lab.sign("app", &lab.digest("app"), "x");
    let (media_type, bytes) = lab.registry.manifest("index", "1").unwrap();
    let line = format!("copy --verify-key k.pub --tags 1 docker://{}/app oci:out", lab.host);
    let other = Fault::Document { media_type, bytes };
    lab.registry
        .inject(Rule::new(other).method("GET").path("/v2/app/manifests/1").skip(1).always());
    lab.registry.forget_exchanges();
    lab.session.ok(&line);
    assert_eq!(lab.registry.count("GET", "/v2/app/manifests/1"), 1);
    let copied = lab.session.ok("inspect --digest oci:out:@0");
    assert_eq!(copied.trim(), lab.digest("app"));
}

/// The manual's chapter `trust` has these figures.
#[test]
fn what_a_check_costs() {
    // Three tags are asked for; the one of signatures has a manifest and a payload. A list of referrers follows where that is not
    // enough, and of each bundle a manifest and its content.
    let by = |key: &'static str, form: &'static str| (key, form);
    for (signed, more) in [
        (vec![by("k.pem", "tag")], 5),
        (vec![by("k.pem", "bundle")], 6),
        (vec![by("k.pem", "tag"), by("k.pem", "bundle")], 5),
        (vec![by("other.pem", "tag"), by("k.pem", "bundle")], 8),
    ] {
        let lab = Lab::new();
        for (key, form) in &signed {
            lab.session
                .ok(&format!("sign --key {key} --format {form} docker://{}/app:1", lab.host));
        }
        lab.registry.forget_exchanges();
        lab.accepted("copy --verify-key k.pub docker://HOST/app:1 oci:with:1");
        let with = lab.registry.exchanges().len();
        lab.registry.forget_exchanges();
        lab.accepted("copy docker://HOST/app:1 oci:without:1");
        assert_eq!(with - lab.registry.exchanges().len(), more, "{signed:?}");
    }
}

#[test]
fn what_is_signed_is_verified_and_the_signature_is_there_before_the_tag() {
    let lab = Lab::new();
    let host = &lab.host;
    lab.registry.forget_exchanges();
    lab.session.ok(&format!(
        "copy --quiet --sign-key k.pem oci-archive:index.tar docker://{host}/signed:1"
    ));
    let puts: Vec<String> = lab
        .registry
        .exchanges()
        .iter()
        .filter(|one| one.method == "PUT" && one.path.contains("/manifests/"))
        .map(|one| one.path.clone())
        .collect();
    let signatures = puts.iter().filter(|path| path.contains(".sig")).count();
    assert_eq!(signatures, 4, "the index and three images: {puts:?}");
    assert!(puts.last().unwrap().ends_with("/manifests/1"), "{puts:?}");
    let k = lab.session.path("k.pub").display().to_string();
    let exact = json!({ "default": [{ "type": "sigstoreSigned", "keyPath": k }] });
    lab.session.write("p.json", exact.to_string());
    lab.accepted("copy --policy p.json docker://HOST/signed:1 docker://TARGET/signed:1");
    // A second signature joins the first.
    lab.session.ok(&format!("sign --key other.pem docker://{host}/signed:1"));
    for key in ["k.pub", "other.pub"] {
        lab.session.ok(&format!("verify --key {key} docker://{host}/signed:1"));
    }
    // Carried with the image, it holds under its old name.
    lab.session
        .ok(&format!("copy --quiet --referrers docker://{host}/signed:1 docker://{host}/mirror:1"));
    lab.session.ok(&format!("verify --key k.pub docker://{host}/mirror:1"));
    assert!(
        lab.rejected("copy --policy p.json docker://HOST/mirror:1 oci:x:1")
            .contains("/signed:1, not for")
    );
}

/// A registry that takes images and no signatures; an image of several names, of which a signature would cover one.
#[test]
fn what_cannot_be_signed_is_no_success() {
    let lab = Lab::new();
    let host = &lab.host;
    lab.registry.inject(
        Rule::new(Fault::Status { status: 403, retry_after: None })
            .method("PUT")
            .path(".sig")
            .always(),
    );
    let refused = lab
        .session
        .run(&format!("copy --quiet --sign-key k.pem hello.tar:@0 docker://{host}/refused:1"));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused).contains("does not take all of it"), "{}", text(&refused));
    assert!(lab.registry.manifest("refused", "1").is_none(), "it is there without its signature");
    lab.registry.clear_faults();
    let several = lab.session.run(&format!(
        "copy --quiet --sign-key k.pem --name {host}/two:1 --name {host}/two:2 hello.tar:@0 docker://{host}/two"
    ));
    assert_eq!(several.status.code(), Some(2), "{several:?}");
    assert!(text(&several).contains("several names"), "{}", text(&several));
}

#[test]
fn a_policy_that_is_a_link_to_nothing_is_not_absent() {
    let lab = Lab::new();
    let folder = lab.session.path("home/.config/containers");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/nowhere/policy.json", folder.join("policy.json")).unwrap();
    let home = lab.session.path("home").display().to_string();
    let copied =
        lab.session.command("copy --quiet hello.tar:@0 oci:x:1").env("HOME", home).output();
    assert_ne!(copied.unwrap().status.code(), Some(0));
}

#[test]
fn bundles_and_files_of_signatures_are_kept_with_images() {
    let lab = Lab::new();
    let unsigned = lab.session.run("verify --key k.pub hello.tar:@0");
    assert_eq!(unsigned.status.code(), Some(5), "{unsigned:?}");
    for to in ["oci:layout:1", "oci-archive:a.tar:1"] {
        lab.session
            .ok(&format!("copy --quiet --sign-key k.pem --sign-format bundle hello.tar:@0 {to}"));
        lab.session.ok(&format!("verify --key k.pub {to}"));
        assert_eq!(lab.session.run(&format!("verify --key other.pub {to}")).status.code(), Some(5));
    }
    lab.session.ok(&format!(
        "copy --quiet --preserve-digests --referrers oci:layout:1 docker://{}/carried:1",
        lab.host
    ));
    lab.accepted("copy --verify-key k.pub docker://HOST/carried:1 docker://TARGET/carried:1");
    lab.session.ok("sign --key other.pem --format bundle oci:layout:1");
    for key in ["k.pub", "other.pub"] {
        lab.session.ok(&format!("verify --key {key} oci:layout:1"));
    }
    let no_name = lab.session.run("copy --sign-key k.pem hello.tar:@0 dir:d");
    assert_eq!(no_name.status.code(), Some(2), "{no_name:?}");
    let names = "--sign-identity registry.example.com/app:1";
    lab.session.ok(&format!("copy --quiet --sign-key k.pem {names} hello.tar:@0 dir:d"));
    lab.session.ok("verify --key k.pub dir:d");
    lab.session.ok(&format!("copy --quiet --sign-key other.pem {names} dir:d dir:e"));
    for key in ["k.pub", "other.pub"] {
        lab.session.ok(&format!("verify --key {key} dir:e"));
    }
    let exact = json!({ "default": [{ "type": "sigstoreSigned", "keyPath": lab.session.path("k.pub"),
        "signedIdentity": { "type": "exactReference", "dockerReference": "registry.example.com/app:1" } }] });
    lab.session.write("p.json", exact.to_string());
    lab.accepted("copy --policy p.json dir:e dir:f");
    let archive = lab
        .session
        .run(&format!("copy --sign-key k.pem {names} hello.tar:@0 docker-archive:s.tar"));
    assert_eq!(archive.status.code(), Some(1), "{archive:?}");
    assert!(!lab.session.path("s.tar").exists());
}
