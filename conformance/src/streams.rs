//! Bodies of every kind, whole ones and those that fail.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use transship_core::{ByteStream, Error, FileRange};

/// The largest piece of a stream.
const PIECE: usize = 100_000;

/// Pieces of odd sizes, one of them empty.
pub(crate) fn in_pieces(bytes: Bytes) -> ByteStream {
    let mut pieces = Vec::new();
    let (mut rest, mut len) = (bytes, 1_usize);
    while !rest.is_empty() {
        pieces.push(Ok(rest.split_to(len.min(rest.len()))));
        len = (len * 7 + 3).min(PIECE);
    }
    pieces.insert(pieces.len() / 2, Ok(Bytes::new()));
    stream::iter(pieces).boxed()
}

/// Some bytes, then an error.
pub(crate) fn failing(bytes: &Bytes, after: usize, error: Error) -> ByteStream {
    let some = bytes.slice(..after.min(bytes.len()));
    in_pieces(some).chain(stream::iter([Err(error)])).boxed()
}

/// Some bytes, then nothing for ever.
pub(crate) fn stuck(bytes: &Bytes, after: usize) -> ByteStream {
    in_pieces(bytes.slice(..after.min(bytes.len()))).chain(stream::pending()).boxed()
}

/// Bytes without end, of which each piece takes its time. Counts the pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slow(Arc<AtomicUsize>);

/// What a piece takes.
const SLOWLY: Duration = Duration::from_millis(5);

impl Slow {
    /// Waits until so many pieces were read.
    pub(crate) async fn has_given(&self, pieces: usize) {
        while self.0.load(Ordering::SeqCst) < pieces {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(SLOWLY);
        let some = into.len().min(4096);
        into[..some].fill(7);
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(some)
    }
}

/// The bytes in the middle of a file.
pub(crate) fn file_range(bytes: &Bytes) -> std::io::Result<FileRange> {
    let mut file = tempfile::tempfile()?;
    file.write_all(b"before")?;
    file.write_all(bytes)?;
    file.write_all(b"behind")?;
    let path = std::path::Path::new("a temporary file of the kit");
    Ok(FileRange::new(Arc::new(file), path, 6, bytes.len() as u64))
}
