//! The examples do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;

use transship_test_registry::{Options, Registry};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/hello.tar");

fn run<const N: usize>(program: &str, dir: &Path, args: [&str; N]) -> String {
    let output = Command::new(program).args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn list(dir: &Path, place: &str) -> Vec<String> {
    run(env!("CARGO_BIN_EXE_list"), dir, [place]).lines().map(str::to_owned).collect()
}

#[test]
fn list_shows_each_image() {
    let dir = tempfile::tempdir().unwrap();
    let listed = list(dir.path(), &format!("docker-archive:{HELLO}"));
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[0].contains(":@0 [docker.io/example/hello:1, docker.io/example/hello:latest]"));
}

#[test]
fn copy_one_copies_one() {
    let dir = tempfile::tempdir().unwrap();
    let from = format!("docker-archive:{HELLO}:example/world:1");
    let said = run(env!("CARGO_BIN_EXE_copy-one"), dir.path(), [&from, "oci:layout"]);
    assert!(said.starts_with("oci:layout:docker.io/example/world:1 is sha256:"), "{said}");
    assert_eq!(list(dir.path(), "oci:layout").len(), 1);
}

#[test]
fn progress_ends_at_100() {
    let dir = tempfile::tempdir().unwrap();
    let from = format!("docker-archive:{HELLO}");
    let said = run(env!("CARGO_BIN_EXE_progress"), dir.path(), [&from, "oci-archive:out.tar"]);
    assert!(said.contains("\n100%\n") && said.contains("ended: Finished"), "{said}");
    assert_eq!(list(dir.path(), "oci-archive:out.tar").len(), 2);
}

#[test]
fn explicit_transports_need_no_registration() {
    let dir = tempfile::tempdir().unwrap();
    let said = run(env!("CARGO_BIN_EXE_explicit-transports"), dir.path(), [HELLO, "layout"]);
    assert_eq!(said, "2 images are in layout\n");
    assert_eq!(list(dir.path(), "oci:layout").len(), 2);
}

#[test]
fn write_archive_writes_what_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    for place in ["docker-archive:made.tar", "oci-archive:made.oci.tar", "oci:made"] {
        run(env!("CARGO_BIN_EXE_write-archive"), dir.path(), [place]);
        let listed = list(dir.path(), place);
        assert_eq!(listed.len(), 2, "{place}: {listed:?}");
        assert!(listed[1].contains("example/made:2"), "{place}: {listed:?}");
    }
}

#[test]
fn one_file_is_read_out_of_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let image = format!("docker-archive:{HELLO}:example/hello:1");
    let said = run(env!("CARGO_BIN_EXE_one-file"), dir.path(), [&image, "etc/hello"]);
    assert_eq!(said, "hello\n");
}

#[test]
fn artifact_and_resolve_and_mirror() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hello.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let server = Registry::start(Options::default()).unwrap();
    let place = format!("docker://{}/team/hello:1", server.host());
    for place in [place.as_str(), "oci:layout:hello:1"] {
        let said = run(env!("CARGO_BIN_EXE_artifact"), dir.path(), ["hello.wasm", place]);
        assert!(said.ends_with("8 bytes of application/wasm\n"), "{said}");
        let resolved = run(env!("CARGO_BIN_EXE_resolve"), dir.path(), [place]);
        assert!(said.contains(resolved.trim()), "{said}{resolved}");
    }
    let from = format!("docker-archive:{HELLO}");
    let mirror = env!("CARGO_BIN_EXE_mirror");
    let all = run(mirror, dir.path(), [&from, "oci:all", "linux/amd64"]);
    assert_eq!(all, "2 images are in oci:all\n");
}

#[test]
fn own_command_has_one_more_transport() {
    let dir = tempfile::tempdir().unwrap();
    let own = env!("CARGO_BIN_EXE_own-command");
    assert!(run(own, dir.path(), ["transports"]).contains("scratch:PLATFORM"));
    run(own, dir.path(), ["copy", "scratch:linux/aarch64", "oci:layout:empty:1"]);
    let said = run(own, dir.path(), ["inspect", "oci:layout:empty:1"]);
    assert!(said.contains("linux/arm64"), "{said}");
    run(own, dir.path(), ["verify", "oci:layout", "scratch:linux/arm64"]);
}
