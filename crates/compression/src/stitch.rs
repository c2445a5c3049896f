//! Compresses the blocks of a gzip member one by one, so that they can be joined.
//!
//! libdeflate is by far the fastest deflate encoder at the ratios wanted here, but it makes whole
//! streams only: it can neither flush nor go on. A deflate stream is a row of deflate blocks, the
//! last of which has its BFINAL bit set. So each of our blocks is compressed as a stream of its
//! own, [scanned](super::deflate_scan) to find that bit, and
//!
//! - the bit is cleared, so that more blocks may follow, and
//! - an empty stored block (RFC 1951 3.2.4) is added, which ends at a byte boundary.
//!
//! Blocks made so can be written one after the other; [`STREAM_END`] ends the stream. No block
//! refers to data before it, because libdeflate has not seen any.
//!
//! The scan also proves, independently of libdeflate, that the block decodes to the right length.

use std::io;
use std::sync::{Mutex, PoisonError};

use crc32fast::Hasher;
use libdeflater::{CompressionLvl, Compressor};

use super::bits::PADDING;
use super::deflate_scan::Scanner;

/// How many plain bytes are compressed as one block. Part of what determines the output.
pub(super) const BLOCK_LEN: usize = 1 << 20;

/// Ends a deflate stream at a byte boundary: a last, empty block with fixed codes
/// (RFC 1951 3.2.6).
pub(super) const STREAM_END: [u8; 2] = [0x03, 0x00];

/// LEN and NLEN of an empty stored block; its three header bits and the padding come before.
const EMPTY_STORED_BLOCK: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// A part of the plain bytes, and what became of it.
#[derive(Debug)]
pub(super) struct Block {
    /// How hard to compress.
    pub(super) level: CompressionLvl,
    /// At most [`BLOCK_LEN`] bytes.
    pub(super) plain: Vec<u8>,
    /// The same as deflate blocks, none of them the last, that end at a byte boundary.
    pub(super) packed: Vec<u8>,
    /// The checksum of `plain`.
    pub(super) crc: Hasher,
}

/// Blocks to use again, for their memory, in the whole process. Layers are many, and what the threads of each give back to
/// an allocator that has an arena for each thread is not at hand for the next one.
static SPARE: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// How many of them are kept.
const MOST_SPARE: usize = 8;

impl Block {
    /// A block without plain bytes, with room for them. What is packed in it is of no meaning yet.
    pub(super) fn take(level: CompressionLvl) -> Self {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut plain, packed) =
            spare.map(|block| (block.plain, block.packed)).unwrap_or_default();
        plain.clear();
        plain.reserve_exact(BLOCK_LEN);
        Self { level, plain, packed, crc: Hasher::new() }
    }

    /// Keeps it for the next who needs one.
    pub(super) fn give_back(self) {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(self);
        }
    }
}

/// Compresses blocks.
pub(super) struct BlockEncoder {
    /// One for each level that has been needed.
    compressors: Vec<(CompressionLvl, Compressor)>,
    scanner: Scanner,
    /// Where libdeflate writes: room for the worst case, of which little is used.
    room: Vec<u8>,
}

impl BlockEncoder {
    pub(super) fn new() -> Self {
        Self { compressors: Vec::new(), scanner: Scanner::new(), room: Vec::new() }
    }

    /// Makes `packed` and `crc` from `plain`.
    ///
    /// Fails only when libdeflate or the scanner is wrong.
    pub(super) fn encode(&mut self, block: &mut Block) -> io::Result<()> {
        block.crc = Hasher::new();
        block.crc.update(&block.plain);
        let compressor = compressor(&mut self.compressors, block.level);
        let bound = compressor.deflate_compress_bound(block.plain.len());
        // Zeros are written once, into memory that is used many times.
        if self.room.len() < bound + PADDING {
            self.room.resize(bound + PADDING, 0);
        }
        let len = compressor
            .deflate_compress(&block.plain, &mut self.room[..bound])
            .map_err(io::Error::other)?;
        self.room[len..len + PADDING].fill(0);
        self.open_end(block, len)
    }

