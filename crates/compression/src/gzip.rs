//! gzip (RFC 1952): an encoder on several threads, and a decoder of all members.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufReader, ErrorKind, Read};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use crc32fast::Hasher;
use flate2::bufread::MultiGzDecoder;
use libdeflater::CompressionLvl;

use super::MAX_THREADS;
use super::input::{Fuse, Input};
use super::stitch::{BLOCK_LEN, Block, STREAM_END};
use super::workers::{Pending, Workers};

/// The levels of [`GzipEncoder`]; higher is smaller and slower.
pub const GZIP_LEVELS: RangeInclusive<u32> = 1..=9;

/// The level by default: files smaller than those of level 1 by 1%, for a tenth more
/// time.
pub const DEFAULT_GZIP_LEVEL: u32 = 2;

/// At level 2, one block in so many is compressed harder than the others, from the first on.
const HARDER_EVERY: u64 = 4;

/// RFC 1952 2.3: ID1, ID2, CM 8 (deflate), no flags, no time, no extra flags, OS 255 (unknown).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// How much compressed input is read at once.
const INPUT_LEN: usize = 128 << 10;

/// Compresses what it reads from `R` to one gzip member.
///
/// The input is read by the thread that reads the output, and compressed by threads in between, in blocks
/// of 1 MiB. That takes about 3 MiB of memory for each thread and 7 MiB more. Dropped half way, it
/// waits for the blocks that are being compressed, which takes milliseconds, and its threads have
/// ended then.
pub struct GzipEncoder<R> {
    state: State<R>,
    fuse: Fuse,
}

struct State<R> {
    input: R,
    level: u32,
    /// How many blocks have been read.
    blocks: u64,
    /// The end of the input has been seen.
    drained: bool,
    workers: Workers,
    /// How many blocks may be on their way.
    most_pending: usize,
    /// The blocks on their way, in order.
    pending: VecDeque<Pending>,
    /// What to yield next, from `yielded` on.
    output: Vec<u8>,
    yielded: usize,
    /// The checksum and the length of the input up to `output`'s end.
    crc: Hasher,
    len: u64,
    /// `output` is the end of the member.
    ended: bool,
}

impl<R: Read> GzipEncoder<R> {
    /// Compresses `input` at `level`, one of [`GZIP_LEVELS`], on `threads` threads, though on
    /// [`MAX_THREADS`] at most. No thread is started and nothing is read yet.
    ///
    /// Fails with [`InvalidInput`](ErrorKind::InvalidInput) for other levels.
    pub fn new(input: R, level: u32, threads: NonZeroUsize) -> io::Result<Self> {
        if !GZIP_LEVELS.contains(&level) {
            return Err(no_such_level(level));
        }
        let threads = threads.get().min(MAX_THREADS);
        let state = State {
            input,
            level,
            blocks: 0,
            drained: false,
            workers: Workers::new(threads),
            most_pending: threads + 2,
            pending: VecDeque::new(),
            output: HEADER.to_vec(),
            yielded: 0,
            crc: Hasher::new(),
            len: 0,
            ended: false,
        };
        Ok(Self { state, fuse: Fuse::default() })
    }
}

impl<R: Read> Read for GzipEncoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.fuse.guard(|| self.state.read(buf))
    }
}

impl<R: Read> State<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.yielded == self.output.len() && !self.ended {
            self.advance()?;
        }
        let ready = &self.output[self.yielded..];
        let len = ready.len().min(buf.len());
        buf[..len].copy_from_slice(&ready[..len]);
        self.yielded += len;
        Ok(len)
    }

    /// Makes the next output: of the oldest block, or the end of the member.
    fn advance(&mut self) -> io::Result<()> {
        while !self.drained && self.pending.len() < self.most_pending {
            self.read_block()?;
        }
        self.yielded = 0;
        let Some(pending) = self.pending.pop_front() else {
            self.output.clear();
            self.output.extend_from_slice(&STREAM_END);
            self.output.extend_from_slice(&self.crc.clone().finalize().to_le_bytes());
            // RFC 1952 2.3.1: ISIZE is the length modulo 2^32.
            self.output.extend_from_slice(&self.len.to_le_bytes()[..4]);
            self.ended = true;
            return Ok(());
        };
        let mut block = pending.wait()?;
        self.crc.combine(&block.crc);
        self.len += block.plain.len() as u64;
        std::mem::swap(&mut self.output, &mut block.packed);
        block.give_back();
        Ok(())
    }

    /// Reads one block, which is a full one unless it is the last, and has it compressed.
    fn read_block(&mut self) -> io::Result<()> {
        let level = block_level(self.level, self.blocks)?;
        let mut block = Block::take(level);
        self.input.by_ref().take(BLOCK_LEN as u64).read_to_end(&mut block.plain)?;
        self.blocks += 1;
        self.drained = block.plain.len() < BLOCK_LEN;
        if !block.plain.is_empty() {
            self.pending.push_back(self.workers.submit(block)?);
        }
        Ok(())
    }
}

/// The level of libdeflate for a block, counted from 0.
///
/// The levels are those of libdeflate but for 2. From its first to its second the step is large,
/// 4% in size and 40% in time, and what most encoders make by default lies in between; so level 2
/// takes both in turn.
fn block_level(level: u32, block: u64) -> io::Result<CompressionLvl> {
    let level = if level == 2 && !block.is_multiple_of(HARDER_EVERY) { 1 } else { level };
    let valid = i32::try_from(level).ok().and_then(|level| CompressionLvl::new(level).ok());
    valid.ok_or_else(|| no_such_level(level))
}

fn no_such_level(level: u32) -> io::Error {
    let message = format!("gzip level {level} is not one of {GZIP_LEVELS:?}");
    io::Error::new(ErrorKind::InvalidInput, message)
}

impl<R> fmt::Debug for GzipEncoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipEncoder").field("workers", &self.state.workers).finish_non_exhaustive()
    }
}

/// Reads the content of all gzip members in `R`, one after the other, to the end of the input.
///
/// Anything but a member after a member is an error, zeros too. Input without any member counts as
/// truncated.
pub struct GzipDecoder<R> {
    decoder: MultiGzDecoder<BufReader<Input<R>>>,
    fuse: Fuse,
}

impl<R: Read> GzipDecoder<R> {
    /// Decodes `input`. Its first bytes are read at once; what is wrong with them is reported by the
    /// first read.
    pub fn new(input: R) -> Self {
        let input = BufReader::with_capacity(INPUT_LEN, Input::new(input));
        Self { decoder: MultiGzDecoder::new(input), fuse: Fuse::default() }
    }
}

impl<R: Read> Read for GzipDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let decoder = &mut self.decoder;
        self.fuse
            .guard(|| decoder.read(buf).map_err(|error| decoder.get_ref().get_ref().judge(error)))
    }
}

impl<R> fmt::Debug for GzipDecoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipDecoder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_2_takes_two_in_turn() {
        let levels = |level| -> Vec<CompressionLvl> {
            (0..6).map(|block| block_level(level, block).unwrap()).collect()
        };
        let [one, two, three] = [1, 2, 3].map(|level| CompressionLvl::new(level).unwrap());
        assert_eq!(levels(1), [one; 6]);
        assert_eq!(levels(2), [two, one, one, one, two, one]);
        assert_eq!(levels(3), [three; 6]);
    }
}
