//! What goes wrong in an archive in memory.

use std::collections::{HashMap, HashSet};
use std::io::{self, Cursor, Read};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use transship_core::*;

use crate::memory::Memory;

#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Blobs and manifests that are not there.
    pub missing: HashSet<Digest>,
    /// Blobs whose bytes are others.
    pub wrong: HashSet<Digest>,
    /// Blobs of which more bytes come than there should be.
    pub long: HashSet<Digest>,
    /// Blobs that fail this often, in a way that may pass.
    pub flaky: HashMap<Digest, usize>,
    /// Blobs whose bytes never come.
    pub stuck: HashSet<Digest>,
    /// Blobs whose bytes come when another one was asked for.
    pub until: HashMap<Digest, Digest>,
    /// Blobs whose bytes come a few at a time.
    pub slow: HashSet<Digest>,
    /// Blobs that are not found where they were put.
    pub unseen: HashSet<Digest>,
    /// Blobs that cannot be put.
    pub unwritable: HashSet<Digest>,
    /// How many of the next blobs that are put are refused half way, in a way that may pass.
    pub refused: usize,
}

pub fn not_there(digest: &Digest) -> Error {
    Error::new(ErrorKind::NotFound, format!("{digest} is not there"))
}

fn cut() -> Error {
    Error::new(ErrorKind::Unavailable, "the line was cut")
}

/// Gives up after a moment, as one that waits for an answer does. The reader may still be at it, and may count what it
/// has read.
pub async fn refuse(body: Body) -> Result<Stored> {
    let reading = run_blocking(move |cancel| body.chunks(cancel)?.finish());
    let read = tokio::time::timeout(Duration::from_millis(1), reading).await;
    read.unwrap_or_else(|_| Err(cut())).and(Err(cut()))
}

impl Memory {
    /// Whether the blob that is put now is refused.
    pub fn refuses(&self) -> bool {
        let mut state = self.state();
        let refuses = state.faults.refused > 0;
        state.faults.refused = state.faults.refused.saturating_sub(1);
        refuses
    }

    /// A blob's bytes, as they come from here.
    pub fn body(&self, of: &Descriptor) -> Result<Body> {
        let mut state = self.state();
        let digest = &of.digest;
        *state.asked.entry(digest.clone()).or_default() += 1;
        if state.faults.missing.contains(digest) {
            return Err(not_there(digest));
        }
        let mut bytes = state.blobs.get(digest).cloned().ok_or_else(|| not_there(digest))?;
        if state.faults.wrong.contains(digest) {
            bytes = bytes.iter().map(|byte| byte ^ 1).collect();
        }
        if state.faults.long.contains(digest) {
            bytes = [&bytes[..], &[7; 999]].concat().into();
        }
        if state.faults.stuck.contains(digest) {
            return Body::from_stream(Box::pin(stream::pending())).expecting(&of.into());
        }
        if let Some(other) = state.faults.until.get(digest).cloned() {
            let memory = self.clone();
            let late = async move {
                while !memory.state().asked.contains_key(&other) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok(bytes)
            };
            return Body::from_stream(Box::pin(stream::once(late))).expecting(&of.into());
        }
        if let Some(left) = state.faults.flaky.get_mut(digest).filter(|left| **left > 0) {
            *left -= 1;
            let parts = [Ok(bytes.slice(..1)), Err(cut())];
            return Body::from_stream(Box::pin(stream::iter(parts))).expecting(&of.into());
        }
        if state.faults.slow.contains(digest) {
            return Body::from_reader(Slow(Cursor::new(bytes))).expecting(&of.into());
        }
        Body::from_bytes(bytes).expecting(&of.into())
    }
}

/// Takes a moment for each few bytes.
struct Slow(Cursor<Bytes>);

impl Read for Slow {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_micros(200));
        let few = out.len().min(700);
        self.0.read(&mut out[..few])
    }
}
