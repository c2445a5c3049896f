//! A folder of its own for each test, and commands run in it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The small archive of the README, with two images and three names.
pub(crate) const HELLO: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/hello.tar");

pub(crate) struct Session {
    dir: TempDir,
}

impl Session {
    /// A folder with `hello.tar` in it.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(HELLO, dir.path().join("hello.tar")).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// What is in the folder now, besides what was put there first.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "hello.tar" && name != ".cache")
            .collect();
        names.sort();
        names
    }

    /// The command, with the words of a line.
    pub(crate) fn command(&self, line: &str) -> Command {
        command_in(self.dir.path(), line)
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a line that has to succeed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs lines one after the other and gives what a person would see.
    pub(crate) fn transcript<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        for line in lines {
            let output = self.run(line);
            shown(&mut text, line, &output);
        }
        text
    }
}

/// What says which engine is meant.
const OF_ENGINES: [&str; 10] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
    "CONTAINERD_ADDRESS",
    "CONTAINERD_NAMESPACE",
    "CONTAINER_HOST",
    "CONTAINER_CONNECTION",
    "PODMAN",
];

fn command_in(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transship"));
    command
        .args(line.split_whitespace())
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .env("XDG_CACHE_HOME", dir.join(".cache"))
        .env_remove("TMPDIR")
        // None of the user's own credentials, registries and engines.
        .env("HOME", dir.join("home"))
        .env("XDG_RUNTIME_DIR", dir.join("run"))
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("DOCKER_CONFIG")
        .env_remove("REGISTRY_AUTH_FILE")
        .env_remove("CONTAINERS_REGISTRIES_CONF")
        .stdin(Stdio::null());
    for variable in OF_ENGINES {
        command.env_remove(variable);
    }
    command
}

/// `[code]` is there only when it is not 0, and stderr is marked.
pub(crate) fn shown(text: &mut String, line: &str, output: &Output) {
    writeln!(text, "$ transship {line}").unwrap();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        writeln!(text, "{}", format!("! {line}").trim_end()).unwrap();
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => writeln!(text, "[{code}]").unwrap(),
        None => writeln!(text, "[{}]", output.status).unwrap(),
    }
    text.push('\n');
}
