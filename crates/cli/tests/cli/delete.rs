//! `delete` and `digests` of chosen tags, and deletion in registries.

use serde_json::{Value, json};
use transship_test_registry::{Deletes, Options, Registry};

use crate::session::Session;

/// A registry with six tags of two images.
fn start(deletes: Deletes) -> (Session, Registry, String) {
    let mut options = Options::default();
    options.deletes = deletes;
    let (session, registry) = (Session::new(), Registry::start(options).unwrap());
    let host = registry.host().to_owned();
    for tag in ["1.8", "1.9", "1.10", "latest"] {
        let to = format!("docker://{host}/app:{tag}");
        session.ok(&format!("copy -q hello.tar:example/hello:1 {to}"));
    }
    for tag in ["2.0", "2.1"] {
        let to = format!("docker://{host}/app:{tag}");
        session.ok(&format!("copy -q hello.tar:example/world:1 {to}"));
    }
    registry.forget_exchanges();
    (session, registry, host)
}

fn tags(registry: &Registry) -> Vec<String> {
    registry.tags("app").into_iter().map(|(tag, _)| tag).collect()
}

fn failed(session: &Session, line: &str, code: i32) -> String {
    let output = session.run(line);
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn chosen_tags_go_and_no_others() {
    let (session, registry, host) = start(Deletes::Allowed);
    let line = format!("delete --json --semver <2 --not-tags 1.10 docker://{host}/app");
    let looked: Value = serde_json::from_str(&session.ok(&format!("{line} --dry-run"))).unwrap();
    let gone = ["1.8", "1.9"].map(|tag| format!("docker://{host}/app:{tag}"));
    assert_eq!(looked, json!({ "deleted": gone, "dry_run": true }));
    assert_eq!((registry.count("DELETE", "/"), tags(&registry).len()), (0, 6));
    let done: Value = serde_json::from_str(&session.ok(&line)).unwrap();
    assert_eq!(done, json!({ "deleted": gone, "dry_run": false }));
    assert_eq!(tags(&registry), ["1.10", "2.0", "2.1", "latest"]);
    failed(&session, &line, 3);
    let said = failed(&session, &format!("delete --tags 2.0 docker://{host}/app:2.0"), 2);
    assert!(said.contains("one image"), "{said}");
    // What is a wildcard elsewhere fits nothing here, so that all tags would go.
    for pattern in ["v[12]*", "2.?", "/^2/", "2.0,2.1", "(1|2).*", "{1,2}.*"] {
        let line = format!("delete --not-tags {pattern} docker://{host}/app");
        let said = failed(&session, &line, 2);
        assert!(said.contains("which no tag has: * alone"), "{said}");
    }
    assert_eq!(tags(&registry).len(), 4);
}

#[test]
fn a_registry_that_deletes_by_digest_alone() {
    let (session, registry, host) = start(Deletes::ByDigest);
    let line = format!("delete docker://{host}/app:2.0");
    let said = failed(&session, &line, 1);
    assert!(said.contains("2.1 would go with it") && said.contains("--all-tags"), "{said}");
    assert_eq!(tags(&registry).len(), 6);
    session.ok(&format!("{line} --all-tags"));
    assert_eq!(tags(&registry), ["1.10", "1.8", "1.9", "latest"]);
}

#[test]
fn tags_of_one_image_go_together_where_all_of_them_are_to_go() {
    let json = |text: String| serde_json::from_str::<Value>(&text).unwrap()["deleted"].clone();
    for chosen in ["--tags 2.* docker://HOST/app", "docker://HOST/app:2.0 docker://HOST/app:2.1"] {
        for deletes in [Deletes::Allowed, Deletes::ByDigest] {
            let (session, registry, host) = start(deletes);
            let line = format!("delete --json {}", chosen.replace("HOST", &host));
            let output = session.run(&format!("{line} --dry-run"));
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && !said.contains("of the same image"), "{said}");
            let gone = ["2.0", "2.1"].map(|tag| format!("docker://{host}/app:{tag}"));
            assert_eq!(json(session.ok(&line)), json!(gone), "{chosen} {deletes:?}");
            assert_eq!(tags(&registry), ["1.10", "1.8", "1.9", "latest"]);
        }
    }
    let (session, registry, host) = start(Deletes::ByDigest);
    let line = format!("delete --tags 1.* docker://{host}/app");
    let said = failed(&session, &line, 1);
    assert!(said.contains("and latest would go with it") && said.contains("--all-tags"), "{said}");
    assert_eq!(tags(&registry).len(), 6);
    session.ok(&format!("{line} --all-tags"));
    assert_eq!(tags(&registry), ["2.0", "2.1"]);
    // What was never there is no success.
    let names = ["2.0", "none", "2.1"].map(|tag| format!("docker://{host}/app:{tag}"));
    let said = failed(&session, &format!("delete {}", names.join(" ")), 3);
    assert!(said.contains("deleted") && said.contains("app has no none"), "{said}");
}

