//! The codecs of layers and archives: gzip and zstd, as blocking [`Read`](std::io::Read) adapters.
//!
//! Each adapter pulls bytes from the reader inside it and yields the changed bytes. What holds for
//! all of them:
//!
//! - **Deterministic.** The output of an encoder depends on its input and its level, on nothing
//!   else: not on the number of threads, nor on the sizes of the reads.
//! - **Bounded.** Memory does not grow with the length of the stream.
//! - **Strict.** A decoder reads to the end of its input. Truncated input is
//!   [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof), anything else that is not what the
//!   format asks for is [`InvalidData`](std::io::ErrorKind::InvalidData); never a short `Ok`.
//! - **Transparent.** An error of the reader inside is passed on as it is. After any error, every
//!   further read fails, so that a broken stream cannot look like one that has ended.
//!
//! The gzip encoder compresses blocks on several threads and yields one member all the same; how
//! the blocks are joined is described in `stitch`.

mod ahead;
mod bits;
mod deflate_scan;
mod deflate_table;
mod gzip;
mod input;
mod sniff;
mod stitch;
#[cfg(test)]
mod tests;
mod workers;
mod zstd;

pub use ahead::Ahead;
pub use gzip::{DEFAULT_GZIP_LEVEL, GZIP_LEVELS, GzipDecoder, GzipEncoder};
pub use sniff::{Compression, SNIFF_LEN, Sniffed, sniff};
pub use zstd::{DEFAULT_ZSTD_LEVEL, ZSTD_LEVELS, ZstdDecoder, ZstdEncoder};

/// The most threads that one encoder uses, however many it is given.
///
/// Eight threads compress faster than SHA-256 can hash on one core, which every layer has to pass,
/// and the limit keeps the memory of an encoder bounded on machines with very many cores.
pub const MAX_THREADS: usize = 8;
