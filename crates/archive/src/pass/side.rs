//! [`Side`]: decompresses what passes, to know what it is plain.

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use transship_core::{Digest, Error, ErrorKind, Hasher, Result};

use crate::outer::Outer;

/// Chunks that may wait for the thread.
const IN_FLIGHT: usize = 4;

/// How much is decompressed at a time.
const PLAIN: usize = 256 << 10;

/// A thread that decompresses and hashes what passes.
#[derive(Debug)]
pub(super) struct Side {
    work: SyncSender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
    thread: JoinHandle<Option<Digest>>,
}

impl Side {
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(form: Outer) -> Result<Self> {
        let (work, chunks) = sync_channel(IN_FLIGHT);
        let (give_back, back) = channel();
        let thread = std::thread::Builder::new()
            .name("transship-plain".to_owned())
            .spawn(move || {
                plain_digest(form, Passed { chunks, give_back, chunk: Vec::new(), at: 0 })
            })
            .map_err(|e| {
                Error::new(ErrorKind::Unexpected, "starting a thread to decompress").caused_by(e)
            })?;
        Ok(Self { work, back, thread })
    }

    pub(super) fn take(&self, bytes: &[u8]) {
        let mut chunk = self.back.try_recv().unwrap_or_default();
        chunk.clear();
        chunk.extend_from_slice(bytes);
        // The thread has gone when it found that this is not compressed after all.
        let _ = self.work.send(chunk);
    }

    /// The digest, if all of it could be decompressed.
    pub(super) fn finish(self) -> Option<Digest> {
        drop(self.work);
        self.thread.join().ok().flatten()
    }
}

fn plain_digest(form: Outer, passed: Passed) -> Option<Digest> {
    let mut plain = form.decoder(BufReader::with_capacity(PLAIN, passed)).ok()?;
    let (mut hasher, mut buffer) = (Hasher::sha256(), vec![0; PLAIN]);
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return Some(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// What has passed, as a reader.
struct Passed {
    chunks: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Passed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            let Ok(next) = self.chunks.recv() else { return Ok(0) };
            // The other side may have gone.
            let _ = self.give_back.send(std::mem::replace(&mut self.chunk, next));
            self.at = 0;
        }
        let left = &self.chunk[self.at..];
        let n = left.len().min(out.len());
        out[..n].copy_from_slice(&left[..n]);
        self.at += n;
        Ok(n)
    }
}
