//! [`Ahead`]: a reader that runs on a thread of its own.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::input::Fuse;

/// The size of a buffer, in bytes.
const BUFFER: usize = 512 << 10;

/// How many buffers are made for a reader who reads: few, so that they stay in the processor's cache.
const FEW: usize = 5;

/// How long a read waits before it lets its caller see whether anybody still wants the bytes.
const PATIENCE: Duration = Duration::from_millis(50);

/// Reads ahead on a thread, a few MiB at most. The bytes, and the error if there is one, are those of the reader.
///
/// A read that waits for long fails with [`Interrupted`](ErrorKind::Interrupted), and may be repeated: the caller can look
/// in between whether to go on, however long the reader inside takes.
///
/// The thread ends with the reader inside, or when this is dropped and that reader's read returns. The drop does not wait.
#[derive(Debug)]
pub struct Ahead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    read: usize,
    ended: bool,
    fuse: Fuse,
}

impl Ahead {
    /// Starts reading, on a thread of this name.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn start(name: &str, reader: impl Read + Send + 'static) -> io::Result<Self> {
        Self::start_with_room(name, FEW * BUFFER, reader)
    }

    /// As [`start`](Self::start), up to so many bytes ahead until the first are read. What was ahead then stays until it is read; from
    /// then on a few MiB are ahead at most.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn start_with_room(
        name: &str,
        room: usize,
        reader: impl Read + Send + 'static,
    ) -> io::Result<Self> {
        let (send, full) = channel();
        let (empty, again) = channel();
        // One is held while it is read.
        let buffers = Buffers { again, made: 0, most: room.div_ceil(BUFFER).max(2) };
        thread::Builder::new().name(name.to_owned()).spawn(move || pump(reader, &send, buffers))?;
        let (current, fuse) = (Vec::new(), Fuse::default());
        Ok(Self { full, empty, current, read: 0, ended: false, fuse })
    }

    /// Puts the next buffer in place; an empty one is the end.
    fn advance(&mut self) -> io::Result<()> {
        let next = match self.full.recv_timeout(PATIENCE) {
            Ok(next) => next?,
            Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::Interrupted.into()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the thread that reads ahead has ended early"));
            }
        };
        self.ended = next.is_empty();
        let read = std::mem::replace(&mut self.current, next);
        // Before the first there was none.
        if !read.is_empty() {
            // The thread may have ended.
            let _ = self.empty.send(read);
        }
        self.read = 0;
        Ok(())
    }
}

/// The buffers of a reader, which go round.
struct Buffers {
    again: Receiver<Vec<u8>>,
    /// How many there are.
    made: usize,
    most: usize,
}

impl Buffers {
    /// One to fill, if anybody still reads: one that was read, or a new one where there may be more.
    ///
    /// Once one was read, there are few: what was ahead then needs no room when it has been read.
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let read = if self.made < self.most {
                match self.again.try_recv() {
                    Ok(read) => read,
                    Err(TryRecvError::Disconnected) => return None,
                    Err(TryRecvError::Empty) => {
                        self.made += 1;
                        return Some(vec![0; BUFFER]);
                    }
                }
            } else {
                self.again.recv().ok()?
            };
            self.most = self.most.min(FEW);
            if self.made <= self.most {
                return Some(read);
            }
            self.made -= 1;
        }
    }
}

fn pump(mut reader: impl Read, full: &Sender<io::Result<Vec<u8>>>, mut buffers: Buffers) {
    while let Some(mut buffer) = buffers.next() {
        buffer.resize(BUFFER, 0);
        let (filled, failed) = fill(&mut reader, &mut buffer);
        buffer.truncate(filled);
        let ended = failed.is_some() || filled < BUFFER;
        // Nobody may wait for it any more.
        if filled > 0 && full.send(Ok(buffer)).is_err() {
            return;
        }
        if ended {
            let _ = full.send(failed.map_or_else(|| Ok(Vec::new()), Err));
            return;
        }
    }
}

