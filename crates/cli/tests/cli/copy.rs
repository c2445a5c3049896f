//! `copy`.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::session::Session;

#[test]
fn all_images_through_every_transport_and_back() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "copy --all-images docker-archive:hello.tar oci:hello",
        "list oci:hello",
        "copy --all-images oci:hello oci-archive:hello.oci.tar",
        "list oci-archive:hello.oci.tar",
        "copy --all-images oci-archive:hello.oci.tar docker-archive:back.tar",
        "list docker-archive:back.tar",
        "verify oci:hello oci-archive:hello.oci.tar docker-archive:back.tar",
    ]));
    assert_eq!(session.left(), ["back.tar", "hello", "hello.oci.tar"]);
}

#[test]
fn one_image() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "copy hello.tar:example/hello:1 oci:keeps",
        "list oci:keeps",
        "copy hello.tar:@1 oci:keeps:renamed:2",
        "copy --name a:1 --name b:2 hello.tar:@1 docker-archive:named.tar",
        "list named.tar",
        "copy hello.tar:@1 dir:folder",
        "copy --json hello.tar:@0 dir:folder",
        "copy --quiet hello.tar:@0 dir:quiet",
        "copy --digestfile digest hello.tar:@0 dir:folder",
        "copy hello.tar oci:keeps",
    ]));
    let digest = fs::read_to_string(session.path("digest")).unwrap();
    assert!(session.ok("inspect dir:folder").contains(digest.trim_end()), "{digest}");
}

#[test]
fn many_sources() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "copy hello.tar:example/hello:1 hello.tar:example/world:1 docker-archive:two.tar",
        "list two.tar",
        "copy hello.tar:example/hello:1 hello.tar:example/world:1 dir:folder",
        "copy hello.tar:example/hello:1 hello.tar:example/world:1 oci:x:name",
    ]));
}

#[test]
fn what_is_there_already() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    session.ok("copy hello.tar:@0 dir:folder");
    session.ok("copy hello.tar:@0 docker-archive:one.tar");
    session.ok("copy hello.tar:@0 oci-archive:one.oci.tar");
    insta::assert_snapshot!(session.transcript([
        "copy hello.tar:@1 oci:layout:more:1",
        "list oci:layout",
        "copy hello.tar:@1 dir:folder",
        "copy hello.tar:@1 docker-archive:one.tar",
        "copy hello.tar:@1 oci-archive:one.oci.tar",
        "list one.tar",
        "copy --replace hello.tar:@1 docker-archive:one.tar",
        "copy --replace hello.tar:@1 oci-archive:one.oci.tar",
        "copy --replace hello.tar:@1 oci:layout",
        "list one.tar",
        "list one.oci.tar",
        "list oci:layout",
    ]));
}

#[test]
fn archives_grow() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "copy --append hello.tar:@0 docker-archive:two.tar",
        "copy --append hello.tar:@1 two.tar",
        "copy --append hello.tar:@1 two.tar:another:1",
        "list two.tar",
        "verify two.tar",
        "copy --append hello.tar:@0 oci-archive:two.oci.tar",
        "copy --append two.tar:another:1 two.oci.tar",
        "list two.oci.tar",
        "verify two.oci.tar",
        "list docker-archive:two.oci.tar",
        "copy --append --no-docker-manifest hello.tar:@0 two.oci.tar:x",
        "list docker-archive:two.oci.tar",
        "copy --append hello.tar:@0 dir:folder",
        "copy --append --replace hello.tar:@0 two.tar",
    ]));
}

#[test]
fn images_are_deleted_and_garbage_collected() {
    let session = Session::new();
    for place in ["docker-archive:two.tar", "oci-archive:two.oci.tar", "oci:layout"] {
        session.ok(&format!("copy --all-images hello.tar {place}"));
    }
    session.ok("copy hello.tar:@0 dir:folder");
    insta::assert_snapshot!(session.transcript([
        "delete two.tar:example/hello:1",
        "list two.tar",
        "delete --json two.tar:@0 two.tar:@1",
        "list two.tar",
        "delete two.oci.tar:docker.io/example/world:1",
        "list two.oci.tar",
        "list docker-archive:two.oci.tar",
        "verify two.oci.tar",
        "delete oci:layout:docker.io/example/world:1",
        "gc layout",
        "gc --min-age 0 layout",
        "gc --min-age 0 --delete --json layout",
        "gc --min-age 0 layout",
        "verify layout",
        "delete oci:layout:nothing",
        "delete --json oci:layout:docker.io/example/hello:1 oci:layout:nothing",
        "delete dir:folder",
        "gc two.tar",
    ]));
}

#[test]
fn a_dry_run_changes_nothing() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "copy --dry-run --all-images hello.tar oci:layout",
        "copy --dry-run --json --compress gzip hello.tar:@1 oci:layout",
    ]));
    assert!(session.left().is_empty());
}

