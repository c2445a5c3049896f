//! The other doors: all bytes in memory, a stream, a file.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt, stream};
use tokio::sync::mpsc;

use super::chunks::CHUNK;
use super::{Body, ByteStream, Chunks, Origin, Stored, over};
use crate::{Cancel, Error, Result, run_blocking};

impl Body {
    /// All bytes, of which there may be at most `limit`.
    ///
    /// # Errors
    /// `LimitExceeded` beyond the limit, `Corrupt` when they are not as expected, and those of the origin.
    pub async fn bytes(self, limit: u64) -> Result<Bytes> {
        self.check_limit(limit)?;
        if let Origin::Bytes(bytes) = &self.origin {
            let bytes = bytes.clone();
            if bytes.len() <= CHUNK {
                run_inline(self)?;
            } else {
                run_blocking(move |cancel| self.chunks(cancel)?.finish()).await?;
            }
            return Ok(bytes);
        }
        run_blocking(move |cancel| {
            let mut chunks = self.chunks(cancel)?;
            let mut all = BytesMut::new();
            while let Some(chunk) = chunks.next()? {
                if (all.len() + chunk.len()) as u64 > limit {
                    return Err(over(limit));
                }
                all.extend_from_slice(chunk);
            }
            Ok(all.freeze())
        })
        .await
    }

    /// The bytes as they come. They are true only if the stream ends without an error.
    ///
    /// From the first poll until it ends or is dropped, the stream holds one of the runtime's threads for blocking work, also
    /// while nobody reads on. A program that keeps many streams half read needs as many threads, and some for all else: tokio has
    /// 512 unless its builder's `max_blocking_threads` says more. A stream of more than one chunk (1 MiB) has a thread of its own
    /// beside these, which hashes.
    pub fn into_stream(self) -> ByteStream {
        let (send, receive) = mpsc::channel::<Result<Bytes>>(2);
        let pump = async move {
            let failed = send.clone();
            let result = run_blocking(move |cancel| pump_chunks(self, cancel, &send)).await;
            if let Err(error) = result {
                // The reader may have gone.
                let _ = failed.send(Err(error)).await;
            }
        };
        // Started with the first poll, so that a stream nobody reads costs nothing; dropping it cancels the reading.
        let mut pump = Some(Box::pin(pump));
        let mut receive = receive;
        Box::pin(stream::poll_fn(move |context| {
            if let Some(running) = &mut pump
                && running.as_mut().poll(context).is_ready()
            {
                pump = None;
            }
            receive.poll_recv(context)
        }))
    }

    /// The bytes from an offset on, to resume after that many; `None` where they pass only once. Nothing checks
    /// them: only all of them together can be found true.
    pub fn stream_at(&self, at: u64) -> Option<ByteStream> {
        match &self.origin {
            Origin::Bytes(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Some(Self::from_bytes(bytes.slice(at..)).into_stream())
            }
            Origin::File(range) => {
                let rest = range.len().saturating_sub(at);
                Some(Self::from_file(range.part(range.len() - rest, rest)).into_stream())
            }
            Origin::Reopen(open) => Some(Box::pin(stream::once(open(at)).try_flatten())),
            Origin::Stream(_) | Origin::Reader(_) | Origin::Lazy(_) => None,
        }
    }

    /// Writes the bytes to a file from its current position. The path is for messages. Nothing is synced.
    ///
    /// # Errors
    /// `Corrupt` when they are not as expected, those of the origin, and I/O errors with the path.
    pub async fn copy_to_file(self, file: Arc<File>, path: impl AsRef<Path>) -> Result<Stored> {
        let path = path.as_ref().to_owned();
        run_blocking(move |cancel| self.chunks(cancel)?.write_to(&mut &*file, &path)).await
    }
}

impl Chunks {
    /// Writes the rest. Gives digest and size of all bytes. The path is for messages.
    ///
    /// # Errors
    /// As [`next`](Self::next), and I/O errors of the writer with the path.
    pub fn write_to(mut self, out: &mut dyn Write, path: &Path) -> Result<Stored> {
        while let Some(chunk) = self.next()? {
            out.write_all(chunk).map_err(|e| Error::io("writing", path, e))?;
        }
        self.finish()
    }
}

/// Few bytes in memory are checked where we are.
fn run_inline(body: Body) -> Result<Stored> {
    body.chunks(&Cancel::new())?.finish()
}

fn pump_chunks(body: Body, cancel: &Cancel, send: &mpsc::Sender<Result<Bytes>>) -> Result<()> {
    let mut chunks = body.chunks(cancel)?;
    // One chunk is held back, so that the last byte never passes before the digest was found true.
    let mut held: Option<Bytes> = None;
    while let Some(chunk) = chunks.next_shared()? {
        if let Some(previous) = held.replace(chunk)
            && send.blocking_send(Ok(previous)).is_err()
        {
            return Ok(());
        }
    }
    if let Some(last) = held {
        // The reader may have gone.
        let _ = send.blocking_send(Ok(last));
    }
    Ok(())
}
