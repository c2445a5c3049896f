//! `sync`: repositories, layouts and archives are brought up to date, as a file says.

use std::time::Duration;

use serde_json::{Value, json};
use transship_test_registry::{Auth, Deletes, Fault, Options, Registry, Rule, User};

use crate::session::Session;

pub(crate) fn registry() -> Registry {
    Registry::start(Options::default()).unwrap()
}

fn tags(registry: &Registry, repository: &str) -> Vec<String> {
    registry.tags(repository).into_iter().map(|(tag, _)| tag).collect()
}

/// Tags of two images of the small archive.
pub(crate) fn fill(session: &Session, registry: &Registry, names: &[&str]) {
    for (at, name) in names.iter().enumerate() {
        let image = ["hello", "world"][at % 2];
        let to = format!("docker://{}/{name}", registry.host());
        session.ok(&format!("copy -q hello.tar:example/{image}:1 {to}"));
    }
}

pub(crate) fn sync(session: &Session, line: &str) -> Value {
    serde_json::from_str(&session.ok(&format!("sync --json {line}"))).unwrap()
}

/// What it did, and how it ended.
pub(crate) fn fails(session: &Session, line: &str, code: i32) -> (Value, String) {
    let output = session.run(&format!("sync --json {line}"));
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (report, String::from_utf8(output.stderr).unwrap())
}

pub(crate) fn counts(report: &Value) -> [u64; 4] {
    ["copied", "unchanged", "deleted", "failed"]
        .map(|what| report["counts"][what].as_u64().unwrap())
}

#[test]
fn two_hundred_tags_cost_one_head_a_side_the_second_time() {
    let (session, from, to) = (Session::new(), registry(), registry());
    session.ok(&format!("copy -q hello.tar:example/hello:1 docker://{}/app:0", from.host()));
    let (kind, manifest) = from.manifest("app", "0").unwrap();
    for tag in 1..200 {
        from.put_manifest("app", Some(&tag.to_string()), &kind, manifest.clone());
    }
    session.write(
        "sync.toml",
        format!(
            "[[sync]]\nfrom = \"docker://{}/app\"\nto = \"docker://{}/mirror/app\"\n",
            from.host(),
            to.host()
        ),
    );
    assert_eq!(counts(&sync(&session, "sync.toml")), [200, 0, 0, 0]);
    assert_eq!(to.tags("mirror/app").len(), 200);
    from.forget_exchanges();
    to.forget_exchanges();
    let again = sync(&session, "sync.toml");
    assert_eq!(counts(&again), [0, 200, 0, 0]);
    assert_eq!(again["copied"], json!([]));
    let all = |registry: &Registry| {
        let exchanges = registry.exchanges();
        (
            registry.count("HEAD", "/manifests/"),
            exchanges.iter().filter(|one| !one.path.ends_with("/v2/")).count(),
        )
    };
    // And the list of tags.
    assert_eq!((all(&from), all(&to)), ((200, 201), (200, 200)));
}

#[test]
fn a_file_of_skopeo() {
    let (session, from, to) = (Session::new(), registry(), registry());
    fill(
        &session,
        &from,
        &[
            "busybox:1",
            "busybox:2",
            "team/etcd:v1.9",
            "team/etcd:v1.10",
            "team/etcd:v2.0",
            "nginx:1.13.1",
            "nginx:1.14",
        ],
    );
    let (_, digest) = from.tags("busybox").remove(0);
    session.write(
        "sync.yml",
        format!(
            "{}:\n  images:\n    busybox:\n      - 2\n      - {digest}\n  images-by-tag-regex:\n    nginx: ^1\\.13\\.[12]$\n  images-by-semver:\n    team/etcd: \">= 1.10 < 2\"\n  tls-verify: false\n",
            from.host()
        ),
    );
    let place = format!("docker://{}/mirror", to.host());
    assert_eq!(counts(&sync(&session, &format!("sync.yml {place}"))), [4, 0, 0, 0]);
    assert_eq!(to.repositories(), ["mirror/busybox", "mirror/etcd", "mirror/nginx"]);
    assert_eq!(tags(&to, "mirror/busybox"), ["2"]);
    assert!(to.manifest("mirror/busybox", &digest).is_some());
    assert_eq!(tags(&to, "mirror/etcd"), ["v1.10"]);
    assert_eq!(tags(&to, "mirror/nginx"), ["1.13.1"]);
    assert_eq!(counts(&sync(&session, &format!("sync.yml {place}"))), [0, 4, 0, 0]);
    // Into a layout, all keep their names.
    sync(&session, "sync.yml oci:layout");
    assert!(
        session.ok("list --json oci:layout").contains(&format!("{}/team/etcd:v1.10", from.host()))
    );
    let (_, said) = fails(&session, "sync.yml", 2);
    assert!(said.contains("destination"), "{said}");
}

