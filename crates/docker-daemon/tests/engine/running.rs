//! dockerd and podman's service, started in folders of the tests. Shared with the tests of the library and of the command.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(60);

/// An engine, ended when it is dropped.
pub(crate) struct Running {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ours, by its id. dockerd ends its containerd when it is asked to end.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Running {
    /// dockerd, with more arguments, which are made of its folder.
    pub(crate) fn dockerd(more: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        Self::start("dockerd", |folder| {
            std::fs::write(folder.join("daemon.json"), "{}").unwrap();
            let dir = folder.display();
            let line = format!(
                "--config-file={dir}/daemon.json --iptables=false --ip6tables=false --ip-forward=false --bridge=none \
                 --storage-driver=vfs --data-root={dir}/data --exec-root={dir}/x --pidfile={dir}/pid --host=unix://{dir}/s"
            );
            line.split_whitespace().map(str::to_owned).chain(more(folder)).collect()
        })
    }

    /// podman's service.
    pub(crate) fn podman() -> Option<Self> {
        Self::start("podman", |folder| {
            let dir = folder.display();
            let line = format!(
                "--root {dir}/r --runroot {dir}/n --tmpdir {dir}/t --storage-driver vfs system service --time=0 unix://{dir}/s"
            );
            line.split_whitespace().map(str::to_owned).collect()
        })
    }

    /// `None` where it is not installed or this is not root, which fails where peers are required.
    fn start(program: &str, args: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        if !is_there(program) {
            return None;
        }
        // Paths of sockets are short.
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let mut command = Command::new(program);
        command.args(args(folder.path()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self { child: command.spawn().unwrap(), folder };
        let began = Instant::now();
        while !running.answers() {
            assert!(began.elapsed() < READY, "{program} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(running)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn answers(&self) -> bool {
        let mut answer = String::new();
        let asked = UnixStream::connect(self.socket()).and_then(|mut stream| {
            stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
            stream.read_to_string(&mut answer)
        });
        asked.is_ok() && answer.contains("200 OK")
    }
}

/// Whether a program that needs root can be run.
pub(crate) fn is_there(program: &str) -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0);
    if root && Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    assert!(std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_none(), "{program} is required");
    eprintln!("skipped: {program} is not installed, or this is not root");
    false
}
