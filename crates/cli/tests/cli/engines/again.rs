//! Copies into engines that have the image already.

use serde_json::Value;

use crate::running::Running;
use crate::session::Session;

fn json(session: &Session, line: &str) -> Value {
    serde_json::from_str(&session.ok(line)).unwrap()
}

/// Twice into a place, by a name that stands before the image's own.
fn is_up_to_date(session: &Session, option: &str, to: &str) {
    let line = format!("copy {option} hello.tar:example/hello:1 {to}");
    let first = json(session, &format!("{line} --dry-run --json"));
    assert_eq!(first["images"][0]["unchanged"], false, "{first}");
    session.ok(&line);
    let looked = json(session, &format!("{line} --dry-run --json"));
    assert_eq!(looked["images"][0]["unchanged"], true, "{looked}");
    let again = session.run(&line);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(again.status.success(), "{said}");
    assert!(said.contains("0 images copied, 1 up to date: 0 blobs copied"), "{said}");
    // Another image takes the name, and it gets it back.
    session.ok(&line.replace("hello.tar:example/hello:1", "hello.tar:example/world:1"));
    let back = json(session, &format!("{line} --json"));
    assert_eq!(back["images"][0]["unchanged"], false, "{back}");
}

#[test]
fn into_docker() {
    let Some(docker) = Running::dockerd(|_| Vec::new()) else { return };
    let session = Session::new();
    is_up_to_date(
        &session,
        &format!("--dest-daemon-host {}", docker.host()),
        "docker-daemon:there:1",
    );
}

#[test]
fn into_podman() {
    let Some(podman) = Running::podman() else { return };
    let option = format!("--dest-podman-url {}", podman.host());
    let session = Session::new();
    is_up_to_date(&session, &option, "containers-storage:localhost/there:1");
    let host = format!("--dest-daemon-host {}", podman.host());
    is_up_to_date(&session, &host, "docker-daemon:localhost/compatible:1");
    let dir = podman.folder().display();
    let store = format!("containers-storage:[vfs@{dir}/r2+{dir}/n2]localhost/there:1");
    is_up_to_date(&session, "", &store);
}
