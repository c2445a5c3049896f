//! [`Place`]: where an operation is done, what is there, and how it is done with a fault.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::case::{Case, Operation, Where};
use super::points::{Fault, Point, WRITES, has_hit};
use super::{Tools, server};
use crate::sh::{self, Result};

/// The name of the image that comes or goes.
const NEW: &str = "docker.io/example/scale:2";

/// How many seconds an operation may take.
const LIMIT: &str = "60";

/// What is at a place: the IDs of images that were all verified, or what a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State(Vec<String>);

/// How an operation ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) said: String,
}

pub(super) struct Place<'a> {
    tools: &'a Tools,
    case: &'a Case,
    folder: PathBuf,
}

impl<'a> Place<'a> {
    pub(super) fn new(tools: &'a Tools, case: &'a Case, folder: &Path) -> Self {
        Self { tools, case, folder: folder.to_owned() }
    }

    /// What is there before.
    pub(super) fn prepare(&self) -> Result<()> {
        let failed = |e| format!("{}: {e}", self.folder.display());
        for folder in ["tmp", "cache"] {
            fs::create_dir_all(self.folder.join(folder)).map_err(failed)?;
        }
        fs::write(self.folder.join("password"), "secret\n").map_err(failed)?;
        if self.case.place == Where::Here {
            fs::create_dir(self.path()).map_err(failed)?;
        }
        if self.case.is_of_credentials() {
            let kept = r#"{"auths": {"other.example": {"auth": "dTpw"}, "127.0.0.1:1": {"auth": "dTpw"}}}"#;
            return fs::write(self.path(), kept).map_err(failed);
        }
        if self.case.operation == Operation::New {
            return Ok(());
        }
        let old = format!("docker-archive:{}", self.tools.old.display());
        if self.case.is_single() {
            return self.succeed(&["copy", &format!("{old}:example/scale:0"), &self.reference()]);
        }
        self.succeed(&["copy", "--all-images", &old, &self.reference()])?;
        if matches!(self.case.operation, Operation::Delete | Operation::Gc) {
            self.succeed(&["copy", "--append", &self.new_image(), &self.reference()])?;
        }
        if self.case.operation == Operation::Gc {
            self.succeed(&["delete", &format!("{}:{NEW}", self.reference())])?;
            let garbage = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
            let path = self.path().join("blobs/sha256").join(garbage);
            fs::write(path, "hello\n").map_err(failed)?;
        }
        Ok(())
    }

    /// Does it, and writes down its calls.
    pub(super) fn traced(&self, log: &Path) -> Result<()> {
        let words = self.words(false)?;
        let ended = self.strace(&[], log, &words)?;
        if ended.status.success() { Ok(()) } else { Err(format!("{words:?}: {}", ended.said)) }
    }

    /// Does it with a fault; `None` where that did not hit.
    pub(super) fn with_fault(
        &self,
        point: &Point,
        fault: Fault,
        log: &Path,
    ) -> Result<Option<Ended>> {
        let words = self.words(false)?;
        match point {
            Point::Call(name, number) => {
                let inject = format!("inject={name}:{}:when={number}", fault.injected());
                let ended = self.strace(&["-e", &inject], log, &words)?;
                let seen = fs::read_to_string(log).map_err(|e| e.to_string())?;
                let hit = fault.ends_it() && !ended.status.success();
                let folder = self.folder.display().to_string();
                Ok((hit || has_hit(&seen, &folder)).then_some(ended))
            }
            Point::Size(blocks) => {
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
                let program = self.tools.transship.display().to_string();
                let mut command = sh::command("dash", ["-c", &script, "dash", &program]);
                command.args(&words);
                ended(&mut self.surrounded(command)).map(Some)
            }
        }
    }

