//! A second process that can be killed, and a small filesystem.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stderr,
    reason = "each test file uses a part, and says what it skips"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Another process that holds something until it is killed.
pub struct Holder(Child);

impl Holder {
    /// It holds a staged file beside a target.
    pub fn staging(target: &Path) -> Self {
        Self::start("staging", target)
    }

    /// It holds a staged folder beside a target.
    pub fn staging_folder(target: &Path) -> Self {
        Self::start("folder", target)
    }

    /// It replaces a folder again and again, working in `here`.
    pub fn writing(target: &Path, here: &Path) -> Self {
        Self::spawn(Command::new(Self::program()).arg("write").arg(target).current_dir(here))
    }

    /// It holds an exclusive lock.
    pub fn lock(path: &Path) -> Self {
        Self::start("lock", path)
    }

    fn start(what: &str, path: &Path) -> Self {
        Self::spawn(Command::new(Self::program()).arg(what).arg(path))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example `hold` is built, as `cargo test` does");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    /// Cargo builds this example with the tests.
    fn program() -> PathBuf {
        let test = std::env::current_exe().unwrap();
        test.parent().and_then(Path::parent).unwrap().join("examples/hold")
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a test as a user to whom nothing is allowed, where this is root: then in a process of its own, which ends the test
/// here with `false`.
pub fn is_unprivileged(test: &str) -> bool {
    let probe = tempfile::tempdir().unwrap();
    if std::os::unix::fs::MetadataExt::uid(&probe.path().metadata().unwrap()) != 0 {
        return true;
    }
    let ended = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    false
}

/// A filesystem that is mounted for a test, where mounting is allowed.
pub struct Mounted(tempfile::TempDir);

impl Mounted {
    /// One in memory; `None`, with a message, where it is not allowed.
    pub fn tmpfs(options: &str) -> Option<Self> {
        Self::mount("tmpfs", options)
    }

    /// An overlay of a folder.
    pub fn overlay(lower: &Path, upper: &Path, work: &Path) -> Option<Self> {
        let [lower, upper, work] = [lower, upper, work].map(|path| path.to_str().unwrap());
        Self::mount("overlay", &format!("lowerdir={lower},upperdir={upper},workdir={work}"))
    }

    fn mount(kind: &str, options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", kind, "-o", options, kind])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: mounting of {kind} is not allowed here, root may");
        }
        mounted.then_some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
