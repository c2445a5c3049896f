//! Copies into engines that have the image already, and deletions of all its names.

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
    for more in ["--platform linux/amd64", "--include-nondistributable"] {
        let looked = json(session, &format!("{line} --dry-run --json {more}"));
        assert_eq!(looked["images"][0]["unchanged"], true, "{more}: {looked}");
    }
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
    let option = format!("--daemon-host {}", docker.host());
    let named = |name: &str| format!("docker-daemon:docker.io/library/{name}");
    session.ok(&format!(
        "copy --dest-daemon-host {} hello.tar:example/hello:1 {}",
        docker.host(),
        named("there:2")
    ));
    let listed = json(&session, &format!("list --json --details {option} docker-daemon:"));
    let images = listed["images"].as_array().unwrap();
    let image = images.iter().find(|image| image["names"].as_array().unwrap().len() == 2).unwrap();
    let id = format!("docker-daemon:{}", image["image_id"].as_str().unwrap());
    let gone = [&id, &named("there:1"), &named("there:2")];
    let line = format!("delete --json {option} {id}");
    for dry_run in [true, false] {
        let more = if dry_run { " --dry-run" } else { "" };
        let said = json(&session, &format!("{line}{more}"));
        assert_eq!(said["deleted"], serde_json::json!(gone), "{said}");
    }
    // The second goes with the first.
    let both = &gone[1..];
    for name in both {
        let to = format!("--dest-daemon-host {} hello.tar:example/hello:1 {name}", docker.host());
        session.ok(&format!("copy -q {to}"));
    }
    let line = format!("delete --json --all-tags {option} {} {}", both[0], both[1]);
    assert_eq!(json(&session, &line)["deleted"], serde_json::json!(both));
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
