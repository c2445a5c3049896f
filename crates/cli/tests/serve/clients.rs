//! Other clients pull from it. They are skipped by name where they are not installed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::layout::{Layout, digest, noise, tar_of};
use crate::running::Running;
use crate::serving::Serving;
use crate::session::Session;

/// Whether a program is there. The checks before a merge require all of them.
pub(crate) fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "{program} is required");
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// Whether an engine can run: it needs root.
pub(crate) fn can_run(program: &str) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    if !root {
        assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "{program} needs root");
        eprintln!("skipped: {program} needs root");
    }
    root && is_there(program)
}

/// Runs a line that has to succeed.
pub(crate) fn ok(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// An engine of our own, ended by its id.
struct Engine {
    child: Child,
    folder: tempfile::TempDir,
}

impl Engine {
    fn start(line: impl Fn(&str) -> String, is_ready: impl Fn(&str) -> bool) -> Self {
        // Paths of sockets are short.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let at = folder.path().display().to_string();
        let line = line(&at);
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let engine = Self { child: command.spawn().unwrap(), folder };
        for _ in 0..600 {
            if is_ready(&at) {
                return engine;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{line} does not answer");
    }

    fn at(&self) -> String {
        self.folder.path().display().to_string()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn succeeds(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let run = Command::new(words.next().unwrap()).args(words).output();
    run.is_ok_and(|output| output.status.success())
}

/// The kinds of places that each client pulls from, and the digest of `example/hello:1` in each.
fn places(session: &Session) -> Vec<(String, String)> {
    session.ok("copy --all-images hello.tar oci:layout");
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    session.ok("copy hello.tar:example/world:1 oci:base");
    session.ok("copy --since oci:base hello.tar:example/hello:1 oci-archive:delta.tar");
    let digest = |place: &str| {
        let name = format!("inspect --digest {place}:example/hello:1");
        session.ok(&name).trim().to_owned()
    };
    let [layout, archive, saved] =
        ["oci:layout", "layout.tar", "hello.tar"].map(|place| (place.to_owned(), digest(place)));
    let both = ("oci:base delta.tar".to_owned(), layout.1.clone());
    vec![layout, archive, saved, both, seven(session)]
}

/// An archive of seven images, of which five share a layer.
fn seven(session: &Session) -> (String, String) {
    let mut layout = Layout::new(&session.path("five"));
    let shared = tar_of(&noise(1, 100_000));
    for n in 0..5_u8 {
        let image = layout.image(&[&shared, &tar_of(&[n; 10])]);
        layout.list(&image, Some(&format!("docker.io/example/five:{n}")));
    }
    session.ok("copy --all-images hello.tar docker-archive:seven.tar");
    session.ok("copy --append --all-images oci:five docker-archive:seven.tar");
    let serving = Serving::start(session, "seven.tar");
    let names = (0..5).map(|n| format!("example/five:{n}"));
    for name in names.chain(["example/hello:1".to_owned(), "example/world:1".to_owned()]) {
        let here = session.ok(&format!("inspect --digest seven.tar:{name}"));
        let there = format!("inspect --digest --tls-verify=false docker://{}/{name}", serving.host);
        assert_eq!(session.ok(&there), here, "{name}");
    }
    let digest = session.ok("inspect --digest seven.tar:example/hello:1");
    ("seven.tar".to_owned(), digest.trim().to_owned())
}

#[test]
fn skopeo() {
    if !is_there("skopeo") {
        return;
    }
    let session = Session::new();
    for (place, digest) in places(&session) {
        let serving = Serving::start(&session, &place);
        let image = format!("docker://{}/example/hello:1", serving.host);
        let shown =
            ok(&format!("skopeo inspect --tls-verify=false --format {{{{.Digest}}}} {image}"));
        assert_eq!(shown.trim(), digest, "{place}");
        let to = session.path("pulled").display().to_string();
        ok(&format!("skopeo copy --insecure-policy --src-tls-verify=false {image} dir:{to}"));
        session.ok("verify dir:pulled");
        fs::remove_dir_all(to).unwrap();
    }
}

#[test]
fn podman() {
    if !can_run("podman") {
        return;
    }
    let session = Session::new();
    let at = session.path("podman").display().to_string();
    let podman =
        format!("podman --root {at}/r --runroot {at}/n --tmpdir {at}/t --storage-driver vfs");
    for (place, digest) in places(&session) {
        let serving = Serving::start(&session, &place);
        let image = format!("{}/example/hello:1", serving.host);
        ok(&format!("{podman} pull --tls-verify=false {image}"));
        let shown = ok(&format!("{podman} image inspect --format {{{{.Digest}}}} {image}"));
        assert_eq!(shown.trim(), digest, "{place}");
        ok(&format!("{podman} rmi --all --force"));
    }
}

#[test]
fn docker() {
    if !is_there("docker") {
        return;
    }
    let Some(engine) = Running::dockerd(|_| Vec::new()) else { return };
    let session = Session::new();
    let docker = format!("docker -H {}", engine.host());
    for (place, digest) in places(&session) {
        let serving = Serving::start(&session, &place);
        let image = format!("{}/example/hello:1", serving.host);
        ok(&format!("{docker} pull {image}"));
        let shown = ok(&format!("{docker} image inspect --format {{{{.RepoDigests}}}} {image}"));
        assert!(shown.contains(&digest), "{place}: {shown}");
        ok(&format!("{docker} rmi {image}"));
    }
    docker_pushes_and_is_served(&session, &docker, &engine.host());
}

/// The engine pushes what it was given, and then is a place itself: its images are passed through.
fn docker_pushes_and_is_served(session: &Session, docker: &str, socket: &str) {
    ok(&format!("{docker} load -i {}", session.path("seven.tar").display()));
    let site = Serving::start(session, "--writable site");
    for name in ["example/hello:1", "example/five:0", "example/five:4"] {
        ok(&format!("{docker} tag {name} {}/team/{name}", site.host));
        ok(&format!("{docker} push {}/team/{name}", site.host));
    }
    session.ok("verify oci:site");
    assert_eq!(site.get("/v2/team/example/five/tags/list").json()["tags"], json!(["0", "4"]));
    let daemon = format!("--daemon-host {socket}");
    let served = Serving::start(session, &format!("{daemon} docker-daemon:example/five:4"));
    let config = |place: &str| session.ok(&format!("inspect --config {place}"));
    let remote = format!("--tls-verify=false docker://{}/example/five:4", served.host);
    assert_eq!(config(&remote), config("seven.tar:example/five:4"));
    session.ok(&format!("copy {remote} oci:pulled:x"));
    session.ok("verify oci:pulled");
}

/// With the settings that it prints: a mirror, which containerd asks with `?ns=`.
#[test]
fn containerd_with_the_printed_hosts_toml() {
    if !can_run("containerd") || !is_there("ctr") {
        return;
    }
    let session = Session::new();
    let engine = Engine::start(
        |at| format!("containerd --root {at}/r --state {at}/t --address {at}/s --log-level error"),
        |at| succeeds(&format!("ctr --address {at}/s version")),
    );
    let ctr = format!("ctr --address {}/s images", engine.at());
    for (place, digest) in places(&session) {
        let mut serving = Serving::start(&session, &format!("-v {place}"));
        let hosts = session.path("hosts");
        write_hosts(&hosts, &serving.printed());
        let image = "docker.io/example/hello:1";
        let hosts = hosts.display();
        ok(&format!("{ctr} pull --snapshotter native --hosts-dir {hosts} {image}"));
        let listed = ok(&format!("{ctr} ls"));
        assert!(listed.contains(&digest), "{place}: {listed}");
        assert!(serving.log().contains("?ns=docker.io"), "{}", serving.log());
        ok(&format!("{ctr} rm --sync {image}"));
    }
}

/// Our own client with the same settings asks no other host either.
#[test]
fn our_client_with_the_printed_hosts_toml() {
    let session = Session::new();
    for (place, digest) in places(&session) {
        let mut serving = Serving::start(&session, &format!("-v {place}"));
        let hosts = session.path("hosts");
        write_hosts(&hosts, &serving.printed());
        let hosts = hosts.display();
        let shown = session.ok(&format!(
            "inspect --digest --hosts-dir {hosts} docker://docker.io/example/hello:1"
        ));
        assert_eq!(shown.trim(), digest, "{place}");
        assert!(serving.log().contains("?ns=docker.io"), "{}", serving.log());
    }
}

/// Writes each `hosts.toml` where it says.
fn write_hosts(into: &Path, printed: &str) {
    let (_, blocks) = printed.split_once("# containerd: ").unwrap();
    for block in blocks.split("# ").filter_map(|b| b.strip_prefix("containerd: ").or(Some(b))) {
        let Some((path, text)) = block.split_once('\n') else { continue };
        let Some(path) = path.strip_prefix("/etc/containerd/certs.d/") else { continue };
        let path = into.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Nothing is written while it serves: no file is opened for that, made, moved or removed.
#[test]
fn nothing_is_written() {
    if !is_there("strace") {
        return;
    }
    let session = Session::new();
    let mut layout = Layout::new(&session.path("site"));
    let image = layout.image(&[&noise(1, 1_000_000)]);
    layout.list(&image, Some("docker.io/a/b:1"));
    session.ok("copy --all-images oci:site oci-archive:site.tar");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(session.path("trace"));
    command.args(["-e", "trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,ftruncate,truncate"]);
    let own =
        session.command("serve oci:site site.tar hello.tar --listen 127.0.0.1:0 --exit-idle 2");
    command.arg(own.get_program()).args(own.get_args()).current_dir(session.path(""));
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut serving = Serving::spawn(&mut command);
    for path in ["a/b/manifests/1", "a/b/tags/list", "example/hello/manifests/1"] {
        assert_eq!(serving.get(&format!("/v2/{path}")).status, 200);
    }
    let manifest = serving.get("/v2/a/b/manifests/1").json();
    let layer = digest(&manifest["layers"][0]);
    assert!(serving.get(&format!("/v2/a/b/blobs/{layer}")).is_whole());
    assert!(serving.child.wait().unwrap().success());
    let trace = fs::read_to_string(session.path("trace")).unwrap();
    assert!(trace.contains("site.tar"), "{trace}");
    let writes = |line: &&str| {
        let opens = line.contains(" open(") || line.contains(" openat(");
        !line.contains("ENOENT")
            && !line.contains(" +++ ")
            && !line.contains("resumed")
            && (!opens
                || line.contains("O_WRONLY")
                || line.contains("O_RDWR")
                || line.contains("O_CREAT"))
    };
    let writes: Vec<_> = trace.lines().filter(writes).collect();
    assert!(writes.is_empty(), "{writes:#?}");
}
