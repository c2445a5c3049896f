//! Finds where the last block of a deflate stream starts, by decoding all of it for lengths only.

use super::bits::{BitReader, PADDING};
use super::deflate_table::{Entry, Table};

/// What a [`Scanner`] found out about a deflate stream. Positions are in bits from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the header of the last block starts, that is, its BFINAL bit.
    pub(super) last_block: usize,
    /// Where the stream ends.
    pub(super) end: usize,
    /// How many bytes the stream decodes to.
    pub(super) plain_len: u64,
}

/// Scans deflate streams (RFC 1951). Keeps its tables from one stream to the next.
#[derive(Debug)]
pub(super) struct Scanner {
    /// Of the code of code lengths (RFC 1951 3.2.7).
    code_lengths: Table<128>,
    /// Of literals and lengths; packed.
    literals: Table<2048>,
    distances: Table<512>,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { code_lengths: Table::new(), literals: Table::new(), distances: Table::new() }
    }

    /// Scans the stream that `data` starts with, after which [`PADDING`] more bytes must follow.
    ///
    /// `None` if it is not a deflate stream or goes on past the padding's start.
    pub(super) fn scan(&mut self, data: &[u8]) -> Option<Scan> {
        let mut bits = BitReader::new(data);
        let mut plain_len = 0;
        loop {
            let last_block = bits.position();
            let last = bits.take(1)? == 1;
            plain_len += match bits.take(2)? {
                0 => skip_stored_block(&mut bits)?,
                1 => {
                    self.build_tables(&FIXED_LENGTHS, 288)?;
                    self.skip_block(&mut bits)?
                }
                2 => {
                    self.read_dynamic_header(&mut bits)?;
                    self.skip_block(&mut bits)?
                }
                _ => return None,
            };
            let end = bits.position();
            if end.div_ceil(8) + PADDING > data.len() {
                return None;
            }
            if last {
                return Some(Scan { last_block, end, plain_len });
            }
        }
    }

    /// Passes the symbols of a block; returns how many bytes they stand for.
    ///
    /// After a refill all 64 bits of the buffer are true, and 56 of them counted. Literals take 11 of them, and a match 48: a
    /// length 15 + 5 and a distance 15 + 13. So one refill is enough for a match or for two entries of literals, and for the
    /// index of the entry after them, which is looked up before the next one: the processor need not wait for it.
    fn skip_block(&self, bits: &mut BitReader<'_>) -> Option<u64> {
        let mut plain_len: u64 = 0;
        bits.refill()?;
        let mut entry = self.literals.at(bits.peek());
        loop {
            bits.refill()?;
            if entry.is_literals() {
                plain_len = plain_len.wrapping_add(entry.base().into());
                bits.skip(entry.skip());
                entry = self.literals.at(bits.peek());
                if entry.is_literals() {
                    plain_len = plain_len.wrapping_add(entry.base().into());
                    bits.skip(entry.skip());
                    entry = self.literals.at(bits.peek());
                    continue;
                }
                bits.refill()?;
            }
            if entry.is_special() {
                entry = self.literals.resolve(bits.peek());
                if entry.is_special() {
                    bits.skip(entry.skip());
                    return entry.is_end().then_some(plain_len);
                }
            }
            let after_code = bits.peek() >> entry.skip();
            let extra = after_code & ((1 << entry.extra()) - 1);
            plain_len = plain_len.wrapping_add(u64::from(entry.base()) + extra);
            bits.skip(entry.skip() + entry.extra());
            if entry.is_match() {
                bits.skip(self.distance(bits.peek())?);
            }
            entry = self.literals.at(bits.peek());
        }
    }

    /// How many bits a distance takes.
    #[inline]
    fn distance(&self, bits: u64) -> Option<u32> {
        let mut distance = self.distances.at(bits);
        if distance.is_special() {
            distance = self.distances.resolve(bits);
        }
        (!distance.is_special()).then(|| distance.skip())
    }

    /// Reads the codes of a block with dynamic codes (RFC 1951 3.2.7) and makes their tables.
    fn read_dynamic_header(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let literals = bits.take(5)? as usize + 257;
        let distances = bits.take(5)? as usize + 1;
        let used = bits.take(4)? as usize + 4;
        let mut code_lengths = [0; 19];
        for &symbol in CODE_LENGTH_ORDER.iter().take(used) {
            code_lengths[symbol] = u8::try_from(bits.take(3)?).ok()?;
        }
        self.code_lengths.build(&code_lengths, &CODE_LENGTH_MEANINGS)?;

        let mut lengths = [0; MOST_LENGTHS];
        let lengths = lengths.get_mut(..literals + distances)?;
        let mut filled = 0;
        while filled < lengths.len() {
            let (length, repeat) = self.read_code_length(bits, &lengths[..filled])?;
            lengths.get_mut(filled..filled + repeat)?.fill(length);
            filled += repeat;
        }
        self.build_tables(lengths, literals)
    }

    /// Reads one length of a code, and how often it comes; `before` are those read so far.
    fn read_code_length(&self, bits: &mut BitReader<'_>, before: &[u8]) -> Option<(u8, usize)> {
        bits.refill()?;
        let entry = self.code_lengths.at(bits.peek());
        if entry.is_special() {
            return None;
        }
        bits.skip(entry.skip());
        match entry.base() {
            16 => Some((*before.last()?, bits.take(2)? as usize + 3)),
            17 => Some((0, bits.take(3)? as usize + 3)),
            18 => Some((0, bits.take(7)? as usize + 11)),
            length => Some((u8::try_from(length).ok()?, 1)),
        }
    }

    /// Makes the tables of a block from its lengths: first those of `literals`, then distances.
    fn build_tables(&mut self, lengths: &[u8], literals: usize) -> Option<()> {
        let (literals, distances) = lengths.split_at_checked(literals)?;
        self.literals.build(literals, &LITERAL_MEANINGS)?;
        self.literals.pack_literals();
        self.distances.build(distances, &DISTANCE_MEANINGS)
    }
}

