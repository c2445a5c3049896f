//! `transship login`.

use std::io::{BufRead, IsTerminal, Read, Write, stderr, stdin};

use serde::Serialize;
use transship::registry::{self, Credential, RegistryOptions, SCHEME, Secret};
use transship::transport::run_blocking;
use transship::{Error, ErrorKind, Settings};

use crate::args::Login;
use crate::exit::{Done, Result};
use crate::output::safe;
use crate::session::Session;

/// The longest password, in bytes; tokens have some thousand.
const LIMIT: u64 = 64 * 1024;

#[derive(Serialize)]
struct Kept<'a> {
    registry: &'a str,
    username: &'a str,
    file: String,
    helper: Option<&'a str>,
}

pub(super) async fn run(args: Login, session: &Session) -> Result {
    let options = options(&args)?;
    let username = match args.username {
        Some(username) => username,
        None => ask("Username: ").await?,
    };
    if username.is_empty() || username.contains(':') {
        let message = "a user name is not empty, and has no colon";
        return Err(Error::new(ErrorKind::InvalidInput, message).into());
    }
    let secret = if args.password_stdin { piped().await? } else { ask_secretly().await? };
    let credential = Credential::Basic { user: username.clone(), secret: secret.clone() };
    let observer = session.reporter.observer();
    // Large, and made once.
    Box::pin(registry::check(&options, &args.registry, &credential, &observer)).await?;
    let (key, user) = (args.registry.clone(), username.clone());
    let kept = run_blocking(move |_| registry::keep(&options, &key, &user, &secret)).await?;
    let result = Kept {
        registry: &args.registry,
        username: &username,
        file: kept.file.display().to_string(),
        helper: kept.helper.as_deref(),
    };
    args.output.print(&result, || {
        let place =
            result.helper.map_or(result.file.clone(), |name| format!("docker-credential-{name}"));
        let line = format!("logged in to {}; the password is in {place}", result.registry);
        format!("{}\n", safe(&line))
    })?;
    Ok(Done::Success)
}

/// The same options as those of the transport, so that both mean the same.
fn options(args: &Login) -> transship::Result<RegistryOptions> {
    let mut settings = Settings::new();
    if let Some(verify) = &args.tls_verify {
        settings = settings.with(SCHEME, "tls-verify", verify);
    }
    let mut options = RegistryOptions::from_settings(&settings)?;
    options.cert_dir.clone_from(&args.cert_dir);
    options.authfile.clone_from(&args.place.authfile);
    Ok(options)
}

/// All of standard input, without the line end.
async fn piped() -> transship::Result<Secret> {
    let text = run_blocking(|_| {
        let mut text = String::new();
        let read = stdin().lock().take(LIMIT + 1).read_to_string(&mut text);
        read.map_err(|error| Error::io("reading", "standard input", error))?;
        Ok(text)
    })
    .await?;
    if text.len() as u64 > LIMIT {
        let message = format!("the password is longer than {LIMIT} bytes");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    not_empty(text.trim_end_matches(['\r', '\n']))
}

fn not_empty(text: &str) -> transship::Result<Secret> {
    if text.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "the password is empty"));
    }
    Ok(Secret::new(text))
}

/// A line of a person.
async fn ask(prompt: &str) -> transship::Result<String> {
    if !stdin().is_terminal() {
        let message = "stdin is not a terminal, so the password cannot be asked for";
        return Err(Error::new(ErrorKind::InvalidInput, message)
            .hint("give --username, and the password with --password-stdin"));
    }
    // Without the prompt, the question is still there.
    let _ = write!(stderr().lock(), "{prompt}").and_then(|()| stderr().flush());
    let line = run_blocking(|_| {
        let mut line = String::new();
        let read = stdin().lock().take(LIMIT).read_line(&mut line);
        read.map(|_| line).map_err(|error| Error::io("reading", "the terminal", error))
    })
    .await?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn ask_secretly() -> transship::Result<Secret> {
    // Dropped also when Ctrl-C ends us: the terminal shows again what is typed.
    let quiet = Quiet::new();
    let line = ask("Password: ").await;
    drop(quiet);
    not_empty(&line?)
}

/// A terminal that does not show what is typed, until this is dropped.
#[cfg(unix)]
struct Quiet(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Quiet {
    fn new() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let Ok(before) = tcgetattr(stdin()) else { return Self(None) };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        let set = tcsetattr(stdin(), OptionalActions::Flush, &quiet);
        Self(set.is_ok().then_some(before))
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
            let _ = stderr().lock().write_all(b"\n");
        }
    }
}

#[cfg(not(unix))]
struct Quiet;

#[cfg(not(unix))]
impl Quiet {
    fn new() -> Self {
        Self
    }
}
