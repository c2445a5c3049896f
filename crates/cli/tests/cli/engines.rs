//! The command and a containerd in a folder of the test, with Kubernetes' part of it, and podman of a user who is not root. They need root,
//! and are skipped by name without it.

#[cfg(all(feature = "containers-storage", feature = "docker-daemon"))]
mod again;
#[cfg(all(feature = "containers-storage", feature = "docker-daemon"))]
mod cut;
#[cfg(all(feature = "containers-storage", feature = "docker-daemon"))]
mod podman;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use transship::transport::sha256;

use crate::layout::{CONFIG, INDEX, LAYER, Layout, MANIFEST, digest, noise};
use crate::measure::copies_take_little;
use crate::nobody::{Nobody, skipped};
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
            skipped("containerd is not installed, or this is not root");
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

/// An index of three platforms, of which a layout lacks the last one. Gives the digests of the index and of that for arm64.
fn with_a_gap(layout: &mut Layout, name: &str, seed: u64) -> [String; 2] {
    let for_platform = |(at, architecture): (u64, &str)| {
        let layer = noise(seed + at, 3000);
        let config = json!({
            "architecture": architecture, "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [sha256(&layer).to_string()] },
        });
        let image = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": layout.blob(CONFIG, config.to_string()), "layers": [layout.blob(LAYER, &layer)],
        });
        let mut child = layout.blob(MANIFEST, image.to_string());
        child["platform"] = json!({ "architecture": architecture, "os": "linux" });
        (child, image)
    };
    let images: Vec<_> = (0..).zip(["amd64", "arm64", "s390x"]).map(for_platform).collect();
    let (absent, image) = &images[2];
    for part in [absent, &image["config"], &image["layers"][0]] {
        fs::remove_file(layout.path(&digest(part))).unwrap();
    }
    let children: Vec<_> = images.iter().map(|(child, _)| child).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
    // Written as no program writes it: it stays so only where its bytes are kept.
    let index = layout.blob(INDEX, format!("{index:#}\n\n"));
    layout.list(&index, Some(name));
    [digest(&index), digest(children[1])]
}

/// The blobs of a layout, by their digests.
fn blobs(layout: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(Result::unwrap);
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

/// Names, and the digests of the roots that they stand for.
fn roots(session: &Session, place: &str) -> Vec<[String; 2]> {
    let listed: Value = serde_json::from_str(&session.ok(&format!("list --json {place}"))).unwrap();
    let images = listed["images"].as_array().unwrap().iter();
    let mut roots: Vec<_> = images
        .map(|image| [image["names"][0].as_str().unwrap().to_owned(), digest(image)])
        .collect();
    roots.sort();
    roots
}

#[test]
fn an_index_with_a_gap_goes_in_and_comes_out_byte_for_byte() {
    let Some(running) = Containerd::start() else { return };
    let (session, socket) = (Session::new(), running.socket());
    let names = ["docker.io/example/one:1", "docker.io/example/two:1"];
    let mut layout = Layout::new(&session.path("site"));
    let made =
        [(names[0], 1), (names[1], 10)].map(|(name, seed)| with_a_gap(&mut layout, name, seed));
    let expected = |of: usize| [0, 1].map(|at| [names[at].to_owned(), made[at][of].clone()]);
    let to = format!("--dest-containerd-address {socket}");
    session.ok(&format!("copy -q --all-images {to} oci:site containerd:gaps//"));
    let held = expected(0).map(|[name, digest]| format!("{name} {INDEX} {digest}"));
    assert_eq!(running.images("gaps"), held);
    let from = format!("--src-containerd-address {socket}");
    for name in names {
        session.ok(&format!("copy -q {from} containerd:gaps//{name} oci:back:{name}"));
    }
    assert_eq!(roots(&session, "oci:back"), expected(0));
    let (was, is) = (blobs(&session.path("site")), blobs(&session.path("back")));
    assert_eq!(was.len(), 2 * 7);
    assert!(was == is, "{:?} is not {:?}", is.keys(), was.keys());
    // Of all images one platform, which needs no index.
    let all = format!("copy -q {from} --all-images containerd:gaps//");
    session.ok(&format!("{all} oci-archive:arm.tar --platform linux/arm64"));
    assert_eq!(roots(&session, "oci-archive:arm.tar"), expected(1));
    session.ok("copy -q --all-images oci-archive:arm.tar oci:arm");
    let arm = blobs(&session.path("arm"));
    assert_eq!(arm.len(), 2 * 3);
    assert!(arm.iter().all(|(digest, bytes)| was.get(digest) == Some(bytes)));
    // One that is not there is not left out without a word.
    let output = session.run(&format!("{all} oci-archive:s390x.tar --platform linux/s390x"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("s390x"), "{said}");
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
    copies_take_little(&session, &ways("large"), &ways("small"));
}

#[cfg(feature = "containers-storage")]
#[test]
fn rootless_podman_has_a_store_of_its_own() {
    let Some(nobody) = Nobody::new() else { return };
    // Kernels may forbid namespaces to users who are not root.
    let ran = nobody.command("podman", "images").output();
    if !ran.as_ref().is_ok_and(|ran| ran.status.success()) {
        return skipped(&format!("podman does not run for somebody who is not root: {ran:?}"));
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
    let socket = format!("{} (from the option containerd-address)", running.socket());
    assert!(said.contains("no permission") && said.contains(&socket), "{said}");
    assert!(said.contains("sudo"), "{said}");
}