/// Passes a block without compression (RFC 1951 3.2.4); returns its length.
fn skip_stored_block(bits: &mut BitReader<'_>) -> Option<u64> {
    let start = bits.position().div_ceil(8);
    bits.seek_to_byte(start);
    let len = bits.take(16)?;
    if bits.take(16)? != len ^ 0xffff {
        return None;
    }
    bits.seek_to_byte(start + 4 + len as usize);
    Some(u64::from(len))
}

/// How many lengths a header can announce: HLIT + 257 and HDIST + 1, each with 5 bits.
const MOST_LENGTHS: usize = 288 + 32;

/// The order of the lengths in a header (RFC 1951 3.2.7).
const CODE_LENGTH_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The fixed codes of literals and of distances (RFC 1951 3.2.6).
const FIXED_LENGTHS: [u8; MOST_LENGTHS] = {
    let mut lengths = [8; MOST_LENGTHS];
    let mut symbol = 144;
    while symbol < MOST_LENGTHS {
        lengths[symbol] = match symbol {
            144..=255 => 9,
            256..=279 => 7,
            280..=287 => 8,
            _ => 5,
        };
        symbol += 1;
    }
    lengths
};

/// Each symbol of the code of code lengths is its own number.
const CODE_LENGTH_MEANINGS: [Entry; 19] = {
    let mut meanings = [Entry::INVALID; 19];
    let mut symbol: u16 = 0;
    while symbol < 19 {
        meanings[symbol as usize] = Entry::value(symbol);
        symbol += 1;
    }
    meanings
};

