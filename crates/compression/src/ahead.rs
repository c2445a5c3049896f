//! [`Ahead`]: a reader that runs on a thread of its own.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use super::input::Fuse;

/// The size of a buffer, in bytes.
const BUFFER: usize = 512 << 10;

/// How many bytes may be waiting.
const ROOM: usize = 4 * BUFFER;

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
        Self::start_with_room(name, ROOM, reader)
    }

    /// As [`start`](Self::start), up to so many bytes ahead.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn start_with_room(
        name: &str,
        room: usize,
        reader: impl Read + Send + 'static,
    ) -> io::Result<Self> {
        let (send, full) = sync_channel(room.div_ceil(BUFFER));
        let (empty, again) = channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || pump(reader, &send, &again))?;
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
        // The thread may have ended.
        let _ = self.empty.send(std::mem::replace(&mut self.current, next));
        self.read = 0;
        Ok(())
    }
}

fn pump(mut reader: impl Read, full: &SyncSender<io::Result<Vec<u8>>>, again: &Receiver<Vec<u8>>) {
    loop {
        let mut buffer = empty_buffer(again);
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

/// A buffer that was read. All others that were are given back: what was ahead once needs no room when it has been read, and
/// another reader may be ahead then.
fn empty_buffer(again: &Receiver<Vec<u8>>) -> Vec<u8> {
    let buffer = again.try_recv().unwrap_or_default();
    while again.try_recv().is_ok() {}
    buffer
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
    fn one_buffer_that_was_read_is_kept() {
        let (send, again) = channel();
        for size in 1..9 {
            send.send(Vec::with_capacity(size)).unwrap();
        }
        assert!(empty_buffer(&again).capacity() > 0, "it is used again");
        assert!(again.try_recv().is_err(), "the others are not kept");
        assert_eq!(empty_buffer(&again).capacity(), 0, "there is none");
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
