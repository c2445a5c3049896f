//! Signatures beside images: none is lost, none is there twice, and what is read of them is bounded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use transship_test_registry::{Fault, Rule};

use crate::trust::{Lab, text};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

impl Lab {
    /// The layers of the list of signatures of the image with tag 1.
    fn signatures(&self, repository: &str) -> Vec<Value> {
        let tag = self.digest(repository).replace(':', "-") + ".sig";
        let (_, list) = self.registry.manifest(repository, &tag).unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        list["layers"].as_array().unwrap().clone()
    }

    fn verified(&self, repository: &str, key: &str) -> bool {
        let line = format!("verify --key {key} docker://{}/{repository}:1", self.host);
        self.session.run(&line).status.success()
    }

    /// Puts a list of signatures of `app:1` that says of each payload how many bytes it has.
    fn list(&self, sizes: &[(usize, bool)]) {
        let digest = self.digest("app");
        let layer = |(at, (size, signed)): (usize, &(usize, bool))| {
            let blob = self.registry.put_blob("app", vec![b"0123456789"[at % 10]; *size]);
            let annotations = if *signed { json!({ SIGNATURE: "AAAA" }) } else { json!({}) };
            json!({ "mediaType": PAYLOAD, "digest": blob, "size": size, "annotations": annotations })
        };
        let layers: Vec<Value> = sizes.iter().enumerate().map(layer).collect();
        let config = self.registry.put_blob("app", "{}");
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config, "size": 2 });
        let list = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config,
            "layers": layers });
        let tag = digest.replace(':', "-") + ".sig";
        self.registry.put_manifest("app", Some(&tag), MANIFEST, list.to_string());
    }
}

#[test]
fn what_is_read_of_signatures_is_bounded() {
    const LARGEST: usize = 4 << 20;
    let lab = Lab::new();
    let line = "copy --verify-key k.pub docker://HOST/app:1 oci:none:1";
    for (sizes, why, blobs) in [
        (vec![(LARGEST, true); 5], "more than 16777216 are not read", 0),
        (vec![(LARGEST, true)], "no key of the policy made it", 1),
        (vec![(LARGEST + 1, true)], "its payload is larger than", 0),
        (vec![(300, false); 9], "it has no annotation", 0),
        (vec![(30, true); 257], "more than 256 are not read", 0),
        (vec![(30, true); 256], "and 248 more", 10),
    ] {
        lab.list(&sizes);
        let told = lab.rejected(line);
        assert!(told.contains(why), "{why}: {told}");
        let read = lab.registry.exchanges();
        let mut read: Vec<&str> =
            read.iter().filter(|one| one.path.contains("/blobs/")).map(|one| &*one.path).collect();
        read.sort_unstable();
        read.dedup();
        assert_eq!(read.len(), blobs, "{why}");
    }
}

#[test]
fn signing_again_adds_nothing() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    for _ in 0..3 {
        session.ok(&format!("sign --key k.pem docker://{host}/app:1"));
        session.ok(&format!("copy --quiet --sign-key k.pem hello.tar:@0 docker://{host}/app:1"));
        assert_eq!(lab.signatures("app").len(), 1);
    }
    session.ok(&format!("sign --key k.pem --identity other.x/app:1 docker://{host}/app:1"));
    session.ok(&format!("sign --key other.pem docker://{host}/app:1"));
    assert_eq!(lab.signatures("app").len(), 3);
    let name = "--identity registry.example.com/app:1";
    session.ok("copy --quiet hello.tar:@0 dir:d");
    for _ in 0..2 {
        session.ok(&format!("sign --key k.pem {name} dir:d"));
        session.ok(&format!("sign --key other.pem {name} dir:d"));
    }
    let files = std::fs::read_dir(session.path("d")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    let files: Vec<_> = files.iter().filter_map(|file| file.to_str()).collect();
    let files: Vec<_> = files.iter().filter(|file| file.starts_with("signature-")).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    session.ok("copy --quiet hello.tar:@0 oci:layout:1");
    for _ in 0..2 {
        session.ok("sign --key k.pem --format bundle oci:layout:1");
        session.ok(&format!("sign --key k.pem --format bundle docker://{host}/app:1"));
    }
    let index = std::fs::read_to_string(session.path("layout/index.json")).unwrap();
    assert_eq!(index.matches("dev.sigstore.bundle").count(), 1, "{index}");
}

