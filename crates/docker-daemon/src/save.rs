//! Reading what an engine saves: tars, each of which comes once.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::channel;
use transship_archive::Pieces;
use transship_core::{Error, ErrorKind, Passed, ReadOptions, Result, Staging, few};

use crate::connection::Task;
use crate::engine::{Chunks, Engine, Listed, Locator, asked_for, no_images};
use crate::http::encoded;
use crate::reply;

/// How many pieces may wait to be read.
const WAITING: usize = 8;

/// How much of the end is kept, to find a message of the engine in it.
const TAIL: usize = 8 << 10;

const BLOCK: u64 = 512;

/// The two blocks of zeros with which a tar ends.
const END: usize = 1024;

/// The most bytes of names in one request: an address has at most 65,534.
const NAMES: usize = 60_000;

/// What docker with a graph driver says where it is to save an image without layers, whatever else it is to save.
const NO_LAYERS: &str = "empty export";

/// What an engine saved: a tar for each request.
#[derive(Debug)]
pub(crate) struct Saves(pub(crate) Vec<Passed>);

/// Saves an image, or all of them, in as few requests as their names need.
pub(crate) async fn pass(
    engine: &dyn Engine,
    at: &Locator,
    how: &ReadOptions,
    into: Option<&dyn Staging>,
) -> Result<Passed> {
    let requests = match at.in_engine() {
        Some(image) => {
            // podman does not say for a save that an image is not there.
            asked_for(engine, &image).await?;
            vec![vec![image]]
        }
        None => all(&engine.images().await?)?,
    };
    let mut saves = Vec::new();
    for images in requests {
        saves.push(pass_one(engine, &images, how, into).await?);
    }
    Ok(Passed::new(Saves(saves)))
}

async fn pass_one(
    engine: &dyn Engine,
    images: &[String],
    how: &ReadOptions,
    into: Option<&dyn Staging>,
) -> Result<Passed> {
    let answer = match engine.save(images).await {
        Err(error) if error.to_string().contains(NO_LAYERS) => {
            return Err(naming_the_empty(engine, images, error).await);
        }
        answer => answer?,
    };
    let tail = Arc::<Mutex<Tail>>::default();
    let (task, incoming) = receive(answer, Arc::clone(&tail));
    let passed = transship_archive::pass_reader(incoming, "what the engine saves", how, into).await;
    drop(task);
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(words) = reply::at_the_end(&tail.bytes) {
        let message = format!("the engine could not save the image: {words}");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    let passed = passed?;
    if !tail.is_end() {
        let message = "the engine's save ends early: a tar ends in two blocks of zeros";
        return Err(Error::new(ErrorKind::Corrupt, message).hint("see the engine's log"));
    }
    Ok(passed)
}

/// Says which images have no layers.
async fn naming_the_empty(engine: &dyn Engine, images: &[String], error: Error) -> Error {
    let mut empty = Vec::new();
    for image in images {
        if engine.inspect(image).await.is_ok_and(|found| found.layers().is_empty()) {
            empty.push(&**image);
        }
    }
    empty.sort_unstable();
    match (&*empty, images.len()) {
        // They may have been removed meanwhile.
        ([], _) => error,
        (_, 1) => error.hint("docker cannot save it: it has no layers"),
        _ => error.hint(format!(
            "docker saves nothing where an image has no layers, as {}: copy the other images by their names, or remove these",
            few(empty)
        )),
    }
}

/// Every name, and the ID of an image that has none, for each request.
fn all(images: &[Listed]) -> Result<Vec<Vec<String>>> {
    let (mut requests, mut left) = (Vec::<Vec<String>>::new(), 0);
    for image in images {
        let mut names: Vec<_> = image.names().cloned().collect();
        if names.is_empty() {
            names.push(image.id.clone());
        }
        // The names of an image go together where one request holds them.
        let mut needed = names.iter().map(|name| length(name)).sum();
        for name in names {
            let own = length(&name);
            if left < own.max(needed) {
                requests.push(Vec::new());
                left = NAMES;
            }
            needed = 0;
            left = left.saturating_sub(own);
            if let Some(last) = requests.last_mut() {
                last.push(name);
            }
        }
    }
    if requests.is_empty() {
        return Err(no_images());
    }
    Ok(requests)
}

/// How long a name is in an address. podman has the longer key.
fn length(name: &str) -> usize {
    "&references=".len() + encoded(name).len()
}

/// The last bytes that came.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    /// How many there were in all.
    total: u64,
}

impl Tail {
    fn note(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let more = &bytes[bytes.len().saturating_sub(TAIL)..];
        let kept = (TAIL - more.len()).min(self.bytes.len());
        self.bytes.drain(..self.bytes.len() - kept);
        self.bytes.extend_from_slice(more);
    }

    fn is_end(&self) -> bool {
        self.total.is_multiple_of(BLOCK)
            && self.bytes.len() >= END
            && self.bytes[self.bytes.len() - END..].iter().all(|b| *b == 0)
    }
}

/// Receives a save, for blocking readers.
fn receive(
    mut answer: Box<dyn Chunks>,
    tail: Arc<Mutex<Tail>>,
) -> (Task<()>, impl Read + Send + 'static) {
    let (sender, mut pieces) = channel::<Result<Option<Bytes>>>(WAITING);
    let task = tokio::spawn(async move {
        loop {
            let piece = answer.next().await;
            if let Ok(Some(bytes)) = &piece {
                tail.lock().unwrap_or_else(PoisonError::into_inner).note(bytes);
            }
            let more = matches!(piece, Ok(Some(_)));
            if sender.send(piece).await.is_err() || !more {
                return;
            }
        }
    });
    let next = move || {
        let piece = pieces.blocking_recv().unwrap_or_else(|| Err(transship_core::cancelled()));
        piece.map_err(Error::into_io)
    };
    (Task(task), Pieces::new(next))
}