/// What the literals and lengths stand for (RFC 1951 3.2.5). The last two never occur.
const LITERAL_MEANINGS: [Entry; 288] = {
    let mut meanings = [Entry::INVALID; 288];
    let mut symbol = 0;
    while symbol < 256 {
        meanings[symbol] = Entry::LITERAL;
        symbol += 1;
    }
    meanings[256] = Entry::END_OF_BLOCK;
    let mut base = 3;
    let mut extra = 0;
    symbol = 257;
    while symbol < 285 {
        if symbol >= 265 && symbol % 4 == 1 {
            extra += 1;
        }
        meanings[symbol] = Entry::of_match(base, extra);
        base += 1 << extra;
        symbol += 1;
    }
    meanings[285] = Entry::of_match(258, 0);
    meanings
};

/// What the distances stand for (RFC 1951 3.2.5). The last two never occur.
const DISTANCE_MEANINGS: [Entry; 32] = {
    let mut meanings = [Entry::INVALID; 32];
    let mut symbol: u8 = 0;
    while symbol < 30 {
        meanings[symbol as usize] = Entry::distance(if symbol < 4 { 0 } else { symbol / 2 - 1 });
        symbol += 1;
    }
    meanings
};

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    /// A raw deflate stream, without padding.
    fn deflate(plain: &[u8], level: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(plain.len() + 1000);
        let mut compress = Compress::new(Compression::new(level), false);
        compress.compress_vec(plain, &mut out, FlushCompress::Finish).unwrap();
        assert_eq!(compress.total_in(), plain.len() as u64);
        out
    }

    fn scan_padded(mut stream: Vec<u8>) -> Option<Scan> {
        stream.resize(stream.len() + PADDING, 0);
        Scanner::new().scan(&stream)
    }

    fn check(plain: &[u8], level: u32) {
        let stream = deflate(plain, level);
        let scan = scan_padded(stream.clone()).unwrap();
        assert_eq!(scan.plain_len, plain.len() as u64);
        assert_eq!(scan.end.div_ceil(8), stream.len());
        assert!(stream[scan.last_block / 8] >> (scan.last_block % 8) & 1 == 1);
    }

    /// Text-like bytes with short and long repeats.
    fn words(len: usize) -> Vec<u8> {
        let mut seed = 7_u32;
        let mut out = Vec::new();
        while out.len() < len {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = (seed >> 20) * (seed >> 28);
            out.extend_from_slice(format!("{word:b} {word} ").as_bytes());
        }
        out.truncate(len);
        out
    }

    #[test]
    fn every_kind_of_block_is_passed() {
        let plain = words(300_000);
        for level in [0, 1, 6, 9] {
            check(&plain, level);
        }
        // Short enough for the fixed codes.
        check(b"abcabcabcabcabc", 6);
        check(b"", 6);
        check(&vec![0; 100_000], 6);
    }

    #[test]
    fn the_last_block_is_found_after_others() {
        // A stored block, a fixed block, and a last fixed one: their headers are known.
        let mut stream = vec![0, 1, 0, 0xfe, 0xff, b'x'];
        stream.extend([0x02, 0x0c, 0x00]); // fixed: end of block; fixed and last: end of block
        let scan = scan_padded(stream).unwrap();
        assert_eq!(scan, Scan { last_block: 6 * 8 + 10, end: 6 * 8 + 20, plain_len: 1 });
    }

    #[test]
    fn truncated_streams_are_refused() {
        let stream = deflate(&words(5000), 6);
        for len in 0..stream.len() {
            let scan = scan_padded(stream[..len].to_vec());
            assert_eq!(scan, None, "cut after {len} of {} bytes", stream.len());
        }
    }

    #[test]
    fn bad_headers_are_refused() {
        assert_eq!(scan_padded(vec![0b111]), None, "block type 3");
        assert_eq!(scan_padded(vec![1, 1, 0, 1, 0, 0]), None, "LEN is not the complement of NLEN");
        assert_eq!(scan_padded(vec![0b101, 0, 0xff, 0xff, 0xff]), None, "too many codes");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = scan_padded(bytes);
        }

        #[test]
        fn agrees_with_the_encoder(
            bytes in prop::collection::vec(0_u8..20, 0..4000),
            level in 0_u32..10,
        ) {
            check(&bytes, level);
        }
    }
}