/// Not even for a moment: it may be a folder where nothing can be written.
#[test]
fn a_dry_run_leaves_the_folder_alone() {
    let session = Session::new();
    fs::create_dir(session.path("out")).unwrap();
    for there in ["oci-archive:out/oci.tar", "docker-archive:out/docker.tar", "oci:out/oci:a"] {
        session.ok(&format!("copy hello.tar:@0 {there}"));
    }
    let out = File::open(session.path("out")).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for to in [
        "oci-archive:out/new.tar",
        "oci-archive:out/new.tar.gz",
        "docker-archive:out/new.tar",
        "docker-archive:out/new.tar.zst",
        "--append oci-archive:out/oci.tar",
        "--append docker-archive:out/docker.tar",
        "--append docker-archive:out/new.tar",
        "--replace docker-archive:out/docker.tar",
        "--all-images oci-archive:out/new.tar",
        "--all-images --append docker-archive:out/docker.tar",
        "oci:out/oci:b",
        "oci:out/new:b",
        "dir:out/new",
    ] {
        out.set_modified(long_ago).unwrap();
        let image = if to.starts_with("--all") { "hello.tar" } else { "hello.tar:@1" };
        session.ok(&format!("copy --dry-run {image} {to}"));
        assert_eq!(out.metadata().unwrap().modified().unwrap(), long_ago, "{to}");
    }
}

#[test]
fn layers_change_form_and_back() {
    let session = Session::new();
    session.ok("copy --compress gzip:6 hello.tar:@1 oci:layout:gzip:1");
    session.ok("copy --compress zstd oci:layout:gzip:1 oci:layout:zstd:1");
    session.ok("copy --compress none oci:layout:zstd:1 oci:layout:plain:1");
    session.ok("copy --format docker oci:layout:gzip:1 dir:docker");
    insta::assert_snapshot!(session.transcript([
        "verify oci:layout dir:docker",
        "inspect dir:docker",
        "copy --preserve-digests --compress zstd oci:layout:gzip:1 dir:zstd",
    ]));
    let id = "sha256:dcd2909d1b2c0cfde083d6fdcef11522cba21a41944d533469575bacc350c0fd";
    for image in ["oci:layout:gzip:1", "oci:layout:zstd:1", "oci:layout:plain:1", "dir:docker"] {
        assert!(session.ok(&format!("inspect {image}")).contains(id), "{image}");
    }
}

#[test]
fn events_as_json_are_one_a_line_and_have_one_end() {
    let session = Session::new();
    let output = session.run("copy --progress json --all-images hello.tar oci:layout");
    let stderr = String::from_utf8(output.stderr).unwrap();
    let events: Vec<serde_json::Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert_eq!((named("planned"), named("committed"), named("finished")), (1, 2, 1), "{stderr}");
    assert_eq!(events.last().unwrap()["event"], "finished");
    let failed = session.run("copy --progress json hello.tar:@7 oci:layout");
    let stderr = String::from_utf8(failed.stderr).unwrap();
    let last: serde_json::Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
    assert_eq!((last["event"].as_str(), last["kind"].as_str()), (Some("error"), Some("not found")));
}

#[test]
fn options_reach_the_transports_of_one_side_or_both() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "copy --dest-shared-blob-dir blobs hello.tar:@0 oci:layout",
        "verify oci:layout",
        "verify -o oci.shared-blob-dir=blobs oci:layout",
        "copy --src-shared-blob-dir blobs oci:layout oci:whole",
        "verify oci:whole",
        "copy -o oci-archive.docker-manifest=false hello.tar:@0 oci-archive:only-oci.tar",
        "list docker-archive:only-oci.tar",
        "list only-oci.tar",
        "copy --dest-docker-manifest=maybe hello.tar:@0 oci-archive:x.tar",
    ]));
}

#[test]
fn without_a_terminal_there_are_no_bars() {
    let said = |how: &str| {
        let session = Session::new();
        let mut command = session.command(&format!("copy {how} hello.tar:@0 oci:there"));
        let output = command.env("TERM", "xterm-256color").output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
        said
    };
    let plain = said("--progress plain");
    let (first, results) = plain.split_once('\n').unwrap();
    assert!(first.starts_with("copying docker-archive:hello.tar:@0 to oci:there"), "{plain}");
    assert!(results.starts_with("docker-archive:hello.tar:@0 -> oci:there"), "{plain}");
    assert!(results.lines().last().unwrap().starts_with("1 image copied: "), "{plain}");
    for how in ["", "--progress auto", "--progress bars"] {
        assert_eq!(said(how), plain, "{how}");
    }
    assert_eq!(said("--progress none"), results);
    assert_eq!(said("--quiet"), "");
}