#[test]
fn what_goes_and_what_stays() {
    for deletes in [Deletes::Allowed, Deletes::ByDigest] {
        let (session, from) = (Session::new(), registry());
        let mut options = Options::default();
        options.deletes = deletes;
        let to = Registry::start(options).unwrap();
        fill(&session, &from, &["app:1.0", "app:1.1", "app:1.2", "app:2.0"]);
        let hex = "ab".repeat(32);
        // Of our pattern and gone; not of our pattern; of another repository; a signature.
        let signature = format!("mirror/app:sha256-{hex}.sig");
        let there = [
            "mirror/app:0.8",
            "mirror/app:0.9",
            "mirror/app:latest",
            "mirror/other:0.9",
            &signature,
        ];
        session.ok("copy -q --format docker hello.tar:example/hello:1 oci:own:x");
        for name in &there[..2] {
            session.ok(&format!("copy -q oci:own:x docker://{}/{name}", to.host()));
        }
        fill(&session, &to, &there[2..]);
        let write = |tags: &str| {
            session.write(
                "sync.toml",
                format!("[[sync]]\nfrom = \"docker://{}/app\"\nto = \"docker://{}/mirror/app\"\ntags = \"*.*\"\nnot-tags = \"sha*\"\nnewest = 3\n{tags}", from.host(), to.host()),
            );
        };
        write("");
        assert_eq!(counts(&sync(&session, "sync.toml")), [3, 0, 0, 0]);
        let all = tags(&to, "mirror/app");
        let looked = sync(&session, "sync.toml --prune --dry-run");
        assert_eq!(counts(&looked), [0, 3, 2, 0], "{looked}");
        assert_eq!(tags(&to, "mirror/app"), all);
        write("prune = true\n");
        let done = sync(&session, "sync.toml");
        assert_eq!(counts(&done), [0, 3, 2, 0], "{done}");
        let gone = ["0.8", "0.9"].map(|tag| format!("docker://{}/mirror/app:{tag}", to.host()));
        assert_eq!(done["deleted"], json!(gone));
        let left: Vec<String> = ["1.1", "1.2", "2.0", "latest"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("sha256-{hex}.sig")])
            .collect();
        assert_eq!(tags(&to, "mirror/app"), left, "{deletes:?}");
        assert_eq!(tags(&to, "mirror/other"), ["0.9"]);
        assert_eq!(counts(&sync(&session, "sync.toml")), [0, 3, 0, 0]);
        // It would take along what stays.
        let (kind, manifest) = to.manifest("mirror/app", "1.1").unwrap();
        to.put_manifest("mirror/app", Some("0.7"), &kind, manifest);
        a_dry_run_warns_of(&session, "0.7");
        if deletes == Deletes::Allowed {
            assert_eq!(counts(&sync(&session, "sync.toml")), [0, 3, 1, 0]);
        } else {
            let (report, said) = fails(&session, "sync.toml", 1);
            assert_eq!(counts(&report), [0, 3, 0, 1]);
            assert!(said.contains("0.7") && said.contains("would go with it"), "{said}");
        }
        let kept = tags(&to, "mirror/app");
        assert!(
            ["1.1", "1.2", "2.0", "latest"].iter().all(|tag| kept.contains(&(*tag).to_owned()))
        );
    }
}

fn a_dry_run_warns_of(session: &Session, tag: &str) {
    let (report, said) = fails(session, "sync.toml --dry-run", 0);
    assert_eq!(counts(&report), [0, 3, 1, 0]);
    assert!(said.contains(&format!("{tag}: it goes only if the registry can")), "{said}");
}

#[test]
fn names_of_other_repositories_stay_in_a_layout() {
    let (session, from) = (Session::new(), registry());
    fill(&session, &from, &["app:1", "app:2"]);
    session.ok("copy -q --all-images hello.tar oci:layout");
    session.ok(&format!("copy -q hello.tar:example/world:1 oci:layout:{}/app:0", from.host()));
    let file = format!(
        "[[sync]]\nfrom = \"docker://{}/app\"\nto = \"oci:layout\"\nprune = true\n",
        from.host()
    );
    session.write("sync.toml", file);
    assert_eq!(counts(&sync(&session, "sync.toml")), [2, 0, 1, 0]);
    let listed = session.ok("list --json oci:layout");
    assert!(listed.contains("example/hello:1") && listed.contains("example/world:1"), "{listed}");
    assert!(listed.contains("/app:1") && !listed.contains("/app:0"), "{listed}");
}

