//! Signatures in layouts and archives: what is signed in one registry is checked where that registry cannot be reached.

use std::fs;

use serde_json::{Value, json};
use transship_test_registry::{Options, Registry};

use crate::trust::{Lab, text};

impl Lab {
    /// Copies `app:1`, signed under a tag, and `index:1`, signed by a bundle, to a place for several images.
    fn carry(&self, to: &str) {
        let host = &self.host;
        self.session.ok(&format!("sign --key k.pem docker://{host}/app:1"));
        self.session.ok(&format!("sign --key k.pem --format bundle docker://{host}/index:1"));
        let list = format!(
            "docker://{host}/app:1 -> {host}/app:1\ndocker://{host}/index:1 -> {host}/index:1\n"
        );
        self.session.write("list", list);
        self.session.ok(&format!("copy --quiet --referrers --from-file list {to}"));
    }

    fn tag(&self, repository: &str) -> String {
        format!("{}.sig", self.digest(repository).replace(':', "-"))
    }
}

#[test]
fn what_is_carried_in_is_checked_without_the_registry_that_it_is_from() {
    let lab = Lab::new();
    lab.carry("oci-archive:carried.tar");
    lab.carry("oci:layout");
    let (app, index) = (format!("{}/app:1", lab.host), format!("{}/index:1", lab.host));
    let Lab { session, registry, host } = lab;
    drop(registry);
    let site = Registry::start(Options::default()).unwrap();
    for place in ["oci-archive:carried.tar", "oci:layout"] {
        session.ok(&format!("verify --key k.pub {place}"));
        assert_eq!(session.run(&format!("verify --key other.pub {place}")).status.code(), Some(5));
        let k = session.path("k.pub").display().to_string();
        let exact = json!({ "type": "sigstoreSigned", "keyPath": k,
            "signedIdentity": { "type": "exactReference", "dockerReference": app } });
        let scheme = place.split(':').next().unwrap();
        let policy =
            json!({ "default": [{ "type": "reject" }], "transports": { scheme: { "": [exact] } } });
        session.write("p.json", policy.to_string());
        let to = format!("docker://{}/{scheme}", site.host());
        session.ok(&format!("copy --quiet --policy p.json --referrers {place}:{app} {to}/app:1"));
        session.ok(&format!(
            "copy --quiet --verify-key k.pub --referrers {place}:{index} {to}/index:1"
        ));
        let remap = json!({ "type": "sigstoreSigned", "keyPath": k, "signedIdentity":
            { "type": "remapIdentity", "prefix": format!("{}/{scheme}", site.host()), "signedPrefix": host } });
        session.write("p.json", json!({ "default": [remap] }).to_string());
        session.ok(&format!("copy --quiet --policy p.json {to}/app:1 oci:{scheme}-node:1"));
        for image in ["app:1", "index:1"] {
            session.ok(&format!("verify --key k.pub {to}/{image}"));
        }
    }
}

#[test]
fn signatures_are_no_images() {
    let lab = Lab::new();
    lab.carry("oci:layout");
    lab.carry("oci-archive:a.tar");
    let host = &lab.host;
    for place in ["oci:layout", "oci-archive:a.tar"] {
        for line in [format!("list {place}"), format!("digests {place}")] {
            let said = lab.session.ok(&line);
            assert!(!said.contains(".sig"), "{line}: {said}");
        }
        lab.session
            .ok(&format!("copy --quiet --all-images {place} docker-archive:{}.tar", place.len()));
        // It is there by its name all the same, for other tools.
        let tag = lab.tag("app");
        assert!(lab.session.ok(&format!("inspect --raw {place}:{tag}")).contains("simplesigning"));
    }
    for line in ["list", "digests"] {
        let said = lab.session.ok(&format!("{line} docker://{host}/app"));
        assert!(said.contains('1') && !said.contains(".sig"), "{line}: {said}");
    }
    lab.session.ok(&format!("copy --quiet --all-images --referrers docker://{host}/app oci:all"));
    assert_eq!(entries(&lab, "all").len(), 2);
    lab.session.ok("verify --key k.pub oci:all");
    // The signature goes with its image.
    lab.session.ok("delete oci:all");
    assert_eq!(entries(&lab, "all").len(), 0);
    lab.session.ok(&format!("delete oci-archive:a.tar:{host}/index:1"));
    lab.session.ok("verify --key k.pub oci-archive:a.tar");
}