/// Fills a buffer as far as there are bytes; says how far, and what has failed then.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (filled, Some(e)),
        }
    }
    (filled, None)
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.current.len() && !self.ended {
            self.fuse.check()?;
            let next = self.advance();
            self.fuse.note(&next);
            next?;
        }
        let n = out.len().min(self.current.len() - self.read);
        out[..n].copy_from_slice(&self.current[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::new(ErrorKind::ConnectionReset, "broken"));
            }
            let n = self.0.min(out.len());
            out[..n].fill(7);
            self.0 -= n;
            Ok(n)
        }
    }

    fn all(of: impl Read + Send + 'static) -> (Vec<u8>, io::Result<usize>) {
        let mut ahead = Ahead::start("test", of).unwrap();
        let mut bytes = Vec::new();
        let result = ahead.read_to_end(&mut bytes);
        match result {
            Ok(_) => assert_eq!(ahead.read(&mut [0]).unwrap(), 0, "the end stays"),
            Err(_) => assert!(ahead.read(&mut [0]).is_err(), "the error stays"),
        }
        (bytes, result)
    }

    #[test]
    fn the_bytes_are_the_same() {
        for len in [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 5 * BUFFER, 5 * BUFFER + 3] {
            let bytes: Vec<u8> = (0..len).map(|at: usize| at.to_le_bytes()[0]).collect();
            let (found, result) = all(io::Cursor::new(bytes.clone()));
            assert_eq!(result.unwrap(), len);
            assert!(found == bytes, "{len}");
        }
    }

    #[test]
    fn an_error_comes_after_the_bytes_before_it() {
        for len in [0, 1, BUFFER, 3 * BUFFER + 1] {
            let (bytes, result) = all(Broken(len));
            assert_eq!(bytes.len(), len);
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
    }

    #[test]
    fn there_are_few_buffers_once_one_was_read() {
        let (empty, again) = channel();
        let mut buffers = Buffers { again, made: 0, most: 20 };
        let ahead: Vec<_> = (0..20).map(|_| buffers.next().unwrap()).collect();
        for buffer in ahead {
            empty.send(buffer).unwrap();
        }
        assert_eq!(buffers.next().unwrap().len(), BUFFER);
        assert_eq!(buffers.made, FEW);
        let others = std::iter::from_fn(|| buffers.again.try_recv().ok());
        assert_eq!(others.count(), FEW - 1);
        drop(empty);
        assert!(buffers.next().is_none(), "nobody reads any more");
    }

    #[test]
    fn with_little_room_it_ends() {
        for room in [0, 1, BUFFER] {
            let bytes = vec![7; 3 * BUFFER + 1];
            let of = io::Cursor::new(bytes.clone());
            let mut found = Vec::new();
            Ahead::start_with_room("test", room, of).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{room}");
        }
    }

    #[test]
    fn it_is_as_far_ahead_as_there_is_room() {
        struct Counted(Arc<AtomicUsize>);
        impl Read for Counted {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.0.fetch_add(1, Ordering::SeqCst);
                Ok(out.len())
            }
        }
        let reads = Arc::new(AtomicUsize::new(0));
        let stays_at = |want: usize| {
            let begun = Instant::now();
            while reads.load(Ordering::SeqCst) < want && begun.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(100));
            assert_eq!(reads.load(Ordering::SeqCst), want);
        };
        let of = Counted(Arc::clone(&reads));
        let mut ahead = Ahead::start_with_room("test", 20 * BUFFER, of).unwrap();
        stays_at(20);
        let mut buffer = vec![0; BUFFER];
        for _ in 0..16 {
            ahead.read_exact(&mut buffer).unwrap();
        }
        // The last one that was read is still held.
        stays_at(20);
        ahead.read_exact(&mut buffer).unwrap();
        stays_at(21);
    }

    /// Blocks for ever, and tells when it is dropped.
    struct Stuck(Receiver<()>);

    impl Read for Stuck {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(0)
        }
    }

    #[test]
    fn a_reader_that_takes_long_keeps_neither_reads_nor_the_drop() {
        let (release, stuck) = channel();
        let mut ahead = Ahead::start("test", Stuck(stuck)).unwrap();
        let start = Instant::now();
        assert_eq!(ahead.read(&mut [0]).unwrap_err().kind(), ErrorKind::Interrupted);
        // It is no end: the same read goes on.
        assert_eq!(ahead.read(&mut [0]).unwrap_err().kind(), ErrorKind::Interrupted);
        drop(ahead);
        assert!(start.elapsed() < Duration::from_secs(10));
        drop(release);
    }

    #[test]
    fn a_drop_ends_the_thread() {
        struct Endless(Sender<()>);
        impl Read for Endless {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                Ok(out.len())
            }
        }
        impl Drop for Endless {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (send, ended) = channel();
        drop(Ahead::start("test", Endless(send)).unwrap());
        ended.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}
