//! The command `transship`, as a library: to add a transport, link its crate and call [`run`].
//!
//! ```ignore
//! use transship_sqlite as _;
//! fn main() -> std::process::ExitCode {
//!     transship_cli::run()
//! }
//! ```
//!
//! What it prints is described in [`transship::manual::command`].
//!
//! `args` defines what can be typed; `session` and `places` turn it into options and references; `commands` run.

mod args;
mod commands;
mod exit;
mod facts;
mod hints;
mod limits;
mod output;
mod places;
mod progress;
mod session;
mod sides;
mod signals;
mod since;
mod stdin;
mod streams;
mod trust;
mod values;

use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind::MissingRequiredArgument;
use transship::{Error, ErrorKind};

use args::{Cli, Command};
use exit::Failure;
use session::Session;
use sides::Sides;

/// The longest wait for cancelled writes to clean up.
const CLEANING: std::time::Duration = std::time::Duration::from_secs(30);

/// The longest wait for everything else. Only reads of a terminal or a pipe, which cannot be interrupted, need it.
const GRACE: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs the command with the arguments of this process and with every transport that is linked.
///
/// Returns the exit code. Output goes to the process's stdout and stderr.
pub fn run() -> ExitCode {
    limits::save_address_space();
    let (cli, settings) = match parse() {
        Ok(parsed) => parsed,
        Err(usage) => {
            // Also --help and --version; nobody reads a closed pipe.
            let _ = usage.print();
            return u8::try_from(usage.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let session = Session::new(cli.command.common(), settings);
    let json = matches!(&cli.command, Command::Copy(copy) if copy.output.json && !streams::is_archive_on_stdout(copy));
    let outcome = in_runtime(cli, &session);
    session.reporter.end();
    if let Err(failure) = &outcome {
        session.reporter.failure(failure);
        tell_published(failure, &session, json);
    }
    exit::code(&outcome)
}

/// Reports the images that a failed or stopped copy has published.
fn tell_published(failure: &Failure, session: &Session, json: bool) {
    // The engine says what is published in its own errors.
    let (kind, error, given_up) = match failure {
        Failure::Error(error) => {
            (error.kind(), error.to_string(), error.kind() == ErrorKind::Cancelled)
        }
        Failure::Signal(number) => {
            (ErrorKind::Cancelled, format!("stopped by signal {number}"), true)
        }
        Failure::ClosedPipe => return,
    };
    let unconfirmed = session.published.unconfirmed().map(|reference| reference.to_string());
    if given_up {
        if let Some(there) = session.published.summary() {
            session.reporter.warn(&format!("published already: {there}"));
        }
        if let Some(reference) = &unconfirmed {
            let text = format!("it is not known whether {reference} is published: look there");
            session.reporter.warn(&text);
        }
    }
    if json {
        let published = session.published.references().iter().map(ToString::to_string).collect();
        let kind = kind.to_string();
        // The failure is reported on stderr already.
        let _ = output::print_json(&Unfinished { kind, error, published, unconfirmed });
    }
}

/// The JSON of a copy that failed or was stopped.
#[derive(serde::Serialize)]
struct Unfinished {
    kind: String,
    error: String,
    published: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unconfirmed: Option<String>,
}

fn parse() -> Result<(Cli, Sides), clap::Error> {
    let mut command = sides::command();
    let typed = sides::joined(args::translated(std::env::args_os()));
    let matches = command.try_get_matches_from_mut(typed).map_err(args::advised)?;
    let cli = Cli::from_arg_matches(&matches)?;
    if let Command::Copy(copy) = &cli.command
        && copy.places().is_none()
    {
        let text = "the destination is missing: give it after the sources";
        return Err(match command.find_subcommand_mut("copy") {
            Some(copy) => copy.error(MissingRequiredArgument, text),
            None => command.error(MissingRequiredArgument, text),
        });
    }
    Ok((cli, sides::settings(&matches)))
}

fn in_runtime(cli: Cli, session: &Session) -> exit::Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| {
            Failure::Error(Error::new(ErrorKind::Unexpected, "starting the runtime").caused_by(e))
        })?;
    streams::check(&cli.command)?;
    let work = commands::run(cli.command, session);
    let outcome = runtime.block_on(signals::guarded(work, session.deadline, &session.published));
    // Also of a command that succeeded: images that failed may be a part of what it reports.
    runtime.block_on(settled(session));
    runtime.block_on(cleaned_up());
    runtime.shutdown_timeout(GRACE);
    outcome
}

/// Waits until cancelled writes have removed their staging files.
async fn cleaned_up() {
    let end = tokio::time::Instant::now() + CLEANING;
    while transship::local::unfinished_writes() > 0 && tokio::time::Instant::now() < end {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Waits until registries and engines have been told of what will not go on, and have removed it. Says so where that takes a while.
async fn settled(session: &Session) {
    let mut settled = std::pin::pin!(transship::transport::settled());
    if tokio::time::timeout(GRACE, &mut settled).await.is_ok() {
        return;
    }
    let most = CLEANING.as_secs();
    session.reporter.warn(&format!(
        "waiting up to {most} s until the destination has removed what was begun, such as an image that an engine loads; press Ctrl-C again to stop at once"
    ));
    if tokio::time::timeout(CLEANING, settled).await.is_err() {
        let after = CLEANING.as_secs();
        session.reporter.warn(&format!(
            "what was begun at the destination has not ended after {after} s: a registry may keep a part of a blob until that expires, an engine an image without a name"
        ));
    }
}