    /// Makes `packed` of the stream in the first `len` bytes of `room`, as one that can be continued.
    fn open_end(&mut self, block: &mut Block, len: usize) -> io::Result<()> {
        let scan = self.scanner.scan(&self.room[..len + PADDING]);
        let scan = scan
            .filter(|scan| scan.plain_len == block.plain.len() as u64)
            .filter(|scan| scan.end.div_ceil(8) == len)
            .ok_or_else(|| io::Error::other("the deflate encoder made a block that is not true"))?;
        block.packed.clear();
        block.packed.extend_from_slice(&self.room[..len]);
        block.packed[scan.last_block / 8] &= !(1 << (scan.last_block % 8));
        append_empty_stored_block(&mut block.packed, scan.end);
        Ok(())
    }
}

/// The compressor of a level, which is made when it is first needed.
fn compressor(
    known: &mut Vec<(CompressionLvl, Compressor)>,
    level: CompressionLvl,
) -> &mut Compressor {
    let index = known.iter().position(|(other, _)| *other == level).unwrap_or_else(|| {
        known.push((level, Compressor::new(level)));
        known.len() - 1
    });
    &mut known[index].1
}

/// Adds an empty stored block to a stream that ends at bit `end`, in the last byte.
fn append_empty_stored_block(stream: &mut Vec<u8>, end: usize) {
    let used = end % 8;
    if used != 0 {
        // The header, three zero bits, may start in the byte that the stream ends in.
        if let Some(last) = stream.last_mut() {
            *last &= (1 << used) - 1;
        }
    }
    if used == 0 || used > 5 {
        stream.push(0);
    }
    stream.extend_from_slice(&EMPTY_STORED_BLOCK);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn inflate(stream: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::bufread::DeflateDecoder::new(stream).read_to_end(&mut out).unwrap();
        out
    }

    fn encode(plain: &[u8], level: i32) -> Block {
        let level = CompressionLvl::new(level).unwrap();
        let mut block = Block { plain: plain.to_vec(), ..Block::take(level) };
        BlockEncoder::new().encode(&mut block).unwrap();
        block
    }

    #[test]
    fn blocks_join_to_one_stream_wherever_the_last_bit_falls() {
        let mut stream = Vec::new();
        let mut plain: Vec<u8> = Vec::new();
        for n in 0..200_i32 {
            let part = format!("{n} {} ", n * n).repeat(usize::try_from(n % 7).unwrap());
            stream.extend(encode(part.as_bytes(), 1 + n % 9).packed);
            plain.extend(part.as_bytes());
        }
        stream.extend(STREAM_END);
        assert_eq!(inflate(&stream), plain);
    }

    #[test]
    fn the_empty_block_starts_where_the_stream_ends() {
        // Empty fixed blocks have ten bits: BFINAL 0, BTYPE 01, seven zeros. One to four of them
        // end at bit 2, 4, 6 or 0 of a byte. Bits after the end do not count.
        for blocks in 1..=4 {
            let end = blocks * 10;
            let bits = (0..blocks).fold(0b10_u64, |bits, n| bits | 0b10 << (10 * n));
            let mut stream = bits.to_le_bytes()[..usize::div_ceil(end, 8)].to_vec();
            if end % 8 != 0 {
                *stream.last_mut().unwrap() |= 0x80;
            }
            append_empty_stored_block(&mut stream, end);
            stream.extend(STREAM_END);
            assert_eq!(inflate(&stream), b"");
        }
    }

    #[test]
    fn a_block_that_decodes_to_another_length_is_refused() {
        let mut block = Block { plain: b"abc".to_vec(), ..Block::take(CompressionLvl::fastest()) };
        let mut encoder = BlockEncoder::new();
        encoder.room = vec![0x03, 0x00];
        encoder.room.resize(2 + PADDING, 0);
        assert!(encoder.open_end(&mut block, 2).is_err());
    }
}
