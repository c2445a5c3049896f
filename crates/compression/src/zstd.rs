//! zstd (RFC 8878), on the zstd crate.

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use ::zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};
use ::zstd::stream::read::Decoder;

use super::MAX_THREADS;
use super::ahead::Ahead;
use super::input::{Fuse, Input};

/// The levels of [`ZstdEncoder`]. Those above 19 need too much memory.
pub const ZSTD_LEVELS: RangeInclusive<i32> = 1..=19;

/// The level by default: zstd's own.
pub const DEFAULT_ZSTD_LEVEL: i32 = 3;

/// The window of the default level, as a power of two: as long as a job, so that all of one is in it; zstd's own is half of that. The
/// table of short matches: a sixteenth of zstd's own, so that both tables leave room for data in a second cache of 1 MiB. Together a
/// seventh faster than zstd's own, and no larger for a Debian image. Part of what determines the output.
const TUNING: [CParameter; 2] = [CParameter::WindowLog(22), CParameter::ChainLog(12)];

/// The largest window a decoder allows, as a power of two: 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// How much compressed input is read at once.
const INPUT_LEN: usize = 128 << 10;

/// Compresses what it reads to one zstd frame, with a checksum of the content and without its size.
///
/// A thread reads the input, while others compress: at high levels one step of theirs takes seconds. So a read that waits for
/// long fails with [`Interrupted`](ErrorKind::Interrupted), as [`Ahead`]'s, and the drop does not wait: the threads end a step
/// later.
///
/// Memory depends on the level and the threads: with two threads about 40 MiB at level 3, and 300
/// at level 19.
#[derive(Debug)]
pub struct ZstdEncoder(Ahead);

impl ZstdEncoder {
    /// Compresses `input` at `level`, one of [`ZSTD_LEVELS`], on `threads` threads, though on
    /// [`MAX_THREADS`] at most.
    ///
    /// Fails with [`InvalidInput`](ErrorKind::InvalidInput) for other levels.
    pub fn new(
        input: impl Read + Send + 'static,
        level: i32,
        threads: NonZeroUsize,
    ) -> io::Result<Self> {
        if !ZSTD_LEVELS.contains(&level) {
            let message = format!("zstd level {level} is not one of {ZSTD_LEVELS:?}");
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        let mut encoder = Encoder::new(level)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        encoder.set_parameter(CParameter::ContentSizeFlag(false))?;
        // Never 0, which compresses on the calling thread, to other bytes.
        let threads = u32::try_from(threads.get().min(MAX_THREADS)).unwrap_or(1);
        encoder.set_parameter(CParameter::NbWorkers(threads))?;
        encoder.set_parameter(CParameter::JobSize(job_len(level)))?;
        if level == DEFAULT_ZSTD_LEVEL {
            TUNING.into_iter().try_for_each(|parameter| encoder.set_parameter(parameter))?;
        }
        let input = BufReader::with_capacity(INPUT_LEN, input);
        Ahead::start("zstd", Frame { input, encoder, drained: false, ended: false }).map(Self)
    }
}

impl Read for ZstdEncoder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

/// One frame, as its threads make it.
///
/// The crate's own reader offers zstd no input at the start of each read. With nothing to take, zstd waits for its oldest job,
/// and the other threads have none.
struct Frame<R> {
    input: BufReader<R>,
    encoder: Encoder<'static>,
    /// The end of the input has been seen.
    drained: bool,
    ended: bool,
}

impl<R: Read> Read for Frame<R> {
    /// Fills `buf`, except at the end. What was compressed before an error is lost.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut output = OutBuffer::around(buf);
        while !self.ended && output.pos() < output.capacity() {
            if self.drained {
                self.ended = self.encoder.finish(&mut output, true)? == 0;
                continue;
            }
            let input = match self.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                input => input?,
            };
            self.drained = input.is_empty();
            if !self.drained {
                let mut input = InBuffer::around(input);
                self.encoder.run(&mut input, &mut output)?;
                let taken = input.pos();
                self.input.consume(taken);
            }
        }
        Ok(output.pos())
    }
}

/// How many bytes a thread compresses at once; 0 is zstd's own choice, four windows. Part of what determines the output.
///
/// Shorter ones keep all threads busy on layers of 40 MB, and cost 0.4% in size. Up to level 2 zstd's own are short enough;
/// from 16 on they would cost much more, because each begins with the window before it.
fn job_len(level: i32) -> u32 {
    match level {
        3..=8 => 4 << 20,
        9..=15 => 8 << 20,
        _ => 0,
    }
}

/// Reads the content of all zstd frames in `R`, one after the other; skippable frames are skipped.
///
/// Windows of more than 128 MiB are refused. Input without any frame counts as truncated.
pub struct ZstdDecoder<R: Read> {
    decoder: Decoder<'static, BufReader<Input<R>>>,
    fuse: Fuse,
}

impl<R: Read> ZstdDecoder<R> {
    /// Decodes `input`, from which nothing is read yet.
    pub fn new(input: R) -> io::Result<Self> {
        let input = BufReader::with_capacity(INPUT_LEN, Input::new(input));
        let mut decoder = Decoder::with_buffer(input)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { decoder, fuse: Fuse::default() })
    }
}

impl<R: Read> Read for ZstdDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let decoder = &mut self.decoder;
        self.fuse.guard(|| match decoder.read(buf) {
            Ok(0) if !decoder.get_ref().get_ref().started() => {
                Err(io::Error::new(ErrorKind::UnexpectedEof, "no zstd frame"))
            }
            result => result.map_err(|error| decoder.get_ref().get_ref().judge(error)),
        })
    }
}

impl<R: Read> fmt::Debug for ZstdDecoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdDecoder").finish_non_exhaustive()
    }
}
