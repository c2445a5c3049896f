//! Programs that keep credentials: `docker-credential-NAME`, which take a verb as argument and speak JSON.
//! See <https://github.com/docker/docker-credential-helpers>.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use transship_core::{Error, ErrorKind, Result};

use super::{Credential, Secret};

/// A key chain may ask a person.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most that is read of what one says.
const LIMIT: u64 = 1024 * 1024;

/// The user that stands for an identity token.
const TOKEN_USER: &str = "<token>";

/// A program that keeps credentials.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    program: String,
    path: Option<OsString>,
    patience: Duration,
}

impl Helper {
    /// By what follows `docker-credential-`, looked for in a `PATH`.
    pub(super) fn new(name: &str, path: Option<&OsString>) -> Result<Self> {
        // It comes from a file, and becomes the name of a program.
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || !plain {
            let message = format!("{name:?} is no name of a credential helper");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let program = format!("docker-credential-{name}");
        Ok(Self { program, path: path.cloned(), patience: PATIENCE })
    }

    /// What it keeps for a server; `None` if nothing.
    pub(super) fn get(&self, server: &str) -> Result<Option<Credential>> {
        let said = self.run("get", server.as_bytes())?;
        if !said.well {
            return if said.is_not_found() { Ok(None) } else { Err(self.failed("get", server)) };
        }
        let document: Value = serde_json::from_slice(&said.text)
            .map_err(|_| self.error(ErrorKind::Corrupt, "get printed no JSON"))?;
        let field = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        let secret = Secret::new(field("Secret"));
        Ok(match field("Username") {
            "" if secret.reveal().is_empty() => None,
            TOKEN_USER => Some(Credential::IdentityToken(secret)),
            user => Some(Credential::Basic { user: user.to_owned(), secret }),
        })
    }

    pub(super) fn store(&self, server: &str, user: &str, secret: &Secret) -> Result<()> {
        let text = json!({ "ServerURL": server, "Username": user, "Secret": secret.reveal() });
        let said = self.run("store", text.to_string().as_bytes())?;
        if said.well { Ok(()) } else { Err(self.failed("store", server)) }
    }

    /// Forgets a credential; `false` if there was none.
    pub(super) fn erase(&self, server: &str) -> Result<bool> {
        let said = self.run("erase", server.as_bytes())?;
        match (said.well, said.is_not_found()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(self.failed("erase", server)),
        }
    }

    fn run(&self, verb: &str, input: &[u8]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let mut child = command.spawn().map_err(|error| self.cannot_start(error))?;
        let text = drain(child.stdout.take());
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read has its reasons; what it says counts.
            let _ = stdin.write_all(input);
        }
        let end = Instant::now() + self.patience;
        let well = wait(&mut child, end).map_err(|error| self.cannot_start(error))?;
        let well = well.ok_or_else(|| self.late(verb))?;
        // What it started may still hold its output.
        let left = end.saturating_duration_since(Instant::now());
        let text = text.recv_timeout(left).map_err(|_| self.late(verb))?;
        if text.len() as u64 > LIMIT {
            return Err(
                self.error(ErrorKind::LimitExceeded, &format!("{verb} printed over {LIMIT} bytes"))
            );
        }
        Ok(Output { well, text })
    }

    fn cannot_start(&self, error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::Unsupported,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unexpected,
        };
        let hint = "install it, or remove it from credHelpers and credsStore";
        Error::new(kind, format!("starting {}", self.program)).caused_by(error).hint(hint)
    }

    /// What it printed is not shown: it may be a secret.
    fn failed(&self, verb: &str, server: &str) -> Error {
        let hint = format!("run `echo {server} | {} {verb}` to see why", self.program);
        self.error(ErrorKind::Denied, &format!("{verb} failed for {server}")).hint(hint)
    }

    fn late(&self, verb: &str) -> Error {
        let message = format!("{verb} did not end within {} s", self.patience.as_secs_f32());
        self.error(ErrorKind::Unavailable, &message).with_retryable(false)
    }

    fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, format!("{}: {message}", self.program))
    }
}

/// What a program that ended said.
struct Output {
    well: bool,
    text: Vec<u8>,
}

impl Output {
    /// The protocol has words for it, and no exit code.
    fn is_not_found(&self) -> bool {
        let text = String::from_utf8_lossy(&self.text);
        text.contains("credentials not found") || text.contains("not logged in")
    }
}

fn drain(from: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (output, text) = mpsc::channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(from) = from {
            // What was read before an error is what there is.
            let _ = from.take(LIMIT + 1).read_to_end(&mut all);
        }
        let _ = output.send(all);
    });
    text
}

/// Whether it ended well; `None`: it was still running, and is not any more.
fn wait(child: &mut Child, end: Instant) -> io::Result<Option<bool>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A helper that is a script, in a folder that is its `PATH`.
    fn helper(script: &str) -> (tempfile::TempDir, Helper) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-credential-x");
        std::fs::write(&program, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut helper = Helper::new("x", Some(&folder.path().as_os_str().to_owned())).unwrap();
        helper.patience = Duration::from_secs(20);
        (folder, helper)
    }

    #[test]
    fn what_it_keeps() {
        let (_folder, h) =
            helper(r#"read server; echo "{\"Username\":\"$1\",\"Secret\":\"of $server\"}""#);
        let secret = Secret::new("of h:5000");
        assert_eq!(
            h.get("h:5000").unwrap(),
            Some(Credential::Basic { user: "get".into(), secret })
        );
        let (_folder, token) = helper(r#"echo '{"Username":"<token>","Secret":"t"}'"#);
        assert_eq!(token.get("h").unwrap(), Some(Credential::IdentityToken(Secret::new("t"))));
        let (_folder, none) = helper("echo credentials not found in native keychain; exit 1");
        assert_eq!(none.get("h").unwrap(), None);
        assert!(!none.erase("h").unwrap());
    }

    #[test]
    fn secrets_go_through_a_pipe() {
        let (folder, h) =
            helper(r#"cat > "$(dirname "$0")/in"; echo "$*" > "$(dirname "$0")/args""#);
        h.store("h", "me", &Secret::new("hunter2")).unwrap();
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("in"), r#"{"ServerURL":"h","Username":"me","Secret":"hunter2"}"#);
        assert_eq!(read("args"), "store\n");
    }

    #[test]
    fn failures_say_what_failed_and_no_secret() {
        for (script, kind) in [
            ("echo hunter2; exit 3", ErrorKind::Denied),
            ("echo hunter2", ErrorKind::Corrupt),
            ("head -c 2000000 /dev/zero | tr '\\0' a", ErrorKind::LimitExceeded),
        ] {
            let (_folder, h) = helper(script);
            let error = h.get("h").unwrap_err();
            assert_eq!(error.kind(), kind, "{script}: {error}");
            let text = error.to_string();
            assert!(text.contains("docker-credential-x") && !text.contains("hunter2"), "{text}");
        }
        let absent = Helper::new("absent", Some(&"/nowhere".into())).unwrap();
        assert_eq!(absent.get("h").unwrap_err().kind(), ErrorKind::Unsupported);
        for name in ["", "../x", "a b", "a/b"] {
            assert!(Helper::new(name, None).is_err(), "{name}");
        }
    }

    #[test]
    fn one_that_hangs_is_ended() {
        for script in ["exec sleep 60", "sleep 60 & exit 0"] {
            let (_folder, mut h) = helper(script);
            h.patience = Duration::from_millis(200);
            let begun = Instant::now();
            let error = h.get("h").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    }
}
