//! [`PlainDigest`]: decompresses and hashes bytes on a thread of its own, while they are read.

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use transship_compression::Compression;
use transship_core::{Digest, Error, ErrorKind, Hasher, Result};

use crate::compression::decoder;

/// Chunks that may wait for the thread.
const IN_FLIGHT: usize = 4;

/// How much is decompressed at a time.
const PLAIN: usize = 256 << 10;

/// A thread that decompresses and hashes the bytes that it is given.
#[derive(Debug)]
pub struct PlainDigest {
    work: SyncSender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<Digest>>,
}

impl PlainDigest {
    /// Of bytes that are compressed in a form.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(form: Compression, hasher: Hasher) -> Result<Self> {
        let (work, chunks) = sync_channel(IN_FLIGHT);
        let (give_back, back) = channel();
        let passed = Passed { chunks, give_back, chunk: Vec::new(), at: 0 };
        let thread = std::thread::Builder::new()
            .name("transship-plain".to_owned())
            .spawn(move || digest(form, passed, hasher))
            .map_err(|e| {
                Error::new(ErrorKind::Unexpected, "starting a thread to decompress").caused_by(e)
            })?;
        Ok(Self { work, back, thread })
    }

    /// Gives it more bytes. False when the thread has ended: it has failed, or seen the end of the stream.
    pub fn take(&self, bytes: &[u8]) -> bool {
        let mut chunk = self.back.try_recv().unwrap_or_default();
        chunk.clear();
        chunk.extend_from_slice(bytes);
        self.work.send(chunk).is_ok()
    }

    /// The digest of the plain bytes.
    ///
    /// # Errors
    /// The decoder's, as [`decoder`] says.
    pub fn finish(self) -> io::Result<Digest> {
        drop(self.work);
        let died = |_| Err(io::Error::other("the thread that decompresses has ended early"));
        self.thread.join().unwrap_or_else(died)
    }
}

fn digest(form: Compression, passed: Passed, mut hasher: Hasher) -> io::Result<Digest> {
    let mut plain = decoder(form, BufReader::with_capacity(PLAIN, passed))?;
    let mut buffer = vec![0; PLAIN];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The bytes that were given, as a reader.
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