#[test]
fn what_does_not_travel_is_said_by_name() {
    let lab = Lab::new();
    lab.carry("oci:layout");
    let (host, tag) = (&lab.host, lab.tag("app"));
    for to in ["docker-archive:d.tar", "dir:d"] {
        let said = lab.session.run(&format!("copy --referrers oci:layout:{host}/app:1 {to}"));
        assert!(said.status.success() && text(&said).contains(&tag), "{to}: {}", text(&said));
    }
    let from = format!("oci:layout:{host}");
    for (image, says) in [("app:1", &*tag), ("index:1", "signature sha256:")] {
        let change = "--referrers --format oci --compress zstd";
        let line = format!("copy {change} {from}/{image} oci:out:{image}");
        let said = text(&lab.session.run(&line));
        assert!(said.contains(says) && said.contains("no longer hold"), "{line}: {said}");
    }
    for image in ["app:1", "index:1"] {
        let line = format!("copy --referrers --remove-signatures {from}/{image} oci:bare:{image}");
        let said = lab.session.run(&line);
        assert!(said.status.success() && !text(&said).contains("sig"), "{}", text(&said));
        let verified = lab.session.run(&format!("verify --key k.pub oci:bare:{image}"));
        assert_eq!(verified.status.code(), Some(5), "{verified:?}");
    }
}

/// A layout of `cosign save` says in annotations what its entries are, and names none of them.
#[test]
fn a_layout_that_cosign_saved_is_checked() {
    let lab = Lab::new();
    lab.session.ok(&format!("sign --key k.pem docker://{}/app:1", lab.host));
    lab.session.ok(&format!("copy --quiet --referrers docker://{}/app:1 oci:saved:1", lab.host));
    let path = lab.session.path("saved/index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (entry, kind) in
        index["manifests"].as_array_mut().unwrap().iter_mut().zip(["image", "sigs"])
    {
        entry["annotations"] = json!({ "kind": format!("dev.cosignproject.cosign/{kind}") });
    }
    fs::write(&path, index.to_string()).unwrap();
    lab.session.ok("verify --key k.pub oci:saved");
    lab.session.ok(&format!("copy --quiet --referrers oci:saved docker://{}/again:1", lab.host));
    lab.session.ok(&format!("verify --key k.pub docker://{}/again:1", lab.host));
    lab.session.ok("delete oci:saved");
    assert_eq!(entries(&lab, "saved").len(), 0);
}

/// In a layout signatures join those that are there, under a name that is said.
#[test]
fn images_in_layouts_are_signed_under_a_tag() {
    let lab = Lab::new();
    let name = "registry.example.com/app:1";
    for place in ["oci:layout", "oci-archive:a.tar"] {
        let unnamed = lab.session.run(&format!("copy --sign-key k.pem hello.tar:@0 {place}:1"));
        assert_eq!(unnamed.status.code(), Some(2), "{unnamed:?}");
        lab.session.ok(&format!("copy --quiet --sign-key k.pem hello.tar:@0 {place}:{name}"));
        lab.session.ok(&format!("sign --key other.pem {place}:{name}"));
        for key in ["k.pub", "other.pub"] {
            lab.session.ok(&format!("verify --key {key} {place}"));
        }
    }
    assert_eq!(entries(&lab, "layout").len(), 2);
}

/// The reference says the name in its short form, and the layout has it in full.
#[test]
fn signing_adds_no_name() {
    let lab = Lab::new();
    lab.session.ok("copy --quiet hello.tar:example/world:1 oci:layout");
    lab.session.ok("copy --quiet hello.tar:@0 oci:two");
    let before = lab.session.ok("list oci:layout");
    lab.session.ok("sign --key k.pem oci:layout:example/world:1");
    lab.session.ok("sign --key k.pem oci:two:example/hello:1");
    assert_eq!(lab.session.ok("list oci:layout"), before);
    lab.session.ok("verify --key k.pub oci:layout");
    lab.session.ok("sign --key other.pem oci:layout");
    lab.session.ok("sign --key other.pem --identity a.b/c:1 oci:layout:@0");
    assert_eq!(lab.session.ok("list oci:layout"), before);
    for (place, says) in
        [("hello.tar", "choose with"), ("docker-archive:-", "copy it with --sign-key")]
    {
        let said = lab.session.run(&format!("sign --key k.pem {place}"));
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        let said = text(&said);
        assert!(said.contains(says) && !said.contains("--all-images"), "{said}");
    }
}

/// What else the image is called there was not asked for, and is not lost.
#[test]
fn signing_loses_no_name() {
    let lab = Lab::new();
    lab.session.ok(
        "copy --quiet --name a.x/app:1 --name a.x/app:2 --name b.x/app:1 hello.tar:@0 oci:layout",
    );
    let before = lab.session.ok("list oci:layout");
    for command in
        ["sign --key k.pem oci:layout:a.x/app:2", "copy oci:layout:a.x/app:1 oci:layout:b.x/app:1"]
    {
        let said = lab.session.run(command);
        assert!(said.status.success(), "{said:?}");
        let said = text(&said);
        assert!(!said.contains("lost") && !said.contains("cannot hold"), "{command}: {said}");
    }
    assert_eq!(lab.session.ok("list oci:layout"), before);
}

fn entries(lab: &Lab, layout: &str) -> Vec<Value> {
    let bytes = fs::read(lab.session.path(layout).join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&bytes).unwrap();
    index["manifests"].as_array().unwrap().clone()
}