/// A copy to a registry would compress layers that are plain there.
#[test]
fn layers_that_are_plain_in_a_registry_stay_so() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    session.ok("copy --quiet hello.tar:@0 oci:layout:1");
    session.ok(&format!("copy --quiet --preserve-digests oci:layout:1 docker://{host}/plain:1"));
    let before = lab.digest("plain");
    session.ok(&format!("sign --key k.pem docker://{host}/plain:1"));
    assert_eq!(lab.digest("plain"), before);
    assert!(lab.verified("plain", "k.pub"));
}

/// What comes with an image is added to the signatures that are there, in each repository that the image goes to.
#[test]
fn signatures_that_are_there_stay() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    for (repository, key) in [("app", "k.pem"), ("two", "other.pem")] {
        session.ok(&format!("copy --quiet docker://{host}/app:1 docker://{host}/{repository}:1"));
        session.ok(&format!("sign --key {key} docker://{host}/{repository}:1"));
    }
    assert!(!lab.verified("two", "k.pub") && lab.verified("two", "other.pub"));
    let copy = format!("copy --quiet --referrers docker://{host}/app:1");
    session.ok(&format!("{copy} docker://{host}/two:1"));
    assert!(lab.verified("two", "k.pub") && lab.verified("two", "other.pub"));
    // Carried, signed and there: three signatures, and again nothing new.
    for _ in 0..2 {
        session.ok(&format!("{copy} --sign-key k.pem docker://{host}/two:1"));
        assert_eq!(lab.signatures("two").len(), 3);
    }
    session.ok(&format!("copy --quiet docker://{host}/app:1 docker://{host}/p/three:1"));
    session.ok(&format!("sign --key other.pem docker://{host}/p/three:1"));
    session.ok(&format!(
        "copy --quiet --sign-key k.pem --sign-identity any.x/app:1 --name a.x/four:1 --name a.x/three:1 docker://{host}/app:1 docker://{host}/p/"
    ));
    for repository in ["p/three", "p/four"] {
        assert!(lab.verified(repository, "k.pub") && lab.verified(repository, "other.pub"));
    }
}

/// Of two repositories, the second refuses signatures: the image shows in neither.
#[test]
fn an_image_does_not_show_without_its_signature() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    let refused = Fault::Status { status: 403, retry_after: None };
    lab.registry
        .inject(Rule::new(refused).method("PUT").path("/v2/p/second/manifests/sha256").always());
    for format in ["tag", "bundle"] {
        let copy = format!(
            "copy --quiet --sign-key k.pem --sign-identity any.x/app:1 --sign-format {format} --name a.x/first:1 --name a.x/second:1 hello.tar:@0 docker://{host}/p/"
        );
        let output = session.run(&copy);
        assert_eq!(output.status.code(), Some(1), "{format}: {output:?}");
        assert!(
            text(&output).contains("is denied") || text(&output).contains("403"),
            "{}",
            text(&output)
        );
        for repository in ["p/first", "p/second"] {
            assert!(lab.registry.manifest(repository, "1").is_none(), "{format}: {repository}");
        }
    }
}

/// What is itself a signature is no image that a policy is asked about.
#[test]
fn all_images_of_a_repository_with_signatures_are_copied_under_a_policy() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    session.ok(&format!("sign --key k.pem docker://{host}/app:1"));
    let all =
        format!("copy --quiet --verify-key k.pub --all-images --referrers docker://{host}/app");
    session.ok(&format!("{all} docker://{host}/mirror"));
    assert!(lab.verified("mirror", "k.pub"));
    assert_eq!(lab.registry.tags("mirror").len(), 2);
}

#[test]
fn the_reason_of_an_index_is_said() {
    let lab = Lab::new();
    lab.session.ok(&format!("sign --key other.pem docker://{}/index:1", lab.host));
    let told = lab.rejected("copy --verify-key k.pub docker://HOST/index:1 oci:none:1");
    let root = lab.digest("index");
    assert!(told.contains(&format!("and the index {root} is rejected")), "{told}");
    assert_eq!(told.matches("no key of the policy made it").count(), 2, "{told}");
}

