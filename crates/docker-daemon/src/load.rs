//! [`Load`]: a tar that an engine loads while it is written.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, channel};
use transship_archive::layout::blob_path;
use transship_core::{Body, Cancel, Digest, Error, ErrorKind, Result, Stored, cancelled};

use crate::connection::Task;
use crate::engine::{Engine, Piece};

/// How many pieces may wait to be sent, of at most 1 MiB each.
const WAITING: usize = 4;

const BLOCK: usize = 512;

/// A tar that an engine loads while it is written. Dropped before [`end`](Self::end), it is cut off, and the engine
/// keeps nothing of it.
#[derive(Debug)]
pub(crate) struct Load {
    sender: Sender<Piece>,
    reply: Reply,
}

/// What an engine is going to say of a tar.
#[derive(Debug)]
pub(crate) struct Reply(Task<Result<Option<String>>>);

impl Reply {
    /// The ID, where the engine says it.
    pub(crate) async fn id(&mut self) -> Result<Option<String>> {
        (&mut self.0.0).await.unwrap_or_else(|_| Err(cancelled()))
    }
}

impl Load {
    pub(crate) fn begin(engine: &Arc<dyn Engine>) -> Self {
        let (sender, pieces) = channel(WAITING);
        let engine = Arc::clone(engine);
        let reply = tokio::spawn(async move { engine.load(pieces).await });
        Self { sender, reply: Reply(Task(reply)) }
    }

    /// Sends a blob. Blocks. Its digest and size are known; what does not hold to them is found before the next entry.
    pub(crate) fn put_blob(
        &self,
        digest: &Digest,
        size: u64,
        body: Body,
        cancel: &Cancel,
    ) -> Result<Stored> {
        self.send(header(&blob_path(digest), size)?)?;
        let mut chunks = body.chunks(cancel)?;
        while let Some(bytes) = chunks.next_shared()? {
            self.send(bytes)?;
        }
        self.send(padding(size))?;
        chunks.finish()
    }

    /// Sends a document.
    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let size = bytes.len() as u64;
        for piece in [header(name, size)?, bytes, padding(size)] {
            // An engine that has gone answers at the end.
            if !piece.is_empty() && self.sender.send(Piece::Bytes(piece)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Ends the tar. After this the engine keeps the image. When this future is dropped, nothing of the end is sent.
    pub(crate) async fn end(self) -> Reply {
        let end = [Piece::Bytes(Bytes::from_static(&[0; 2 * BLOCK])), Piece::End];
        // An engine that has gone answers all the same.
        if let Ok(permits) = self.sender.reserve_many(end.len()).await {
            permits.zip(end).for_each(|(permit, piece)| permit.send(piece));
        }
        self.reply
    }

    /// Why the engine takes no more; `None` where it does not say it.
    pub(crate) async fn refusal(mut self) -> Option<Error> {
        self.reply.id().await.err()
    }

    fn send(&self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = self.sender.blocking_send(Piece::Bytes(bytes));
        sent.map_err(|_| {
            Error::new(ErrorKind::Unavailable, "the engine takes no more of the image")
        })
    }
}

fn header(name: &str, size: u64) -> Result<Bytes> {
    let mut header = tar::Header::new_ustar();
    let failed = |error: io::Error| {
        let message = format!("{name:?} is no name for an entry: engines take digests of sha256");
        Error::new(ErrorKind::Unsupported, message).caused_by(error)
    };
    header.set_path(name).map_err(failed)?;
    header.set_size(size);
    header.set_mode(0o444);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Ok(Bytes::copy_from_slice(header.as_bytes()))
}

fn padding(size: u64) -> Bytes {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    Bytes::from_static(&[0; BLOCK]).slice(..(BLOCK - over) % BLOCK)
}
