//! All repositories of a registry: listed, and copied.

use serde_json::{Value, json};
use transship_test_registry::{Fault, Options, Registry, Rule};

use crate::session::Session;

fn start() -> (Session, Registry, String) {
    let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
    let host = registry.host().to_owned();
    for name in ["team/a:1", "team/a:2", "team/b:1", "other:1"] {
        session.ok(&format!("copy -q hello.tar:example/hello:1 docker://{host}/{name}"));
    }
    registry.forget_exchanges();
    (session, registry, host)
}

#[test]
fn repositories_are_listed() {
    let (session, registry, host) = start();
    for place in [format!("docker://{host}"), format!("docker://{host}/")] {
        let listed = session.ok(&format!("list {place}"));
        assert_eq!(listed, format!("{host}/other\n{host}/team/a\n{host}/team/b\n"));
    }
    assert_eq!(registry.count("GET", "/v2/_catalog"), 2);
    assert_eq!(registry.count("GET", "/tags/list"), 0);
    let listed = session.ok(&format!("list --json docker://{host}/team/"));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let some = ["a", "b"].map(|name| format!("docker://{host}/team/{name}"));
    assert_eq!(
        listed,
        json!({ "reference": format!("docker://{host}/team/"), "repositories": some })
    );
    let tags = session.ok(&format!("list --tags 1 docker://{host}/team/"));
    assert_eq!(tags, format!("{host}/team/a:1\n{host}/team/b:1\n"));
}

#[test]
fn repositories_are_copied() {
    let (session, _registry, host) = start();
    let other = Registry::start(Options::default()).unwrap();
    session.ok(&format!("copy -q --all-images docker://{host}/team/ oci:layout"));
    let names: Value = serde_json::from_str(&session.ok("list --json oci:layout")).unwrap();
    let names: Vec<&Value> = names["images"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["names"].as_array().unwrap())
        .collect();
    assert_eq!(names, ["a:1", "a:2", "b:1"].map(|name| format!("{host}/team/{name}")).each_ref());
    let to = other.host();
    session.ok(&format!("copy -q --all-images docker://{host}/team/ docker://{to}/mirror/"));
    assert_eq!(other.repositories(), ["mirror/team/a", "mirror/team/b"]);
    session.ok(&format!(
        "copy -q --tags 2 --rename {host}/team/*=x/flat/* docker://{host}/ docker://{to}/"
    ));
    assert_eq!(other.repositories(), ["mirror/team/a", "mirror/team/b", "x/flat/a"]);
    let again = session
        .ok(&format!("copy --json --all-images docker://{host}/team/ docker://{to}/mirror/"));
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["images"].as_array().unwrap().len(), 3);
    assert_eq!(again["blobs_moved"], 0);
}

#[test]
fn a_registry_without_a_catalog_says_so() {
    let (session, registry, host) = start();
    registry.inject(
        Rule::new(Fault::Status { status: 404, retry_after: None }).path("_catalog").always(),
    );
    for line in [
        format!("list docker://{host}"),
        format!("copy --all-images docker://{host}/team/ oci:layout"),
    ] {
        let output = session.run(&line);
        assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("lists no repositories") && said.contains("one by one"), "{said}");
    }
    assert!(!session.path("layout").exists());
    // Of all that is there, no one image is meant.
    let output = session.run(&format!("copy docker://{host}/team/ oci:layout"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--all-images"), "{said}");
}
