//! The command and podman, by its API and by its own command; and from one engine to another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Containerd, MIB};
use crate::layout::{Layout, noise, tar_of};
use crate::measure::{copies_take_little, has_strace, made_by};
use crate::nobody::Nobody;
use crate::running::Running;
use crate::session::Session;

/// How one of two stores is reached for one side of a copy, and what stands before the names of its images.
struct Way {
    option: String,
    store: String,
}

impl Way {
    /// By the API, and by the command.
    fn both(podman: &Running, side: &str) -> [Self; 2] {
        let dir = podman.folder().display();
        let option = format!("--{side}-podman-url {}", podman.host());
        let store = format!("containers-storage:[vfs@{dir}/r2+{dir}/n2]");
        let by_command = Self { option: String::new(), store };
        [Self { option, store: "containers-storage:".to_owned() }, by_command]
    }

    fn image(&self, name: &str) -> String {
        format!("{} {}{name}:1", self.option, self.store)
    }
}

/// A layout with an image of two large layers, and one with more than is kept in memory where a stream has to be stored.
fn large_and_small(session: &Session) {
    let mut layout = Layout::new(&session.path("big"));
    let layers = [1, 2].map(|seed| tar_of(&noise(seed, MIB).repeat(60)));
    let image = layout.image(&layers.each_ref().map(Vec::as_slice));
    layout.list(&image, Some("large"));
    let image = layout.image(&[&tar_of(&noise(3, 8 * MIB))]);
    layout.list(&image, Some("small"));
}

#[test]
fn copies_take_little_memory_and_no_temporary_file() {
    let Some(podman) = Running::podman() else { return };
    let session = Session::new();
    large_and_small(&session);
    let ways = |name: &str| {
        let into = Way::both(&podman, "dest");
        let into = into.map(|to| format!("oci:big:{name} {}", to.image(name)));
        let out = Way::both(&podman, "src").map(|from| {
            ["oci-archive:out.tar", "docker-archive:out-saved.tar", "oci:out"]
                .map(|to| format!("{} {to}", from.image(name)))
        });
        into.into_iter().chain(out.into_iter().flatten()).collect::<Vec<_>>()
    };
    copies_take_little(&session, &ways("large"), &ways("small"));
}

/// Into a place of its own, for files that have no name.
fn made_with_a_spool(session: &Session, line: &str) -> Vec<String> {
    let spool = session.path("spool");
    fs::create_dir_all(&spool).unwrap();
    let made = made_by(session, &format!("copy -q --no-cache --tmpdir {} {line}", spool.display()));
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0, "{line}: something is left");
    made
}

#[test]
fn from_engine_to_engine_no_file_has_a_name() {
    let (Some(podman), Some(docker), Some(node)) =
        (Running::podman(), Running::dockerd(|_| Vec::new()), Containerd::start())
    else {
        return;
    };
    if !has_strace() {
        return;
    }
    let session = Session::new();
    large_and_small(&session);
    let socket = node.socket();
    for to in Way::both(&podman, "dest") {
        session.ok(&format!("copy -q oci:big:small {}", to.image("small")));
    }
    session.ok(&format!(
        "copy -q --dest-containerd-address {socket} oci:big:small containerd:k8s.io//small:1"
    ));
    // containerd gives each blob alone, when it is asked for: nothing is stored.
    let from = format!("--src-containerd-address {socket} containerd:k8s.io//small:1");
    let to = format!("--dest-daemon-host {} docker-daemon:small:1", docker.host());
    assert_eq!(made_with_a_spool(&session, &format!("{from} {to}")), [""; 0]);
    // podman saves a tar whose list of images is at its end, and which can be read once. An engine and containerd take blobs in an order
    // that the list says, and containerd by digests that stand in it: the tar waits in one file, which has no name and goes with the process.
    let spool = session.path("spool").display().to_string();
    let to_node = format!("--dest-containerd-address {socket} containerd:k8s.io//saved:1");
    let to_docker = format!("--dest-daemon-host {} docker-daemon:saved:1", docker.host());
    for from in Way::both(&podman, "src") {
        for to in [&to_node, &to_docker] {
            let line = format!("{} {to}", from.image("small"));
            assert_eq!(made_with_a_spool(&session, &line), [&*spool], "{line}");
        }
    }
    let id = |line: &str| {
        let said = session.ok(&format!("inspect --config {line}"));
        assert!(said.contains("diff_ids"), "{said}");
        said
    };
    let expected = id("oci:big:small");
    for at in [
        format!("--containerd-address {socket} containerd:k8s.io//saved:1"),
        format!("--daemon-host {} docker-daemon:saved:1", docker.host()),
        format!("--daemon-host {} docker-daemon:small:1", docker.host()),
    ] {
        assert_eq!(id(&at), expected, "{at}");
    }
}

#[test]
fn a_socket_of_roots_podman_is_said_to_be_one() {
    let Some(podman) = Running::podman() else { return };
    let Some(nobody) = Nobody::new() else { return };
    // Everybody finds it: only the socket is not for everybody.
    fs::set_permissions(podman.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::set_permissions(Path::new(&podman.socket()), PermissionsExt::from_mode(0o700)).unwrap();
    let host = podman.host();
    let line = format!("list containers-storage: --podman-url {host}");
    let output = nobody.command("./transship", &line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    let where_it_is = format!("podman at {host} (from the option podman-url)");
    assert!(said.contains(&where_it_is) && said.contains("no permission"), "{said}");
    assert!(said.contains("systemctl --user start podman.socket"), "{said}");
}
