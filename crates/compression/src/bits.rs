//! Reading a deflate stream bit by bit (RFC 1951 3.1.1: the lowest bit of each byte first).

/// How many bytes must follow the stream in the slice that a [`BitReader`] is given, so that it
/// can always load eight bytes at once.
pub(super) const PADDING: usize = 16;

/// Reads bits from a slice, through a buffer of 64.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// The byte that the next refill starts with.
    next: usize,
    /// The bits that come next, lowest first. Those above `count` are either zero or true.
    buffer: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    /// What [`refill`](Self::refill) leaves in the buffer at least, in bits.
    pub(super) const REFILLED: u32 = 56;

    /// Reads `data` from its first bit on.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, next: 0, buffer: 0, count: 0 }
    }

    /// Fills the buffer, and counts [`REFILLED`](Self::REFILLED) of its bits or more; `None` past the end.
    #[inline]
    pub(super) fn refill(&mut self) -> Option<()> {
        let bytes = self.data.get(self.next..)?.first_chunk::<8>()?;
        self.buffer |= u64::from_le_bytes(*bytes) << (self.count % u64::BITS);
        // Only the bytes that went in whole are passed; the next refill ORs the rest in again. (Both are far from their limits,
        // and checks of overflow cost a tenth of a scan.)
        self.next = self.next.wrapping_add((63 ^ self.count as usize) / 8);
        self.count |= Self::REFILLED;
        Some(())
    }

    /// The next bits, lowest first. As many are true as the refill and `skip` left.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        self.buffer
    }

    /// Passes `n` bits, which must be in the buffer.
    #[inline]
    pub(super) fn skip(&mut self, n: u32) {
        debug_assert!(n <= self.count, "skipped more bits than the buffer holds");
        self.buffer >>= n % u64::BITS;
        self.count = self.count.wrapping_sub(n);
    }

    /// Reads a number of `n` bits, at most 16; `None` past the end.
    pub(super) fn take(&mut self, n: u32) -> Option<u32> {
        self.refill()?;
        let value = self.buffer & ((1 << n) - 1);
        self.skip(n);
        u32::try_from(value).ok()
    }

    /// How many bits have been read or skipped.
    pub(super) fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Goes on at `byte`, and drops what the buffer holds.
    pub(super) fn seek_to_byte(&mut self, byte: usize) {
        *self = Self { data: self.data, next: byte, buffer: 0, count: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_lowest_bits_first_and_knows_where_it_is() {
        let mut data = vec![0b1010_0110, 0xff];
        data.resize(2 + PADDING, 0);
        let mut bits = BitReader::new(&data);
        assert_eq!(bits.take(3), Some(0b110));
        assert_eq!(bits.take(6), Some(0b11_0100));
        assert_eq!(bits.position(), 9);
        bits.seek_to_byte(1);
        assert_eq!(bits.take(8), Some(0xff));
        assert_eq!(bits.position(), 16);
    }

    #[test]
    fn ends_at_the_end_of_the_slice() {
        let data = [0; 8];
        let mut bits = BitReader::new(&data);
        assert_eq!(bits.take(16), Some(0));
        assert_eq!(bits.take(16), None);
    }
}
