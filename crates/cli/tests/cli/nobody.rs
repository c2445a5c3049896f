//! Somebody who is not root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Says why a test is left out. Where peers are required, it fails instead.
pub(crate) fn skipped(why: &str) {
    let required = std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_some();
    assert!(!required, "TRANSSHIP_REQUIRE_PEERS is set, and {why}");
    eprintln!("skipped: {why}");
}

/// The command as somebody who is not root, in a folder of their own.
pub(crate) struct Nobody(tempfile::TempDir);

impl Drop for Nobody {
    fn drop(&mut self) {
        // podman leaves a process behind that keeps its namespace. It is ours, by the id that podman has noted.
        let noted = self.0.path().join("libpod/tmp/pause.pid");
        if let Ok(id) = fs::read_to_string(noted) {
            let _ = Command::new("kill").arg(id.trim()).status();
        }
    }
}

impl Nobody {
    /// Nothing where that cannot be: it needs root, and setpriv.
    pub(crate) fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        if let Err(error) = std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)) {
            skipped(&format!("only root can run it as somebody else: {error}"));
            return None;
        }
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_transship"), folder.path().join("transship")).unwrap();
        fs::copy(crate::session::HELLO, folder.path().join("hello.tar")).unwrap();
        let nobody = Self(folder);
        let ran = nobody.command("true", "").output();
        if ran.as_ref().is_ok_and(|ran| ran.status.success()) {
            return Some(nobody);
        }
        skipped(&format!("setpriv does not run it as somebody else: {ran:?}"));
        None
    }

    pub(crate) fn command(&self, program: &str, line: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]);
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("XDG_RUNTIME_DIR", self.0.path());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("STORAGE_DRIVER", "vfs");
        command
    }

    pub(crate) fn run(&self, program: &str, line: &str) -> bool {
        self.command(program, line).output().is_ok_and(|output| output.status.success())
    }

    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.command("./transship", line).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
