//! What the decoders have in common: telling whose error it is, and never going on after one.

use std::io::{self, ErrorKind, Read};

/// The input of a decoder. Remembers what the decoder inside does not tell apart.
#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    /// The last read failed.
    failed: bool,
    /// Some bytes have come.
    started: bool,
}

impl<R> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, failed: false, started: false }
    }

    pub(super) fn started(&self) -> bool {
        self.started
    }

    /// An error of the decoder above as one of ours: that of the input as it is, and one about the
    /// format as [`UnexpectedEof`](ErrorKind::UnexpectedEof) or
    /// [`InvalidData`](ErrorKind::InvalidData), whatever kind the decoder gives it.
    pub(super) fn judge(&self, error: io::Error) -> io::Error {
        match error.kind() {
            _ if self.failed => error,
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::OutOfMemory => error,
            _ => io::Error::new(ErrorKind::InvalidData, error),
        }
    }
}

impl<R: Read> Read for Input<R> {
    /// Never fails with [`ErrorKind::Interrupted`], which flate2 does not survive in a header.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = self.inner.read(buf);
            if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
                continue;
            }
            self.failed = result.is_err();
            self.started |= result.as_ref().is_ok_and(|&read| read > 0);
            return result;
        }
    }
}

/// Lets nothing through after an error. (flate2, for one, reports the end after a bad checksum.)
#[derive(Debug, Default)]
pub(super) struct Fuse {
    blown: bool,
}

impl Fuse {
    /// Runs `read`, unless an earlier run has failed.
    pub(super) fn guard<T>(&mut self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.check()?;
        let result = read();
        self.note(&result);
        result
    }

    /// Fails after an error.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.blown { Err(io::Error::other("read again after an error")) } else { Ok(()) }
    }

    /// Remembers an error, unless it says to try again.
    pub(super) fn note<T>(&mut self, result: &io::Result<T>) {
        let again = |error: &io::Error| error.kind() == ErrorKind::Interrupted;
        self.blown |= result.as_ref().is_err_and(|error| !again(error));
    }
}