/// The hint names the flag of the command at hand, and `sign` says nothing of a copy.
#[test]
fn a_name_that_is_missing_is_said_with_the_flag_for_it() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    session.ok("copy --quiet hello.tar:@0 dir:d");
    for (line, flag) in [
        ("sign --key k.pem dir:d", "--identity says"),
        ("copy --quiet --sign-key k.pem hello.tar:@0 dir:e", "--sign-identity says"),
        (
            "copy --quiet --sign-key k.pem --name a.x/a:1 --name a.x/b:1 hello.tar:@0 docker://HOST/p/",
            "--sign-identity says the name that is signed, as registry.example.com/app:1; or copy",
        ),
    ] {
        let output = session.run(&line.replace("HOST", host));
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(text(&output).contains(flag), "{line}: {}", text(&output));
    }
    let signed = session.run(&format!("sign --key k.pem docker://{host}/app:1"));
    assert!(signed.status.success() && !text(&signed).contains("copying"), "{}", text(&signed));
    assert!(session.ok("copy --help").contains("--insecure-policy"));
}

/// As with skopeo, which copies all tags of a repository.
#[test]
fn a_mirror_of_a_repository_has_its_signatures() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    session.ok(&format!("sign --key k.pem docker://{host}/app:1"));
    let yaml = |of: &str| format!("{host}:\n  tls-verify: false\n  images:\n    app: {of}\n");
    session.write("all.yml", yaml("[]"));
    session.write("one.yml", yaml("[\"1\"]"));
    session.ok(&format!("sync --quiet all.yml docker://{host}/all"));
    session.ok(&format!("sync --quiet one.yml docker://{host}/one"));
    assert!(lab.verified("all/app", "k.pub") && !lab.verified("one/app", "k.pub"));
    let all = format!("copy --all-images docker://{host}/app");
    let said = |line: &str| text(&session.run(line));
    for (line, to, comes) in [
        (all.clone(), "all-images", true),
        (format!("{all} --referrers"), "with", true),
        (format!("{all} --remove-signatures"), "without", false),
        (format!("copy --tags 1 docker://{host}/app"), "chosen", false),
        (format!("copy docker://{host}/app:1"), "alone", false),
    ] {
        session.ok(&format!("{line} docker://{host}/{to}/app"));
        assert_eq!(lab.verified(&format!("{to}/app"), "k.pub"), comes, "{line}");
    }
    let lost = said(&format!("{all} docker-archive:app.tar"));
    assert!(lost.contains(".sig, which is about"), "{lost}");
    // A signature that came later comes later.
    session.ok(&format!("sign --key other.pem docker://{host}/app:1"));
    session.ok(&format!("{all} docker://{host}/all-images/app"));
    assert!(lab.verified("all-images/app", "other.pub"));
}

/// Each reads the tag before another one has written it, so that the last one to write replaces what the others added.
#[test]
fn of_signers_at_the_same_moment_none_loses_a_signature() {
    let lab = Lab::new();
    let place = format!("docker://{}/app:1", lab.host);
    let late = Fault::Late(Duration::from_millis(300));
    lab.registry.inject(Rule::new(late).method("GET").path(".sig").always());
    let sign = |key: &str| lab.session.command(&format!("sign --key {key} {place}")).spawn();
    let signers = ["k.pem", "other.pem", "k.pem"].map(|key| sign(key).unwrap());
    for mut signer in signers {
        assert!(signer.wait().unwrap().success());
    }
    assert!(lab.verified("app", "k.pub") && lab.verified("app", "other.pub"));
    assert_eq!(lab.signatures("app").len(), 2);
}