#[test]
fn a_tag_that_moved_is_not_said_to_be_deleted() {
    for deletes in [Deletes::Allowed, Deletes::ByDigest] {
        let (session, registry, host) = start(deletes);
        let digest = session.ok(&format!("digests docker://{host}/app:1.8"));
        let digest = digest.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
        // Tag 2.0 stands for another image.
        let moved = format!("docker://{host}/app:2.0@{digest}");
        let other = format!("docker://{host}/app:1.8");
        for mode in ["--dry-run ", ""] {
            for order in [[&moved, &other], [&other, &moved]] {
                let line = format!("delete {mode}{} {} --all-tags", order[0], order[1]);
                let said = failed(&session, &line, 1);
                assert!(said.contains("2.0 is sha256:"), "{said}");
                assert!(!said.contains(&format!("deleted {moved}")), "{said}");
                assert!(!said.contains(&format!("would be deleted: {moved}")), "{said}");
            }
        }
        let left = tags(&registry);
        assert!(left.contains(&"2.0".to_owned()) && !left.contains(&"1.8".to_owned()), "{left:?}");
    }
}

#[test]
fn names_are_chosen_in_layouts_and_archives_too() {
    let session = Session::new();
    session.ok("copy -q --all-images hello.tar oci:layout");
    session.ok("copy -q --name team/app:2 hello.tar:example/hello:1 oci:layout");
    session.ok("copy -q --all-images oci:layout docker-archive:some.tar");
    for place in ["oci:layout", "docker-archive:some.tar"] {
        let before = session.ok(&format!("list --json {place}"));
        session.ok(&format!("delete --dry-run --tags 1 {place}"));
        assert_eq!(session.ok(&format!("list --json {place}")), before, "{place}");
        session.ok(&format!("delete --tags 1 {place}"));
        let listed: Value =
            serde_json::from_str(&session.ok(&format!("list --json {place}"))).unwrap();
        let names: Vec<&Value> = listed["images"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| one["names"].as_array().unwrap())
            .collect();
        assert!(
            !names.is_empty() && names.iter().all(|name| !name.as_str().unwrap().ends_with(":1")),
            "{place}: {names:?}"
        );
    }
    session.ok("delete --all-tags docker-archive:some.tar:docker.io/team/app:2");
}

#[test]
fn all_names_of_an_image_go_also_where_several_of_them_are_given() {
    let session = Session::new();
    session.ok("copy -q --all-images hello.tar oci:layout");
    session.ok("copy -q --name team/app:2 hello.tar:example/hello:1 oci:layout");
    let names =
        ["docker.io/example/hello:1", "docker.io/team/app:2"].map(|n| format!("oci:layout:{n}"));
    let line = format!("delete --json --all-tags {}", names.join(" "));
    for dry_run in [" --dry-run", ""] {
        let said: Value = serde_json::from_str(&session.ok(&format!("{line}{dry_run}"))).unwrap();
        assert_eq!(said["deleted"], json!(names), "{said}");
    }
    let said = failed(&session, &line, 3);
    assert!(said.contains("example/hello:1"), "{said}");
    let left = session.ok("list oci:layout");
    assert!(left.contains("example/world:1") && !left.contains("app:2"), "{left}");
}

#[test]
fn digests_of_chosen_tags() {
    let (session, registry, host) = start(Deletes::Allowed);
    let all = session.ok(&format!("digests docker://{host}/app"));
    let some = session.ok(&format!("digests --tags 2.* docker://{host}/app"));
    assert_eq!(some, session.ok(&format!("digests docker://{host}/app:2.0")));
    assert!(some.lines().count() < all.lines().count() && !some.is_empty());
    failed(&session, &format!("digests --tags 7 docker://{host}/app"), 3);
    failed(&session, &format!("digests --tags 2.0 docker://{host}/app:2.0"), 2);
    assert_eq!(registry.count("DELETE", "/"), 0);
}