#[test]
fn nothing_is_pruned_where_something_failed() {
    let (session, from, to) = (Session::new(), registry(), registry());
    fill(&session, &from, &["app:1", "app:2"]);
    fill(&session, &to, &["app:old"]);
    let host = (from.host(), to.host());
    session.write("sync.toml", format!("[defaults]\nprune = true\n[[sync]]\nfrom = \"docker://{0}/app\"\nto = \"docker://{1}/app\"\n[[sync]]\nfrom = \"docker://{0}/none\"\nto = \"docker://{1}/none\"\n", host.0, host.1));
    from.inject(
        Rule::new(Fault::Status { status: 403, retry_after: None }).path("/manifests/2").always(),
    );
    let (report, said) = fails(&session, "sync.toml", 1);
    assert_eq!(counts(&report), [1, 0, 0, 2], "{report} {said}");
    assert!(said.contains("nothing is deleted"), "{said}");
    assert_eq!(said.matches(&format!("docker://{}/app:2", host.0)).count(), 1, "{said}");
    assert_eq!(tags(&to, "app"), ["1", "old"]);
    from.clear_faults();
    // What is left to fail is of one kind. What it would have brought is not known, so nothing goes anywhere.
    let (report, _) = fails(&session, "sync.toml", 3);
    assert_eq!(counts(&report), [1, 1, 0, 1], "{report}");
    assert_eq!(report["failed"][0]["what"], "sync.toml: [[sync]] 2");
    assert_eq!(tags(&to, "app"), ["1", "2", "old"]);
    fill(&session, &from, &["none:1"]);
    assert_eq!(counts(&sync(&session, "sync.toml")), [1, 2, 1, 0]);
    assert_eq!(tags(&to, "app"), ["1", "2"]);
}

/// Each deletion in an archive changes the positions of the images behind it.
#[test]
fn several_names_of_an_archive_go_and_no_other() {
    let (session, from) = (Session::new(), registry());
    fill(&session, &from, &["app:1"]);
    for name in ["0", "00"] {
        let source = if name == "0" { "hello" } else { "world" };
        session.ok(&format!(
            "copy -q --append hello.tar:example/{source}:1 docker-archive:a.tar:{}/app:{name}",
            from.host()
        ));
    }
    session.ok("copy -q --append hello.tar:example/hello:1 docker-archive:b.tar:example/kept:1");
    session.ok("copy -q --all-images --append docker-archive:b.tar docker-archive:a.tar");
    let file = format!(
        "[[sync]]\nfrom = \"docker://{}/app\"\nto = \"docker-archive:a.tar\"\nprune = true\n",
        from.host()
    );
    session.write("sync.toml", file);
    assert_eq!(counts(&sync(&session, "sync.toml")), [1, 0, 2, 0]);
    let listed = session.ok("list --json docker-archive:a.tar");
    assert!(listed.contains("example/kept:1") && listed.contains("/app:1"), "{listed}");
    assert!(!listed.contains("/app:0"), "{listed}");
}

#[test]
fn each_registry_has_its_own_credentials() {
    let with = |user: &str| {
        let mut options = Options::default();
        options.auth = Auth::Basic(vec![User::new(user, "secret")]);
        Registry::start(options).unwrap()
    };
    let (session, from, to) = (Session::new(), with("reader"), with("writer"));
    session.ok(&format!(
        "copy -q --dest-creds reader:secret hello.tar:example/hello:1 docker://{}/app:1",
        from.host()
    ));
    session.write("secret", "writer:secret\n");
    session.write("sync.toml", format!(
        "[registries.\"{0}\"]\ncreds = \"reader:secret\"\n[registries.\"{1}\"]\ncreds-file = \"secret\"\ntls-verify = false\n[[sync]]\nfrom = \"docker://{0}/app\"\nto = \"docker://{1}/app\"\n",
        from.host(), to.host()
    ));
    assert_eq!(counts(&sync(&session, "sync.toml")), [1, 0, 0, 0]);
    session.write("sync.yaml", format!("{}:\n  images:\n    app: []\n  credentials:\n    username: reader\n    password: secret\n", from.host()));
    assert_eq!(
        counts(&sync(
            &session,
            &format!("--dest-creds writer:secret sync.yaml docker://{}/y", to.host())
        )),
        [1, 0, 0, 0]
    );
}