/// Signing writes no tag, so that one that moves meanwhile stays where it went.
#[test]
fn a_tag_that_moves_while_its_image_is_signed_is_not_moved_back() {
    let lab = Lab::new();
    let (session, registry, host) = (&lab.session, &lab.registry, &lab.host);
    let (media_type, other) = registry.manifest("index", "1").unwrap();
    let late = Fault::Late(Duration::from_millis(300));
    registry.inject(Rule::new(late).method("GET").path(".sig").always());
    let move_tag_at = |repository: &str, request: usize| {
        until(|| registry.count("GET", ".sig") >= request);
        registry.put_manifest(repository, Some("1"), &media_type, other.clone());
    };
    let digest = lab.digest("app");
    for line in [
        "sign --key k.pem docker://HOST/app:1",
        "copy --sign-key k.pem hello.tar:@0 docker://HOST/new:1",
    ] {
        registry.forget_exchanges();
        let repository = if line.starts_with("sign") { "app" } else { "new" };
        let mut signer = session.command(&line.replace("HOST", host)).spawn().unwrap();
        if repository == "new" {
            // Another signer replaces the signature, so that it is added again.
            until(|| registry.manifest(repository, "1").is_some());
            lab.sign(repository, &digest, "other.example.com/app:1");
            move_tag_at(repository, 3);
        } else {
            move_tag_at(repository, 1);
        }
        assert!(signer.wait().unwrap().success(), "{line}");
        assert_eq!(registry.manifest(repository, "1").unwrap().1, other, "{line}");
        let verify = format!("verify --key k.pub docker://{host}/{repository}@{digest}");
        assert!(session.run(&verify).status.success(), "{line}");
    }
}

fn until(it_is_so: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !it_is_so() {
        assert!(Instant::now() < patience, "the signer has not come so far");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// In a layout a signature is there, or its signer fails with an error that says what happened.
#[test]
fn of_signers_of_a_layout_at_the_same_moment_one_may_fail_and_none_loses_a_signature_unsaid() {
    let lab = Lab::new();
    let place = "oci:layout:registry.example.com/app:1";
    lab.session.ok(&format!("copy --quiet hello.tar:@0 {place}"));
    let sign = |key: &str| {
        let mut sign = lab.session.command(&format!("sign --key {key}.pem {place}"));
        sign.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    for (key, signer) in ["k", "other", "k"].map(|key| (key, sign(key))) {
        let output = signer.wait_with_output().unwrap();
        if !output.status.success() {
            assert!(text(&output).contains("another writer changed"), "{}", text(&output));
            lab.session.ok(&format!("sign --key {key}.pem {place}"));
        }
    }
    for key in ["k.pub", "other.pub"] {
        lab.session.ok(&format!("verify --key {key} {place}"));
    }
}

/// What is wrong with an image has nothing to do with who signed it.
#[test]
fn a_key_changes_nothing_of_what_is_said_of_a_broken_image() {
    let lab = Lab::new();
    let (session, host) = (&lab.session, &lab.host);
    session.ok("copy --quiet oci-archive:index.tar oci:layout:1");
    session.ok("sign --key k.pem --identity a.example/app:1 oci:layout:1");
    session.ok("verify --key k.pub oci:layout:1");
    let root = session.ok("inspect --digest oci:layout:1");
    let index: Value = serde_json::from_str(&session.ok("inspect --raw oci:layout:1")).unwrap();
    let child = index["manifests"][0]["digest"].as_str().unwrap();
    let said = |line: &str| {
        let output = session.run(line);
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), told, String::from_utf8(output.stderr).unwrap())
    };
    let same = |place: &str, code: i32| {
        let plain = said(&format!("verify {place}"));
        assert_eq!(plain.0, Some(code), "{plain:?}");
        assert_eq!(said(&format!("verify --key k.pub {place}")), plain);
        let json = said(&format!("verify --json {place}"));
        assert_eq!(said(&format!("verify --json --key k.pub {place}")), json);
        plain.1
    };
    for (digest, is_root) in [(child, false), (root.trim(), true)] {
        let blob = session.path(&format!("layout/blobs/{}", digest.replace(':', "/")));
        let bytes = std::fs::read(&blob).unwrap();
        std::fs::write(&blob, vec![b' '; bytes.len()]).unwrap();
        assert!(same("oci:layout:1", 4).starts_with("BAD"));
        std::fs::remove_file(&blob).unwrap();
        // An index may lack an image.
        if is_root {
            let told = same("oci:layout:1", 4);
            assert!(told.starts_with("BAD") && told.contains("root: "), "{told}");
            same("oci:layout", 4);
        }
        std::fs::write(&blob, bytes).unwrap();
    }
    for absent in ["oci:layout:2", "oci:none:1", &format!("docker://{host}/app:2")] {
        assert!(same(absent, 3).starts_with("absent"));
    }
}
