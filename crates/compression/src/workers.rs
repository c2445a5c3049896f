//! The threads that compress blocks.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::stitch::{Block, BlockEncoder};

/// A block to compress, and where to send it then.
struct Job {
    block: Block,
    done: SyncSender<io::Result<Block>>,
}

/// A block that is being compressed.
#[derive(Debug)]
pub(super) struct Pending(Receiver<io::Result<Block>>);

impl Pending {
    /// Waits for the block.
    pub(super) fn wait(self) -> io::Result<Block> {
        let ended = |_| Err(io::Error::other("a thread that compresses has ended early"));
        self.0.recv().unwrap_or_else(ended)
    }
}

/// Threads that compress blocks. They are started as blocks come, and have ended when
/// this is dropped; blocks that are waiting then are not compressed any more.
#[derive(Debug)]
pub(super) struct Workers {
    limit: usize,
    threads: Vec<JoinHandle<()>>,
    /// `None` only while this is dropped.
    jobs: Option<Sender<Job>>,
    queue: Arc<Queue>,
}

/// What the threads share.
#[derive(Debug)]
struct Queue {
    jobs: Mutex<Receiver<Job>>,
    stopped: AtomicBool,
}

impl Workers {
    /// At most `limit` threads; none is started yet.
    pub(super) fn new(limit: usize) -> Self {
        let (sender, receiver) = channel();
        let queue = Queue { jobs: Mutex::new(receiver), stopped: AtomicBool::new(false) };
        Self { limit, threads: Vec::new(), jobs: Some(sender), queue: Arc::new(queue) }
    }

    /// Has `block` compressed. Blocks are begun in the order they come in.
    pub(super) fn submit(&mut self, block: Block) -> io::Result<Pending> {
        if self.threads.len() < self.limit {
            self.start_thread()?;
        }
        let (done, pending) = sync_channel(1);
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(Job { block, done }));
        match sent {
            Some(Ok(())) => Ok(Pending(pending)),
            _ => Err(io::Error::other("the threads that compress have ended early")),
        }
    }

    fn start_thread(&mut self) -> io::Result<()> {
        let queue = Arc::clone(&self.queue);
        let thread = thread::Builder::new().name("gzip".to_owned());
        match thread.spawn(move || queue.work()) {
            Ok(thread) => self.threads.push(thread),
            // Fewer threads do the same work, unless there is none at all.
            Err(error) if self.threads.is_empty() => return Err(error),
            Err(_) => self.limit = self.threads.len(),
        }
        Ok(())
    }
}

impl Queue {
    fn work(&self) {
        let mut encoder = BlockEncoder::new();
        while let Some(Job { mut block, done }) = self.next() {
            let result = encoder.encode(&mut block).map(|()| block);
            // Nobody waits for it any more when the encoder is being dropped.
            let _ = done.send(result);
        }
    }

    /// Waits for the next job; `None` when there will be none.
    fn next(&self) -> Option<Job> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.recv().ok().filter(|_| !self.stopped.load(Ordering::Relaxed))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.stopped.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic in it has been seen already, as a block that never came.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libdeflater::CompressionLvl;

    #[test]
    fn dropping_ends_the_threads_and_leaves_waiting_blocks() {
        let mut workers = Workers::new(2);
        let plain = b"some text ".repeat(50_000);
        let block = || Block { plain: plain.clone(), ..Block::take(CompressionLvl::best()) };
        let pending: Vec<Pending> = (0..50).map(|_| workers.submit(block()).unwrap()).collect();
        assert_eq!(workers.threads.len(), 2);
        let queue = Arc::downgrade(&workers.queue);
        drop(workers);
        // Each thread holds on to the queue.
        assert!(queue.upgrade().is_none());
        assert!(pending.into_iter().last().unwrap().wait().is_err());
    }

    #[test]
    fn threads_start_as_blocks_come() {
        let mut workers = Workers::new(3);
        assert!(workers.threads.is_empty());
        workers.submit(Block::take(CompressionLvl::fastest())).unwrap().wait().unwrap();
        assert_eq!(workers.threads.len(), 1);
    }
}
