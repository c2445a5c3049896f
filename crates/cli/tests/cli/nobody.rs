//! Somebody who is not root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The command as somebody who is not root, in a folder of their own. Nothing where that cannot be.
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
    pub(crate) fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).ok()?;
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_transship"), folder.path().join("transship")).unwrap();
        fs::copy(crate::session::HELLO, folder.path().join("hello.tar")).unwrap();
        let nobody = Self(folder);
        nobody.run("true", "").then_some(nobody)
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
