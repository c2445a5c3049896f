//! What the files of `sync` may ask for, and that a second run changes nothing.

use serde_json::Value;
use transship_test_registry::Registry;

use crate::session::Session;
use crate::sync::{counts, fails, fill, registry, sync};
use crate::trust::Lab;

/// Where an entry reads and writes, and more of its lines.
type Entry<'a> = (&'a str, &'a str, &'a str);

fn entry((from, to, more): &Entry<'_>) -> String {
    format!("[[sync]]\nfrom = \"{from}\"\nto = \"{to}\"\n{more}\n")
}

#[test]
fn no_entry_writes_what_it_reads_or_what_another_one_writes() {
    let session = Session::new();
    session.ok("copy -q hello.tar:example/hello:1 oci:lay:example/hello:1");
    std::os::unix::fs::symlink("lay", session.path("link")).unwrap();
    let arm = "platforms = \"linux/arm64\"";
    let refused: &[(&[Entry], &str)] = &[
        (&[("docker://a.x/p", "docker://a.x/p", "prune = true")], "from which images come"),
        (&[("docker://a.x/p", "docker://a.x/", "")], "from which images come"),
        (&[("docker://a.x/", "docker://a.x/mirror/", "")], "from which images come"),
        (&[("docker://alpine", "docker://docker.io/library/alpine", "")], "from which images come"),
        (&[("docker://a.x/p:1", "docker://a.x/p:1", "")], "from which images come"),
        (&[("oci:lay", "oci:./lay", "")], "from which images come"),
        (&[("oci:lay:example/hello:1", "oci:lay", "")], "from which images come"),
        (&[("lay", "oci:link", "prune = true")], "from which images come"),
        (
            &[("docker://a.x/p", "docker://c.x/p", ""), ("docker://b.x/p", "docker://c.x/p", "")],
            "is written by s.toml: [[sync]] 1, too",
        ),
        (
            &[("docker://a.x/p:1", "oci:l:p:1", ""), ("docker://a.x/p:2", "oci:l:p:1", "")],
            "is written by s.toml: [[sync]] 1, too",
        ),
        (
            &[("docker://a.x/p", "oci:l", ""), ("docker://a.x/p", "oci:l", arm)],
            "is written by s.toml: [[sync]] 1, too",
        ),
    ];
    for (entries, said) in refused {
        session.write("s.toml", entries.iter().map(entry).collect::<String>());
        let (_, told) = fails(&session, "s.toml --dry-run", 2);
        assert!(told.contains(said), "{entries:?}: {told}");
    }
    let host = "127.0.0.1:1";
    let allowed = [
        [("p", "p", "tags = \"1.*\""), ("p", "p", "tags = \"2.*\"")],
        [("p:1", "p:2", ""), ("p:2", "p:3", "")],
        [("p", "p", ""), ("q", "q", "")],
    ];
    for entries in allowed {
        let mut text = String::new();
        for (from, to, more) in entries {
            let (from, to) = (format!("docker://{host}/{from}"), format!("docker://{host}/m/{to}"));
            text += &entry(&(&from, &to, more));
        }
        session.write("s.toml", text);
        // They are not refused, and fail where nobody listens.
        let (report, _) = fails(&session, "s.toml --dry-run", 1);
        assert_eq!(counts(&report)[3], 2, "{report}");
    }
    session.write("s.yml", "a.x: {images: {x/p: []}}\nb.x: {images: {y/p: []}}\n");
    let (_, told) = fails(&session, "s.yml docker://c.x/m", 2);
    assert!(told.contains("docker://c.x/m/p is written by s.yml: line 1: a.x: x/p, too"), "{told}");
}

