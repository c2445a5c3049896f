//! A folder, commands run in it, and what of all that was expected did not hold.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::session::Session;

/// One case of a user. All of its rows are tried; [`end`](Self::end) fails with those that did not hold.
pub(crate) struct Case {
    session: Session,
    wrong: Vec<String>,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self { session: Session::new(), wrong: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.session.path(name)
    }

    pub(crate) fn there(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.session.write(name, content);
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        self.session.command(line)
    }

    /// Runs it, for two minutes at most.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let transship = self.command(line);
        let mut limited = Command::new("timeout");
        limited.arg("120").arg(transship.get_program()).args(transship.get_args());
        limited.current_dir(self.path("")).stdin(Stdio::null());
        carry_environment(&transship, &mut limited);
        Ran::of(line, &limited.output().unwrap())
    }

    /// Runs it with bytes on its standard input.
    pub(crate) fn fed(&self, line: &str, bytes: &[u8]) -> Ran {
        Self::feed(self.command(line), line, bytes)
    }

    pub(crate) fn feed(mut command: Command, line: &str, bytes: &[u8]) -> Ran {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = thread::scope(|scope| {
            // It may end before it has read all.
            scope.spawn(move || drop(input.write_all(bytes)));
            child.wait_with_output().unwrap()
        });
        Ran::of(line, &output)
    }

    /// A line of the shell, in which `$T` is the command.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        let transship = self.command("");
        let mut bash = Command::new("bash");
        bash.args(["-c", line]).current_dir(self.path("")).env("T", transship.get_program());
        carry_environment(&transship, &mut bash);
        Ran::of(line, &bash.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a line that has to end with this code.
    pub(crate) fn ends(&mut self, code: i32, line: &str) -> Ran {
        let ran = self.run(line);
        self.check(ran.code == code, &format!("it has to end with {code}"), &ran);
        ran
    }

    /// Notes what does not hold.
    pub(crate) fn check(&mut self, holds: bool, what: &str, ran: &Ran) {
        if !holds || !ran.sane() {
            self.wrong.push(format!("{what}: {ran:?}"));
        }
    }

    #[track_caller]
    pub(crate) fn end(self) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
    }
}

fn carry_environment(from: &Command, to: &mut Command) {
    for (key, value) in from.get_envs() {
        match value {
            Some(value) => to.env(key, value),
            None => to.env_remove(key),
        };
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    #[expect(dead_code, reason = "shown when something does not hold")]
    line: String,
    /// -1 after a signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(line: &str, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            line: line.to_owned(),
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    pub(crate) fn good(&self) -> bool {
        self.code == 0
    }

    /// No panic, and a failure says why.
    fn sane(&self) -> bool {
        let debug = self.err.contains("panicked") || self.err.contains("Error {");
        let silent = self.err.trim().is_empty() && self.out.trim().is_empty();
        !debug && (self.good() || !silent)
    }
}
