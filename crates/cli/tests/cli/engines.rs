//! The command and a containerd in a folder of the test, with Kubernetes' part of it, and podman of a user who is not root. They need root,
//! and are skipped without it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::layout::{Layout, noise};
use crate::measure::{MEMORY, has_strace, made_by, most_resident};
use crate::nobody::Nobody;
use crate::session::Session;

const MIB: usize = 1 << 20;

struct Containerd {
    child: Child,
    /// Paths of sockets are short.
    folder: tempfile::TempDir,
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Ours, by its id.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Containerd {
    fn start() -> Option<Self> {
        let root = fs::metadata("/proc/self")
            .is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0);
        if !root || Command::new("containerd").arg("--version").output().is_err() {
            let required = std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_some();
            assert!(!required, "containerd is required");
            return None;
        }
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let dir = folder.path().display();
        let config = format!(
            "version = 2\nroot = \"{dir}/root\"\nstate = \"{dir}/state\"\n[grpc]\naddress = \"{dir}/s\"\n"
        );
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let mut command = Command::new("containerd");
        command.arg("-c").arg(folder.path().join("config.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self { child: command.spawn().unwrap(), folder };
        let began = Instant::now();
        while running.ctr("default", "version").is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60), "containerd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(running)
    }

    fn socket(&self) -> String {
        self.folder.path().join("s").display().to_string()
    }

    /// What `ctr` says; nothing where it fails.
    fn ctr(&self, namespace: &str, line: &str) -> String {
        let mut command = Command::new("ctr");
        command.arg("-a").arg(self.socket()).args(["-n", namespace]).args(line.split(' '));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        if output.status.success() { said } else { String::new() }
    }

    /// Names and roots of images, without the IDs that Kubernetes' part gives them.
    fn images(&self, namespace: &str) -> Vec<String> {
        let said = self.ctr(namespace, "images ls");
        let named = said.lines().filter(|line| line.contains('/') && !line.starts_with("sha256:"));
        named
            .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
            .filter(|line| line.contains("sha256:"))
            .collect()
    }
}

#[test]
fn all_of_a_node_goes_into_an_archive_and_back() {
    let Some(running) = Containerd::start() else { return };
    let (session, socket) = (Session::new(), running.socket());
    let to = format!("--dest-containerd-address {socket}");
    session.ok(&format!("copy -q --all-images {to} docker-archive:hello.tar containerd:k8s.io//"));
    let held = running.images("k8s.io");
    assert_eq!(held.len(), 3, "{held:?}");
    let from = format!("--src-containerd-address {socket}");
    session.ok(&format!("copy -q --all-images {from} containerd:k8s.io// oci-archive:node.tar"));
    session.ok(&format!("copy -q --all-images {to} oci-archive:node.tar containerd:back//"));
    assert_eq!(running.images("back"), held);
    assert!(!running.ctr("back", "images check").contains("incomplete"));
    // And as containerd's own command has them.
    let own = format!("images import --no-unpack {}", session.path("node.tar").display());
    running.ctr("ctr", &own);
    assert_eq!(running.images("ctr"), held);
}

#[test]
fn copies_take_little_memory_and_no_temporary_file() {
    let Some(running) = Containerd::start() else { return };
    let (session, socket) = (Session::new(), running.socket());
    let mut layout = Layout::new(&session.path("big"));
    let layers = [1, 2, 3, 4].map(|seed| noise(seed, MIB).repeat(50));
    let image = layout.image(&layers.each_ref().map(Vec::as_slice));
    layout.list(&image, Some("large"));
    drop(layers);
    // More than is kept in memory where a stream has to be stored.
    let image = layout.image(&[&noise(5, 8 * MIB)]);
    layout.list(&image, Some("small"));
    let ways = |name: &str| {
        let from = format!("--src-containerd-address {socket} containerd:{name}:1");
        [
            format!("--dest-containerd-address {socket} oci:big:{name} containerd:{name}:1"),
            format!("{from} oci-archive:out.tar"),
            format!("{from} oci:out"),
        ]
    };
    for way in ways("large") {
        let most = most_resident(&session, &format!("copy -q --no-cache {way}"));
        assert!((1024..MEMORY).contains(&most), "{way}: {most} KiB");
    }
    if !has_strace() {
        return;
    }
    fs::remove_dir_all(session.path("out")).unwrap();
    for way in ways("small") {
        let made = made_by(&session, &format!("copy -q --no-cache --replace {way}"));
        // What is new has another name until it is whole.
        let new = session.path(".transship-").display().to_string();
        let is_result = |path: &String| path.contains("out") || path.starts_with(&new);
        assert!(made.iter().all(is_result), "{way}: {made:?}");
        assert!(!way.contains("oci-archive:") || made.len() == 1, "{way}: {made:?}");
        assert_eq!(made.is_empty(), way.contains("--dest"), "{way}: {made:?}");
    }
}

#[cfg(feature = "containers-storage")]
#[test]
fn rootless_podman_has_a_store_of_its_own() {
    let Some(nobody) = Nobody::new() else { return };
    // Kernels may forbid namespaces to users who are not root.
    if !nobody.run("podman", "images") {
        return;
    }
    nobody.ok("copy -q --all-images docker-archive:hello.tar containers-storage:");
    let listed = nobody.ok("list containers-storage:");
    assert!(listed.contains("docker.io/example/hello:1"), "{listed}");
    let output = nobody.command("podman", "images --quiet").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    nobody.ok("copy -q containers-storage:docker.io/example/hello:1 oci:out:1");
    nobody.ok("delete containers-storage:docker.io/example/hello:1");
    assert!(!nobody.ok("list containers-storage:").contains("hello:1"));
}

#[test]
fn a_socket_of_root_is_said_to_be_one() {
    let Some(running) = Containerd::start() else { return };
    let Some(nobody) = Nobody::new() else { return };
    // Everybody finds it: only the socket is not for everybody.
    fs::set_permissions(running.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let line = format!("list containerd: --containerd-address {}", running.socket());
    let output = nobody.command("./transship", &line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("no permission") && said.contains(&running.socket()), "{said}");
    assert!(said.contains("sudo"), "{said}");
}
