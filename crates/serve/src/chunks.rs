//! [`Chunks`]: what was read of files lately. Answers that send the same file at the same time read it once.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use transship_core::{FileRange, Result, cancelled};

use crate::verdict::Checked;

/// The bytes that are read at once. Chunks begin at multiples of it, whatever part of a file is sent.
pub(crate) const CHUNK: u64 = 128 << 10;

/// How many chunks are kept: 16 MiB. Half of it cost clients that drift apart a third more time of processors.
const KEPT: usize = 128;

/// Bytes that are being read, or were.
pub(crate) type Chunk = Shared<BoxFuture<'static, Result<Bytes>>>;

/// The chunks that were read last, of all files.
#[derive(Default)]
pub(crate) struct Chunks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    chunks: HashMap<Key, Chunk>,
    /// The oldest first.
    order: VecDeque<Key>,
}

/// A file in one state, and the number of a chunk: what was read before a file was written to is not sent afterwards.
type Key = (Arc<Checked>, u64);

/// A file whose chunks are shared.
pub(crate) struct SharedFile {
    chunks: Arc<Chunks>,
    file: Arc<FileRange>,
    state: Arc<Checked>,
}

impl SharedFile {
    pub(crate) fn new(chunks: &Arc<Chunks>, file: FileRange, state: Checked) -> Self {
        Self { chunks: Arc::clone(chunks), file: Arc::new(file), state: Arc::new(state) }
    }

    /// The chunk with that number. Where nobody has read it lately, reading begins at once.
    pub(crate) fn chunk(&self, number: u64) -> Chunk {
        let mut kept = self.chunks.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(&self.state), number);
        // Where reading failed, it may succeed now.
        let failed = |chunk: &Chunk| matches!(chunk.clone().now_or_never(), Some(Err(_)));
        match kept.chunks.get(&key) {
            Some(chunk) if !failed(chunk) => chunk.clone(),
            _ => kept.keep(key, read(Arc::clone(&self.file), number)),
        }
    }
}

impl Kept {
    fn keep(&mut self, key: Key, chunk: Chunk) -> Chunk {
        if self.chunks.insert(key.clone(), chunk.clone()).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.chunks.remove(&oldest);
        }
        chunk
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").finish_non_exhaustive()
    }
}

fn read(file: Arc<FileRange>, number: u64) -> Chunk {
    let at = number * CHUNK;
    let len = file.len().saturating_sub(at).min(CHUNK);
    let reading = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; usize::try_from(len).unwrap_or_default()];
        file.read_at(at, &mut buffer)?;
        Ok(buffer.into())
    });
    reading.map(|read| read.unwrap_or_else(|_| Err(cancelled()))).boxed().shared()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::Path;
    use std::time::SystemTime;

    use transship_core::sha256;

    use super::*;
    use crate::verdict::checked;

    fn shared(chunks: &Arc<Chunks>, path: &Path) -> SharedFile {
        let file = FileRange::whole(File::open(path).unwrap(), path).unwrap();
        let state = checked(&file, &sha256(b"whatever")).unwrap();
        SharedFile::new(chunks, file, state)
    }

    #[tokio::test]
    async fn a_chunk_is_read_once_while_it_is_kept_and_its_file_is_in_one_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let size = (KEPT as u64 + 2) * CHUNK + 5;
        let mut make = File::create(&path).unwrap();
        make.set_len(size).unwrap();
        let chunks = Arc::<Chunks>::default();
        let (one, other) = (shared(&chunks, &path), shared(&chunks, &path));
        assert_eq!(one.chunk(0).await.unwrap()[0], 0);
        // What is read from here on begins with another byte, and the file is in another state.
        make.write_all(b"x").unwrap();
        make.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(other.chunk(0).await.unwrap()[0], 0);
        assert_eq!(shared(&chunks, &path).chunk(0).await.unwrap()[0], b'x');
        let last = other.chunk(KEPT as u64 + 2).await.unwrap();
        assert_eq!(last.len(), 5);
        for number in 1..=KEPT as u64 {
            other.chunk(number).await.unwrap();
        }
        assert_eq!(one.chunk(0).await.unwrap()[0], b'x');
        let kept = chunks.0.lock().unwrap();
        assert_eq!((kept.order.len(), kept.chunks.len()), (KEPT, KEPT));
    }

    #[test]
    fn what_could_not_be_read_is_read_again() {
        // Reads are done in the order in which they begin.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.max_blocking_threads(1).build().unwrap().block_on(read_again());
    }

    async fn read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        fs::write(&path, b"abc").unwrap();
        let chunks = Arc::<Chunks>::default();
        let state = shared(&chunks, &path).state;
        let closed = FileRange::closed(path.as_path(), 3);
        let file = SharedFile { chunks, file: Arc::new(closed), state };
        fs::rename(&path, folder.path().join("gone")).unwrap();
        file.chunk(0).await.unwrap_err();
        // Nobody waits for this one. It has failed when the next one is done.
        drop(file.chunk(0));
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        fs::rename(folder.path().join("gone"), &path).unwrap();
        assert_eq!(&file.chunk(0).await.unwrap()[..], b"abc");
    }
}
