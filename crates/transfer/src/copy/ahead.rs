//! [`Ahead`]: a reader that runs on a thread of its own, so that decompressing overlaps with writing.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use transship_core::{Error, ErrorKind, Result};

/// The size of a buffer, in bytes.
const BUFFER: usize = 512 << 10;

/// Buffers that may be full and waiting.
const WAITING: usize = 4;

/// Reads ahead on a thread, a few buffers at most. The bytes, and the error if there is one, are those of the reader.
///
/// The thread ends with the reader inside, or when this is dropped and that read returns.
#[derive(Debug)]
pub(crate) struct Ahead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    read: usize,
    ended: bool,
}

impl Ahead {
    pub(crate) fn start(reader: Box<dyn Read + Send>) -> Result<Self> {
        let (send, full) = sync_channel(WAITING);
        let (empty, again) = channel();
        std::thread::Builder::new()
            .name("transship-ahead".to_owned())
            .spawn(move || pump(reader, &send, &again))
            .map_err(|e| {
                Error::new(ErrorKind::Unexpected, "starting a thread to decompress").caused_by(e)
            })?;
        Ok(Self { full, empty, current: Vec::new(), read: 0, ended: false })
    }
}

fn pump(
    mut reader: Box<dyn Read + Send>,
    full: &SyncSender<io::Result<Vec<u8>>>,
    again: &Receiver<Vec<u8>>,
) {
    loop {
        let mut buffer = again.try_recv().unwrap_or_default();
        buffer.resize(BUFFER, 0);
        let mut filled = 0;
        let failed = loop {
            match reader.read(&mut buffer[filled..]) {
                Ok(0) => break None,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Some(e),
            }
            if filled == BUFFER {
                break None;
            }
        };
        buffer.truncate(filled);
        let ended = failed.is_some() || filled < BUFFER;
        // An empty buffer is the end. Nobody may wait for it any more.
        if filled > 0 && full.send(Ok(buffer)).is_err() {
            return;
        }
        if ended {
            let _ = full.send(failed.map_or_else(|| Ok(Vec::new()), Err));
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.current.len() && !self.ended {
            let next =
                self.full.recv().map_err(|_| io::Error::other("the reading thread is gone"))??;
            self.ended = next.is_empty();
            // The thread may have ended.
            let _ = self.empty.send(std::mem::replace(&mut self.current, next));
            self.read = 0;
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

    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(Error::new(ErrorKind::Corrupt, "broken").into_io());
            }
            let n = self.0.min(out.len());
            out[..n].fill(7);
            self.0 -= n;
            Ok(n)
        }
    }

    fn all(of: impl Read + Send + 'static) -> (Vec<u8>, io::Result<usize>) {
        let mut ahead = Ahead::start(Box::new(of)).unwrap();
        let mut bytes = Vec::new();
        let result = ahead.read_to_end(&mut bytes);
        if result.is_ok() {
            assert_eq!(ahead.read(&mut [0]).unwrap(), 0, "the end stays");
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
            let error = Error::unwrap_io(result.unwrap_err()).unwrap();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_drop_ends_the_thread() {
        struct Channel(Sender<()>);
        impl Read for Channel {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                Ok(out.len())
            }
        }
        impl Drop for Channel {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (send, ended) = channel();
        drop(Ahead::start(Box::new(Channel(send))).unwrap());
        ended.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    }
}
