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

    /// It holds an exclusive lock.
    pub fn lock(path: &Path) -> Self {
        Self::start("lock", path)
    }

    fn start(what: &str, path: &Path) -> Self {
        // Cargo builds this example with the tests.
        let program = Self::program();
        let mut child = Command::new(program)
            .arg(what)
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example `hold` runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

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

/// A filesystem in memory, where mounting is allowed.
pub struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None`, with a message, where it is not.
    pub fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: mounting a tmpfs needs root");
        }
        mounted.then_some(Self(dir))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