    /// The same again; where it is done already and cannot be done twice, another write to that place.
    pub(super) fn again(&self, done: bool) -> Result<()> {
        if done && self.case.operation == Operation::Logout {
            let login = Case { operation: Operation::Login, ..*self.case };
            return Place::new(self.tools, &login, &self.folder).again(false);
        }
        if done && self.case.goes_once() {
            return self.succeed(&["copy", "--append", &self.new_image(), &self.reference()]);
        }
        let words = self.words(done)?;
        self.succeed(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What is there, all of it verified.
    pub(super) fn state(&self) -> Result<State> {
        if self.case.is_of_credentials() {
            let text = fs::read_to_string(self.path()).map_err(|e| e.to_string())?;
            let kept: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
            let hosts = kept["auths"].as_object().ok_or("there are no credentials")?;
            return Ok(State(hosts.keys().cloned().collect()));
        }
        let words = self.reading("list", &["--json"]);
        let listed = sh::finish(&mut self.command(&words))?;
        if listed.status.code() == Some(3) {
            return Ok(State(Vec::new()));
        }
        let listed = sh::json(&mut self.command(&words))?;
        let images = listed["images"].as_array().ok_or("list --json has no images")?;
        let id = |image: &serde_json::Value| image["image_id"].as_str().map(str::to_owned);
        let mut images: Vec<String> = images.iter().filter_map(id).collect();
        images.sort();
        if !images.is_empty() {
            sh::stdout(&mut self.command(&self.reading("verify", &[])))?;
        }
        Ok(State(images))
    }

    /// The size of the largest file.
    pub(super) fn largest(&self) -> Result<u64> {
        let mut sizes = Vec::new();
        walk(&self.folder, &mut |path| {
            sizes.push(path.metadata().map_or(0, |found| found.len()));
            Ok(())
        })?;
        Ok(sizes.into_iter().max().unwrap_or(0))
    }

    /// Whether other tools see what we see.
    pub(super) fn is_settled(&self) -> Result<()> {
        let swap = self.path().join(".transship-swap/list");
        if swap.exists() { Err(format!("{} is there", swap.display())) } else { Ok(()) }
    }

    /// Whether nothing is left behind.
    pub(super) fn is_clean(&self) -> Result<()> {
        walk(&self.folder, &mut |path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(".transship") || name.starts_with(".auth-") {
                return Err(format!("{} was left behind", path.display()));
            }
            Ok(())
        })?;
        if self.case.scheme != "oci" || self.case.place != Where::Plain {
            return Ok(());
        }
        let before = self.state()?;
        if self.case.operation != Operation::Gc {
            self.succeed(&["gc", "--delete", "--min-age", "0", &self.reference()])?;
        }
        let said = sh::json(&mut self.command(&self.reading("gc", &["--min-age", "0", "--json"])))?;
        let left = ["garbage", "spared"].map(|kind| &said[kind]);
        if left.iter().any(|list| list.as_array().is_none_or(|list| !list.is_empty())) {
            return Err(format!("gc left {said}"));
        }
        if self.state()? == before { Ok(()) } else { Err("gc took an image".to_owned()) }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(match self.case.place {
            Where::Deep | Where::Shared => "deep/er/place",
            Where::Plain | Where::Here => "place",
        })
    }

    fn reference(&self) -> String {
        match self.case.place {
            Where::Here => format!("{}:.", self.case.scheme),
            _ => format!("{}:{}", self.case.scheme, self.path().display()),
        }
    }

    fn new_image(&self) -> String {
        format!("docker-archive:{}", self.tools.new.display())
    }

    /// The operation; `over` where it has been done already.
    fn words(&self, over: bool) -> Result<Vec<String>> {
        let (to, new) = (self.reference(), self.new_image());
        let authfile = self.path().display().to_string();
        let words = match self.case.operation {
            Operation::New if over => vec!["copy", "--replace", &new, &to],
            Operation::New => vec!["copy", &new, &to],
            Operation::Append => vec!["copy", "--append", &new, &to],
            Operation::Replace => vec!["copy", "--replace", &new, &to],
            Operation::Delete => return Ok(vec!["delete".to_owned(), format!("{to}:{NEW}")]),
            Operation::Gc => vec!["gc", "--delete", "--min-age", "0", &to],
            Operation::Login => vec![
                "login",
                "--tls-verify",
                "false",
                "--authfile",
                &authfile,
                "--username",
                "u",
                "--password-stdin",
                server::host()?,
            ],
            Operation::Logout => vec!["logout", "--authfile", &authfile, "127.0.0.1:1"],
        };
        Ok(words.into_iter().map(str::to_owned).collect())
    }

    /// A command that reads the place.
    fn reading(&self, what: &str, more: &[&str]) -> Vec<String> {
        let mut words = vec![what.to_owned()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push(self.reference());
        words
    }

    fn command<S: AsRef<str>>(&self, words: &[S]) -> Command {
        self.surrounded(sh::command(&self.tools.transship, words.iter().map(AsRef::as_ref)))
    }

    /// With folders of its own, and the options of the place.
    fn surrounded(&self, mut command: Command) -> Command {
        if self.case.place == Where::Shared {
            let shared = self.folder.join("sha/red").display().to_string();
            command.args(["-o", &format!("oci.shared-blob-dir={shared}")]);
        }
        if self.case.place == Where::Here {
            command.current_dir(self.path());
        }
        if let Ok(password) = File::open(self.folder.join("password")) {
            command.stdin(password);
        }
        for (name, folder) in [("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache"), ("HOME", "tmp")] {
            command.env(name, self.folder.join(folder));
        }
        command
    }

    fn strace(&self, more: &[&str], log: &Path, words: &[String]) -> Result<Ended> {
        let (trace, log) = (format!("trace={}", WRITES.join(",")), log.display().to_string());
        let options = ["-f", "-y", "-qq", "-s", "0", "-o", &log, "-e", &trace];
        // Killed with all that it started, when it hangs.
        let mut command = sh::command("timeout", ["-s", "KILL", LIMIT]);
        command.arg(&self.tools.strace).args(options).args(more);
        command.arg(&self.tools.transship).args(words);
        ended(&mut self.surrounded(command))
    }

    fn succeed(&self, words: &[&str]) -> Result<()> {
        let ended = ended(&mut self.command(words))?;
        if ended.status.success() { Ok(()) } else { Err(format!("{words:?}: {}", ended.said)) }
    }
}

fn ended(command: &mut Command) -> Result<Ended> {
    let finished = sh::finish(command)?;
    let said = String::from_utf8_lossy(&finished.stderr).trim().replace('\n', " / ");
    Ok(Ended { status: finished.status, said })
}

/// Calls a function with each file and folder below one.
fn walk(folder: &Path, each: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        each(&path)?;
        if path.is_dir() && !path.is_symlink() {
            walk(&path, each)?;
        }
    }
    Ok(())
}