#[test]
fn a_tag_is_kept_before_it_moves() {
    let (session, from, to) = (Session::new(), registry(), registry());
    fill(&session, &from, &["app:1", "app:2"]);
    let file = format!(
        "[[sync]]\nfrom = \"docker://{}/app\"\nto = \"docker://{}/app\"\nbackup = \"old-*\"\nprune = true\n",
        from.host(),
        to.host()
    );
    session.write("sync.toml", file);
    let first = sync(&session, "sync.toml");
    assert_eq!((counts(&first), &first["backups"]), ([2, 0, 0, 0], &json!([])));
    let before = to.manifest("app", "1").unwrap();
    session.ok(&format!("copy -q hello.tar:example/world:1 docker://{}/app:1", from.host()));
    let looked = sync(&session, "sync.toml --dry-run");
    assert_eq!(counts(&looked), [1, 1, 0, 0]);
    assert_eq!(tags(&to, "app"), ["1", "2"]);
    let moved = sync(&session, "sync.toml");
    assert_eq!(counts(&moved), [1, 1, 0, 0]);
    assert_eq!(moved["backups"], looked["backups"]);
    assert_eq!(tags(&to, "app"), ["1", "2", "old-1"]);
    assert_eq!(to.manifest("app", "old-1").unwrap(), before);
    assert_ne!(to.manifest("app", "1").unwrap(), before);
    assert_eq!(counts(&sync(&session, "sync.toml")), [0, 2, 0, 0]);
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let (session, from, to) = (Session::new(), registry(), registry());
    let names: Vec<String> = (0..30).map(|tag| format!("app:{tag}")).collect();
    fill(&session, &from, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20 {
        session.write("sync.toml", format!("[[sync]]\nfrom = \"docker://{}/app\"\nto = \"docker://{}/r{round}\"\n[[sync]]\nfrom = \"docker://{0}/app\"\nto = \"oci:layout{round}\"\n", from.host(), to.host()));
        let mut child = session.command("sync -q sync.toml").spawn().unwrap();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        std::thread::sleep(Duration::from_millis(state % 400));
        let _ = child.kill();
        let _ = child.wait();
        let report = sync(&session, "sync.toml");
        let [copied, unchanged, deleted, failed] = counts(&report);
        assert_eq!((copied + unchanged, deleted, failed), (60, 0, 0), "{round}: {report}");
        assert_eq!(from.tags("app"), to.tags(&format!("r{round}")));
        session.ok(&format!("verify -q oci:layout{round}"));
        assert_eq!(
            session.ok(&format!("list --json oci:layout{round}")).matches("/app:").count() % 30,
            0
        );
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_asked() {
    let (session, from) = (Session::new(), registry());
    let host = from.host();
    for (name, text, said) in [
        ("a.toml", String::new(), "nothing to sync"),
        ("b.toml", "[[sync]]\nfrom = \"docker://a.b/c\"\n".to_owned(), "`to` is missing"),
        (
            "c.toml",
            format!("[[sync]]\nfrom = \"docker://{host}/c:1\"\nto = \"oci:l\"\nprune = true"),
            "one image",
        ),
        (
            "d.toml",
            format!("[[sync]]\nfrom = \"docker://{host}/c\"\nto = \"dir:l\"\nprune = true"),
            "cannot be pruned",
        ),
        (
            "e.toml",
            format!("[[sync]]\nfrom = \"docker://{host}/c\"\nto = \"oci:l\"\nbackup = \"o-*\""),
            "registries",
        ),
        (
            "f.toml",
            format!("[[sync]]\nfrom = \"docker://{host}/c\"\nto = \"oci:l\"\ntag = \"1\""),
            "line",
        ),
        ("g.yaml", "a: [".to_owned(), "line"),
        (
            "h.toml",
            format!(
                "[registries.\"{host}\"]\nfoo = 1\n[[sync]]\nfrom = \"docker://{host}/c\"\nto = \"oci:l\""
            ),
            "foo",
        ),
    ] {
        session.write(name, text);
        let to = if name == "g.yaml" { " oci:l" } else { "" };
        let (_, told) = fails(&session, &format!("{name}{to}"), 2);
        assert!(told.contains(said) && told.contains(name), "{name}: {told}");
    }
    session.write("i.toml", format!("[[sync]]\nfrom = \"docker://{host}/c\"\nto = \"oci:l\""));
    let (_, told) = fails(&session, "i.toml oci:other", 2);
    assert!(told.contains("nothing would go to oci:other"), "{told}");
    let (_, told) = fails(&session, "nothing.toml", 2);
    assert_eq!(told.matches("nothing.toml").count(), 1, "{told}");
    assert_eq!(from.exchanges().len(), 0);
}

#[test]
fn a_policy_holds_for_a_sync_too() {
    let (session, from, to) = (Session::new(), registry(), registry());
    fill(&session, &from, &["app:1"]);
    session.write("policy.json", "{\"default\": [{\"type\": \"reject\"}]}");
    session.write(
        "sync.toml",
        format!(
            "[[sync]]\nfrom = \"docker://{}/app\"\nto = \"docker://{}/app\"\n",
            from.host(),
            to.host()
        ),
    );
    let (report, _) = fails(&session, "sync.toml --policy policy.json", 5);
    assert_eq!(counts(&report), [0, 0, 0, 1], "{report}");
    assert_eq!(to.tags("app").len(), 0);
}