#[test]
fn settings_are_of_registries_that_entries_use() {
    let (session, from) = (Session::new(), registry());
    let host = from.host();
    let with = |registries: &str| {
        let entry = entry(&(&format!("docker://{host}/app"), "oci:l", ""));
        session.write("s.toml", format!("[registries.\"{registries}\"]\nconnections = 2\n{entry}"));
    };
    with("quay.oi");
    let (_, told) = fails(&session, "s.toml", 2);
    assert!(told.contains("[registries.\"quay.oi\"]: no entry uses this registry"), "{told}");
    assert!(told.contains(&format!("entries use {host}")), "{told}");
    assert_eq!(from.exchanges().len(), 0);
    fill(&session, &from, &["app:1"]);
    with(host);
    assert_eq!(counts(&sync(&session, "s.toml")), [1, 0, 0, 0]);
    // A short name has a registry, too: what is wrong with its settings is said.
    let entry = entry(&("docker://alpine", "oci:l", ""));
    for name in ["docker.io", "index.docker.io"] {
        session.write("s.toml", format!("[registries.\"{name}\"]\nfoo = 2\n{entry}"));
        let (_, told) = fails(&session, "s.toml", 2);
        assert!(told.contains("foo"), "{told}");
    }
}

/// Nothing changed, and nothing is said to be copied: whatever the places are.
#[test]
fn a_second_run_copies_nothing() {
    let (session, from, to) = (Session::new(), registry(), registry());
    fill(&session, &from, &["app:1", "app:2"]);
    session.ok("copy -q --all-images hello.tar oci:lay");
    session.ok("copy -q --all-images oci:lay oci-archive:lay.tar");
    let remote = |registry: &Registry, rest: &str| format!("docker://{}/{rest}", registry.host());
    for (from, to) in [
        ("oci:lay".to_owned(), remote(&to, "a/")),
        ("oci-archive:lay.tar".to_owned(), remote(&to, "b/")),
        ("oci:lay".to_owned(), "oci:other".to_owned()),
        ("oci-archive:lay.tar".to_owned(), "oci:third".to_owned()),
        ("oci:lay".to_owned(), "oci-archive:some.tar".to_owned()),
        (remote(&from, "app"), "oci:pulled".to_owned()),
        (remote(&from, "app"), "oci-archive:pulled.tar".to_owned()),
        (remote(&from, "app:1"), "oci:one:x:1".to_owned()),
    ] {
        session.write("s.toml", entry(&(&from, &to, "")));
        let first = counts(&sync(&session, "s.toml"));
        assert!(first[0] > 0 && first[1] == 0, "{from} {to}: {first:?}");
        let path = to.strip_prefix("oci-archive:");
        let before = path.map(|path| std::fs::read(session.path(path)).unwrap());
        for line in ["s.toml", "s.toml --dry-run"] {
            // Only a push finds out what plain layers become there.
            if line.ends_with("run") && from.contains("lay") && to.starts_with("docker:") {
                continue;
            }
            let again = counts(&sync(&session, line));
            assert_eq!(again, [0, first[0], 0, 0], "{from} {to} {line}");
        }
        assert_eq!(path.map(|path| std::fs::read(session.path(path)).unwrap()), before);
    }
    // What is missing comes again, and what changed.
    let blobs = session.path("pulled/blobs/sha256");
    let large = std::fs::read_dir(&blobs).unwrap().map(|file| file.unwrap().path());
    let layer = large.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    std::fs::remove_file(layer).unwrap();
    session.write("s.toml", entry(&(&remote(&from, "app"), "oci:pulled", "")));
    let mended = counts(&sync(&session, "s.toml"));
    assert_eq!((mended[0] + mended[1], mended[0] > 0), (2, true), "{mended:?}");
    session.ok("verify oci:pulled");
    let other = remote(&from, "app:1");
    session.ok(&format!("copy -q hello.tar:example/world:1 {other}"));
    assert_eq!(counts(&sync(&session, "s.toml")), [1, 1, 0, 0]);
}

