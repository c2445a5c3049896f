//! A podman that runs: its pipes, its words, its end.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use transship_core::{Error, ErrorKind, Result, cancelled, spawn_to_end};
use transship_docker_daemon::engine::{Piece, kind_of};
use transship_docker_daemon::http::ANSWER_LIMIT;

use crate::find;

/// How much of what podman says of a failure is kept: the end.
const WORDS: usize = 8 << 10;

/// How long a podman whose image was cut off may remove what it has of it, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// A podman that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    called: String,
    words: JoinHandle<Vec<u8>>,
}

impl Running {
    /// Starts a command whose stdout and stderr are pipes.
    pub(crate) fn start(mut command: Command, args: &[&str]) -> Result<Self> {
        let program = command.as_std().get_program().to_owned();
        let mut child = command.spawn().map_err(|error| find::not_started(&program, error))?;
        let stderr = child.stderr.take().ok_or_else(no_pipe)?;
        let verb: Vec<_> =
            args.iter().take_while(|arg| !arg.starts_with('-')).take(2).copied().collect();
        let called = format!("podman {}", verb.join(" "));
        Ok(Self { child, called, words: tokio::spawn(last(stderr)) })
    }

    /// What was called, for errors.
    pub(crate) fn called(&self) -> &str {
        &self.called
    }

    pub(crate) fn stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().ok_or_else(no_pipe)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it fails, with its words.
    pub(crate) async fn succeeded(&mut self) -> Result<()> {
        let status = self.child.wait().await;
        let status = status.map_err(|error| Error::io("waiting for", "podman", error))?;
        let words = (&mut self.words).await.unwrap_or_default();
        if status.success() { Ok(()) } else { Err(failed(&self.called, status, &words)) }
    }
}

/// What a command writes.
///
/// # Errors
/// `LimitExceeded`.
pub(crate) async fn output(from: impl AsyncRead + Unpin) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let limit = ANSWER_LIMIT as u64;
    let read = from.take(limit + 1).read_to_end(&mut all).await;
    read.map_err(|error| Error::io("reading from", "podman", error))?;
    if all.len() > ANSWER_LIMIT {
        let message = format!("podman's answer has more than {limit} bytes");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    Ok(all)
}

/// A podman that loads what it is given. Dropped while the tar is not whole, it is told that the tar ends, which makes it
/// remove what it has; dropped later, it is killed.
#[derive(Debug)]
pub(crate) struct Loading {
    /// None once it is dropped.
    running: Option<Running>,
    stdin: Option<ChildStdin>,
    whole: bool,
}

impl Loading {
    /// Starts a command whose three streams are pipes.
    pub(crate) fn start(command: Command, args: &[&str]) -> Result<Self> {
        let mut running = Running::start(command, args)?;
        let stdin = Some(running.child.stdin.take().ok_or_else(no_pipe)?);
        Ok(Self { running: Some(running), stdin, whole: false })
    }

    /// What podman says of the tar.
    pub(crate) async fn load(mut self, mut tar: Receiver<Piece>) -> Result<Vec<u8>> {
        let running = self.running.as_mut().ok_or_else(cancelled)?;
        let said = tokio::spawn(output(running.stdout()?));
        loop {
            let piece = tar.recv().await;
            let Some(stdin) = &mut self.stdin else { break };
            match piece {
                Some(Piece::Bytes(bytes)) => {
                    // A podman that takes no more says why.
                    if stdin.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                Some(Piece::End) => {
                    self.whole = true;
                    break;
                }
                None => return Err(cancelled()),
            }
        }
        drop((tar, self.stdin.take()));
        let ended = running.succeeded().await;
        match said.await.unwrap_or_else(|_| Err(cancelled())) {
            // The pipe that was closed then ended podman.
            Err(error) if error.kind() == ErrorKind::LimitExceeded => Err(error),
            said => ended.and(said),
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.stdin = None;
        let Some(mut running) = self.running.take() else { return };
        if let (false, Ok(_)) = (self.whole, Handle::try_current()) {
            drop(spawn_to_end(async move {
                let _ = tokio::time::timeout(GRACE, running.child.wait()).await;
            }));
        }
    }
}

/// The last bytes.
async fn last(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        kept.drain(..kept.len().saturating_sub(WORDS));
    }
    kept
}

fn failed(called: &str, status: ExitStatus, words: &[u8]) -> Error {
    let words = String::from_utf8_lossy(words);
    // What stands before are warnings and progress.
    let said = words.rfind("Error: ").map_or(&*words, |at| &words[at + "Error: ".len()..]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = match status.code() {
        Some(code) => format!("ended with status {code}"),
        None => "was killed".to_owned(),
    };
    let colon = if said.is_empty() { "" } else { ": " };
    Error::new(kind_of(&said), format!("{called} {end}{colon}{said}"))
}

fn no_pipe() -> Error {
    Error::new(ErrorKind::Unexpected, "podman has no pipes")
}
