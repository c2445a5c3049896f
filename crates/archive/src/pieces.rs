//! [`Pieces`]: bytes that come in pieces, for blocking readers.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes};

/// Bytes that come in pieces, for blocking readers.
pub struct Pieces<F> {
    next: F,
    current: Bytes,
    ended: bool,
}

impl<F: FnMut() -> io::Result<Option<Bytes>>> Pieces<F> {
    /// Of what waits for the next piece, and gives `None` at the end.
    pub fn new(next: F) -> Self {
        Self { next, current: Bytes::new(), ended: false }
    }
}

impl<F> fmt::Debug for Pieces<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<F: FnMut() -> io::Result<Option<Bytes>>> Read for Pieces<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match (self.next)()? {
                Some(piece) => self.current = piece,
                None => self.ended = true,
            }
        }
        let n = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..n]);
        Ok(n)
    }
}