/// A file of skopeo asks for all tags, and so for those of cosign.
#[test]
fn a_second_run_copies_no_signed_image() {
    let (lab, site) = (Lab::new(), registry());
    let (session, host) = (&lab.session, &lab.host);
    fill(session, &lab.registry, &["other:1", "app:2"]);
    session.write("s.yaml", format!("{host}:\n  images: {{app: []}}\n"));
    let all = lab.registry.tags("app").len() as u64;
    let places =
        [format!("docker://{}/m", site.host()), "oci:lay".into(), "oci-archive:a.tar".into()];
    for to in &places {
        let line = format!("s.yaml {to}");
        assert_eq!(counts(&sync(session, &line))[0], all, "{to}");
        assert_eq!(counts(&sync(session, &line)), [0, all, 0, 0], "{to}");
    }
    for key in ["k", "other"] {
        session.ok(&format!("sign --key {key}.pem docker://{host}/app:1"));
        for to in &places {
            let line = format!("s.yaml {to}");
            assert_eq!(counts(&sync(session, &line)), [1, all - 1, 0, 0], "{to}");
            assert_eq!(counts(&sync(session, &line)), [0, all, 0, 0], "{to}");
        }
    }
    session.ok(&format!("verify --key other.pub docker://{}/m/app:1", site.host()));
}

/// Which names images bring is known when they come.
#[test]
fn images_of_one_name_in_an_archive_are_a_failure() {
    let session = Session::new();
    session.ok("copy -q hello.tar:example/hello:1 oci:a:example/app:1");
    session.ok("copy -q hello.tar:example/hello:1 oci:same:example/app:1");
    session.ok("copy -q hello.tar:example/world:1 oci:b:example/app:1");
    session.ok("copy -q hello.tar:example/world:1 oci:b:example/other:1");
    for (source, second) in [("same", [0, 1, 0, 0]), ("b", [1, 0, 0, 1])] {
        let file = [("oci:a", "oci:l", ""), (&*format!("oci:{source}"), "oci:l", "prune = true")];
        session.write("s.toml", file.iter().map(entry).collect::<String>());
        let code = if source == "b" { 2 } else { 0 };
        let (report, said) = fails(&session, "s.toml", code);
        let first = u64::from(source == "same");
        let expected = [second[0] + first, second[1] + 1 - first, 0, second[3]];
        assert_eq!(counts(&report), expected, "{said}");
        if code != 0 {
            assert!(said.contains("[[sync]] 1 has written other images as"), "{said}");
            assert!(said.contains("example/app:1") && !said.contains("other:1,"), "{said}");
            assert!(said.contains("nothing is deleted"), "{said}");
        }
    }
}

/// Nothing of it is copied, and nothing says so.
#[test]
fn what_is_unchanged_is_up_to_date_and_not_copied() {
    let site = registry();
    for to in [format!("docker://{}/app", site.host()), "oci:layout".to_owned()] {
        let (session, from) = (Session::new(), registry());
        fill(&session, &from, &["app:1", "app:2"]);
        let source = format!("docker://{}/app", from.host());
        session.write("s.toml", entry(&(&source, &to, "")));
        let said = |line: &str| {
            let output = session.run(&format!("sync s.toml {line}"));
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        let at = |tag: &str| match to.strip_prefix("oci:") {
            Some(_) => format!("{to}:{}/app:{tag}", from.host()),
            None => format!("{to}:{tag}"),
        };
        let copying = |tag: &str| format!("copying {source}:{tag} to {}", at(tag));
        let first = said("");
        assert!(first.contains(&copying("1")) && first.contains(&copying("2")), "{first}");
        assert!(!first.contains("is up to date"), "{first}");
        fill(&session, &from, &["app:3"]);
        let second = said("");
        let same = |tag: &str| format!("{} is up to date with {source}:{tag}", at(tag));
        assert!(second.contains(&same("1")) && second.contains(&same("2")), "{second}");
        assert_eq!(second.matches("copying ").count(), 1, "{second}");
        assert!(second.contains(&copying("3")), "{second}");
        assert!(second.contains("1 copied, 2 up to date, 0 deleted, 0 failed"), "{second}");
        assert_eq!(said("--quiet"), "");
        let events = said("--progress json");
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let started: Vec<_> = events.filter(|one| one["event"] == "image_started").collect();
        assert!(started.len() == 3 && started.iter().all(|one| one["unchanged"] == true));
        if to.starts_with("docker") {
            let again = session.run(&format!("copy {source}:1 {to}:1"));
            let again = String::from_utf8(again.stderr).unwrap();
            assert!(again.contains("0 images copied, 1 up to date: 0 blobs"), "{again}");
        }
    }
}
