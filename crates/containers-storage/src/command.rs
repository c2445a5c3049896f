//! [`Command`]: the command `podman`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStdout;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use transship_core::{DockerName, Error, ErrorKind, Result, ResultExt};
use transship_docker_daemon::engine::{BaseImages, Chunks, Inspected, Piece};
use transship_docker_daemon::http::{ANSWER, REMOVAL, parsed};
use transship_docker_daemon::libpod::removes_bases;

use crate::podman::{Line, Route, Which};
use crate::process::{Loading, Running, output};
use crate::reference::Store;

/// The most bytes of a save that are read at once.
const CHUNK: usize = 256 << 10;

/// How many images are asked for at once.
const AT_ONCE: usize = 100;

/// What leads podman to an API: it is not what a store is asked for by. Where one is empty it is not set, and podman would take it for an
/// address.
const REMOTE: [&str; 2] = ["CONTAINER_HOST", "CONTAINER_CONNECTION"];

/// Without it, podman also removes images without names that the image was built on. podman has it since 4.3: see
/// [`libpod`](transship_docker_daemon::libpod).
const NO_PRUNE: &str = "--no-prune";

/// What an older podman says of it.
const UNKNOWN_FLAG: &str = "unknown flag";

/// The command, for one store. Before what a user has named stands `--`: a name that begins with `-` is no flag.
#[derive(Debug)]
pub(crate) struct Command {
    program: OsString,
    store: Store,
}

impl Command {
    pub(crate) fn new(program: OsString, store: Store) -> Self {
        Self { program, store }
    }

    fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        for variable in REMOTE {
            let is_empty = std::env::var_os(variable).is_some_and(|value| value.is_empty());
            if is_empty || !self.store.is_own() {
                command.env_remove(variable);
            }
        }
        command.args(self.store.flags()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// Runs it for an answer that is small. A save or a load may take as long as it needs: nobody else can be asked whether it still
    /// does something, and a user sees the process, and can end it.
    async fn run(&self, args: &[&str]) -> Result<Vec<u8>> {
        let mut running = Running::start(self.command(args), args)?;
        let stdout = running.stdout()?;
        let called = running.called().to_owned();
        let limit = if args.first() == Some(&"rmi") { REMOVAL } else { ANSWER };
        let answer = async {
            // Where podman says too much, its pipe closes before its end: that ends it, and is not why.
            let said = output(stdout).await?;
            running.succeeded().await?;
            Ok(said)
        };
        let answer = timeout(limit, answer).await;
        answer.unwrap_or_else(|_| Err(no_answer(&called, limit)))
    }
}

#[async_trait]
impl Route for Command {
    async fn lines(&self, of: Which) -> Result<Vec<Line>> {
        let all = format!("--all={}", of == Which::All);
        let mut lines: Vec<Line> = parsed(&self.run(&["images", &all, "--format", "json"]).await?)?;
        // An image has a line for each of its names, and each line has them all.
        let mut seen = HashSet::new();
        lines.retain(|line| seen.insert(line.id.clone()));
        Ok(lines)
    }

    async fn is_list(&self, id: &str) -> bool {
        self.run(&["manifest", "exists", "--", id]).await.is_ok()
    }

    async fn inspect(&self, image: &str) -> Result<Inspected> {
        let found: Vec<Inspected> = parsed(&self.run(&["image", "inspect", "--", image]).await?)?;
        found.into_iter().next().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("podman says nothing of {image}"))
        })
    }

    async fn inspect_all(&self, ids: &[String]) -> Result<Vec<Inspected>> {
        let mut all = Vec::new();
        for ids in ids.chunks(AT_ONCE) {
            let args: Vec<&str> = ["image", "inspect", "--"]
                .into_iter()
                .chain(ids.iter().map(String::as_str))
                .collect();
            let found: Vec<Inspected> = match self.run(&args).await.if_found()? {
                Some(said) => parsed(&said)?,
                // One that went meanwhile hides the others.
                None => Vec::new(),
            };
            all.extend(found);
        }
        Ok(all)
    }

    async fn graph_root(&self) -> Result<String> {
        let said = self.run(&["info", "--format", "{{.Store.GraphRoot}}"]).await?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        self.run(&["tag", "--", image, &name.to_string()]).await.map(drop)
    }

    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()> {
        match self.run(&["rmi", NO_PRUNE, "--", image]).await {
            Err(error) if error.message().contains(UNKNOWN_FLAG) => match bases {
                BaseImages::Stay => Err(removes_bases()),
                BaseImages::StayIfPossible => self.run(&["rmi", "--", image]).await.map(drop),
            },
            removed => removed.map(drop),
        }
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        let mut args = vec!["save", "--quiet", "--format", "docker-archive"];
        if images.len() > 1 {
            args.push("--multi-image-archive");
        }
        args.push("--");
        args.extend(images.iter().map(String::as_str));
        let mut running = Running::start(self.command(&args), &args)?;
        let stdout = Some(running.stdout()?);
        Ok(Box::new(Saving { running, stdout, buffer: BytesMut::new() }))
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        let args = ["load", "--quiet"];
        let mut command = self.command(&args);
        command.stdin(Stdio::piped());
        let said = Loading::start(command, &args)?.load(tar).await?;
        let said = String::from_utf8_lossy(&said);
        if !said.contains("Loaded image") {
            let message = "podman does not say that it has loaded the image";
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        Ok(said.find("sha256:").and_then(|at| said.get(at..at + 71)).map(str::to_owned))
    }
}

fn no_answer(called: &str, limit: Duration) -> Error {
    let message = format!("{called} gave no answer for {} seconds", limit.as_secs());
    Error::new(ErrorKind::Unavailable, message)
        .hint("another podman holds the lock of the store, or it hangs: see ps, and try again")
}

/// A save, of which podman is killed when it is dropped.
#[derive(Debug)]
struct Saving {
    running: Running,
    /// None once it has ended.
    stdout: Option<ChildStdout>,
    buffer: BytesMut,
}

#[async_trait]
impl Chunks for Saving {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(stdout) = &mut self.stdout else { return Ok(None) };
        self.buffer.reserve(CHUNK);
        let read = stdout.read_buf(&mut self.buffer).await;
        if read.map_err(|error| Error::io("reading from", "podman", error))? > 0 {
            return Ok(Some(self.buffer.split().freeze()));
        }
        self.stdout = None;
        self.running.succeeded().await?;
        Ok(None)
    }
}
