//! [`DiffChecked`]: compressed layers that pass as they are, and are held to their diff ID all the same.
//!
//! The diff ID is the only thing in these archives that says what a layer has to be: the digest of its compressed bytes
//! is computed from whatever is there.

use std::io::{self, Read};

use transship_archive::{Compression, PlainDigest};
use transship_core::{Digest, Error, ErrorKind, Hasher, Result};

use crate::form::explain;

/// Yields what is in a reader, unchanged; a thread decompresses it on the side. Instead of the end there is an error
/// when it is not what the diff ID says.
#[derive(Debug)]
pub(crate) struct DiffChecked<R> {
    inner: R,
    diff_id: Digest,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(PlainDigest),
    /// The end was found true.
    True,
    /// An error was returned.
    Failed,
}

impl<R: Read> DiffChecked<R> {
    pub(crate) fn new(inner: R, form: Compression, diff_id: Digest) -> Result<Self> {
        let hasher = Hasher::new(diff_id.algorithm())?;
        let state = State::Running(PlainDigest::start(form, hasher)?);
        Ok(Self { inner, diff_id, state })
    }

    fn pass(&mut self, out: &mut [u8]) -> Result<usize> {
        let State::Running(checking) = &self.state else {
            let done = matches!(self.state, State::True);
            return if done { Ok(0) } else { Err(died()) };
        };
        let n = self.inner.read(out).map_err(reading)?;
        if n > 0 && checking.take(&out[..n]) {
            return Ok(n);
        }
        let State::Running(checking) = std::mem::replace(&mut self.state, State::Failed) else {
            return Err(died());
        };
        self.judge(&checking.finish().map_err(explain)?, n == 0)?;
        self.state = State::True;
        Ok(0)
    }

    fn judge(&self, found: &Digest, at_end: bool) -> Result<()> {
        if !at_end {
            let message = "more bytes stand behind the compressed layer";
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        judge(found, &self.diff_id)
    }
}

pub(crate) fn judge(found: &Digest, diff_id: &Digest) -> Result<()> {
    if found == diff_id {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "the layer is not what the image's config says: diff ID {found} found, {diff_id} expected"
        ),
    ))
}

impl<R: Read> Read for DiffChecked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let passed = self.pass(out);
        if passed.is_err() {
            self.state = State::Failed;
        }
        passed.map_err(Error::into_io)
    }
}

fn reading(error: io::Error) -> Error {
    Error::unwrap_io(error)
        .unwrap_or_else(|e| Error::new(ErrorKind::Unexpected, "reading the layer").caused_by(e))
}

fn died() -> Error {
    Error::new(ErrorKind::Unexpected, "the layer was read again after an error")
}
