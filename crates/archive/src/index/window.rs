//! Reads headers that lie scattered over a file, with few and small reads.

use transship_core::{Error, ErrorKind, FileRange, Result};

/// The size of a block of a tar, in bytes.
pub(crate) const BLOCK: u64 = 512;
pub(crate) const BLOCK_LEN: usize = 512;

pub(crate) type Block = [u8; BLOCK_LEN];

/// The first read at a new place: a header, and what small entries lie behind it.
const SMALLEST: usize = 4 << 10;

/// The largest read. Small entries in a row make reads grow up to this.
const LARGEST: usize = 256 << 10;

/// A gap up to this does not interrupt a row of small entries.
const NEAR: u64 = 16 << 10;

/// Bytes that are read by position.
pub(crate) trait ReadAt {
    /// How many there are.
    fn len(&self) -> u64;

    /// Fills a buffer from a position; short only at the end.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize>;
}

impl ReadAt for FileRange {
    fn len(&self) -> u64 {
        Self::len(self)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize> {
        Self::read_at(self, at, buffer)
    }
}

/// A part of a file in memory, which is moved where it is needed.
///
/// Payloads that lie between two headers are jumped over when they are large, and are in the window already when they
/// are small: reads double while the places asked for are near each other, and begin small again after a jump.
#[derive(Debug)]
pub(crate) struct Window<S> {
    source: S,
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
    next_read: usize,
}

impl<S: ReadAt> Window<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, buffer: Vec::new(), start: 0, filled: 0, next_read: SMALLEST }
    }

    /// How many bytes the file has.
    pub(crate) fn len(&self) -> u64 {
        self.source.len()
    }

    /// The block at a position; `None` where the file ends.
    pub(crate) fn block(&mut self, at: u64) -> Result<Option<&Block>> {
        let left = self.len().saturating_sub(at);
        if left == 0 {
            return Ok(None);
        }
        if left < BLOCK {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("it ends within the header at offset {at}: {left} of 512 bytes are there"),
            ));
        }
        Ok(self.bytes(at, BLOCK_LEN)?.first_chunk())
    }

    /// Bytes from a position, all of which must be there.
    pub(crate) fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        if self.position(at, len).is_none() {
            self.move_to(at, len)?;
        }
        self.position(at, len).map(|from| &self.buffer[from..from + len]).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("it ends early: {len} bytes at offset {at} are not there"),
            )
        })
    }

    /// Where in the buffer the bytes are, if all of them are.
    fn position(&self, at: u64, len: usize) -> Option<usize> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        (from.checked_add(len)? <= self.filled).then_some(from)
    }

    fn move_to(&mut self, at: u64, len: usize) -> Result<()> {
        let end = self.start + self.filled as u64;
        let near = at >= self.start && at <= end.saturating_add(NEAR) && self.filled > 0;
        self.next_read = if near { (self.next_read * 2).min(LARGEST) } else { SMALLEST };
        let left = usize::try_from(self.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let want = self.next_read.max(len).min(left);
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        self.filled = 0;
        self.filled = self.source.read_at(at, &mut self.buffer[..want])?;
        self.start = at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    struct Counted(Vec<u8>, RefCell<Vec<(u64, usize)>>);

    impl ReadAt for Counted {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<usize> {
            let from = usize::try_from(at).unwrap().min(self.0.len());
            let n = buffer.len().min(self.0.len() - from);
            buffer[..n].copy_from_slice(&self.0[from..from + n]);
            self.1.borrow_mut().push((at, n));
            Ok(n)
        }
    }

    fn window(len: usize) -> Window<Counted> {
        let bytes = (0..len).map(|i| u8::try_from(i / 512 % 251).unwrap()).collect();
        Window::new(Counted(bytes, RefCell::default()))
    }

    #[test]
    fn a_row_of_blocks_costs_few_reads() {
        let mut window = window(8 << 20);
        for at in (0..8 << 20).step_by(512) {
            let expected = u8::try_from(at / 512 % 251).unwrap();
            assert_eq!(window.block(at).unwrap().unwrap(), &[expected; 512]);
        }
        assert!(window.source.1.borrow().len() < 40);
        assert!(window.block(8 << 20).unwrap().is_none());
    }

    #[test]
    fn a_far_jump_begins_small_again() {
        let mut window = window(8 << 20);
        for at in (0..1 << 20).step_by(512).chain([4 << 20, 6 << 20]) {
            window.block(at).unwrap();
        }
        let reads = window.source.1.borrow();
        assert_eq!(reads[reads.len() - 2..], [(4 << 20, SMALLEST), (6 << 20, SMALLEST)]);
    }

    #[test]
    fn a_torn_block_is_corrupt() {
        let mut window = window(1000);
        assert!(window.block(0).unwrap().is_some());
        assert_eq!(window.block(512).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(window.bytes(900, 200).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
