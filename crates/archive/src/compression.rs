//! Decompressing whole archives, within limits.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use transship_compression::Compression;
use transship_core::{Cancel, Error, ErrorKind, Hint, Result};
use transship_local::write_all_at;

/// Decompressed bytes that are let pass whatever the ratio.
pub const RATIO_FREE: u64 = 1 << 30;

/// The most decompressed bytes for one compressed byte, beyond [`RATIO_FREE`]. Real archives stay below 20.
pub const RATIO_LIMIT: u64 = 200;

/// The largest zstd window, as a power of two: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// The most memory that decoding xz may take, in bytes: what the highest preset needs, twice.
const XZ_MEMORY: u64 = 136 << 20;

/// How many bytes are decompressed between two looks at the cancel.
const CHUNK: usize = 1 << 20;

/// The plain bytes of a stream, to its end: all members, frames and streams. What the decoder finds wrong is an error of
/// a kind of its own choice; those of the input come through.
///
/// # Errors
/// When no decoder can be made.
pub fn decoder<'a, R: Read + Send + 'a>(
    compression: Compression,
    input: R,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::Plain => Box::new(input),
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::new(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(input)),
        Compression::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
            Box::new(XzDecoder::new_stream(input, stream))
        }
    })
}

/// Whether a [`decoder`] found that a stream takes more memory than it may.
pub fn takes_too_much_memory(error: &io::Error) -> bool {
    use liblzma::stream::Error::{Mem, MemLimit};
    use zstd::zstd_safe::{get_error_name, zstd_sys::ZSTD_ErrorCode};
    let Some(inner) = error.get_ref() else { return false };
    if let Some(found) = inner.downcast_ref() {
        return matches!(found, Mem | MemLimit);
    }
    // The binding of zstd gives the name of a code, and not the code.
    let code = ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge as usize;
    inner.to_string() == get_error_name(code.wrapping_neg())
}

/// How far a stream may grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) free: u64,
    pub(crate) ratio: u64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { free: RATIO_FREE, ratio: RATIO_LIMIT }
    }
}

/// The plain bytes of a stream. What it gives as an error is one of ours: `Corrupt` for a malformed or torn stream,
/// `LimitExceeded` when it grows too much, I/O errors.
pub(crate) struct Decoded<'a> {
    compression: Compression,
    decoder: Box<dyn Read + Send + 'a>,
    from: PathBuf,
    passed: Arc<AtomicU64>,
    given: u64,
    growth: Growth,
}

impl<'a> Decoded<'a> {
    pub(crate) fn new(
        compression: Compression,
        input: impl Read + Send + 'a,
        from: &Path,
        growth: Growth,
    ) -> Result<Self> {
        let passed = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, passed: Arc::clone(&passed) };
        let decoder =
            decoder(compression, counted).map_err(|e| read_error(compression, from, e))?;
        Ok(Self { compression, decoder, from: from.to_owned(), passed, given: 0, growth })
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = loop {
            match self.decoder.read(buffer) {
                Ok(n) => break n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read_error(self.compression, &self.from, e)),
            }
        };
        self.given += n as u64;
        let Growth { ratio, free } = self.growth;
        let allowed = self.passed.load(Ordering::Relaxed).saturating_mul(ratio).max(free);
        if self.compression == Compression::Plain || self.given <= allowed {
            return Ok(n);
        }
        let form = self.compression;
        Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "its {form} stream grows by more than {ratio} times, to more than {allowed} bytes"
            ),
        )
        .hint("if it is to be trusted, decompress it first"))
    }
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(Error::into_io)
    }
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("compression", &self.compression)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

/// Decompresses all of a stream into a file, from its start, within the limits for archives. Gives the number of bytes written.
///
/// # Errors
/// `Corrupt` for a malformed or torn stream; `LimitExceeded` when it grows too much or takes too much memory; `Cancelled`; I/O errors,
/// with the path `from`.
pub fn decompress(
    compression: Compression,
    input: impl Read + Send,
    from: &Path,
    to: &File,
    cancel: &Cancel,
) -> Result<u64> {
    spool(compression, input, from, to, Growth::default(), cancel)
}

/// As [`decompress`], within limits of its own.
pub(crate) fn spool(
    compression: Compression,
    input: impl Read + Send,
    from: &Path,
    to: &File,
    growth: Growth,
    cancel: &Cancel,
) -> Result<u64> {
    let mut decoded = Decoded::new(compression, input, from, growth)?;
    let mut buffer = vec![0; CHUNK];
    let mut written = 0;
    loop {
        cancel.check()?;
        let n = decoded.next(&mut buffer)?;
        if n == 0 {
            return Ok(written);
        }
        write_all_at(to, &buffer[..n], written).map_err(|e| spooling(from, e))?;
        written += n as u64;
    }
}

/// That a temporary file could not be written.
pub(crate) fn spooling(from: &Path, error: io::Error) -> Error {
    // In place of the hint of a full disk, which is that of the temporary folder.
    Error::io("writing the temporary file for", from, error).with_hint(Hint::ChangeSpoolFolder)
}

/// What the system says is the system's; the rest is what the decoder found in the stream.
fn read_error(compression: Compression, from: &Path, error: io::Error) -> Error {
    if compression == Compression::Plain || error.raw_os_error().is_some() {
        return Error::io("reading", from, error);
    }
    match Error::unwrap_io(error) {
        Ok(ours) => ours,
        Err(e) if takes_too_much_memory(&e) => Error::new(
            ErrorKind::LimitExceeded,
            format!("decompressing its {compression} stream takes more memory than allowed"),
        )
        .caused_by(e)
        .hint("if it is to be trusted, decompress it first"),
        Err(e) => Error::new(
            ErrorKind::Corrupt,
            format!("its {compression} stream is malformed or was cut off"),
        )
        .caused_by(e),
    }
}

struct Counted<R> {
    input: R,
    passed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.passed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_limited() {
        let zeros = zstd::encode_all(io::repeat(0).take(8 << 20), 3).unwrap();
        let spool = |growth| {
            let to = tempfile::tempfile().unwrap();
            let (cancel, path) = (Cancel::new(), Path::new("t"));
            let result = spool(Compression::Zstd, &zeros[..], path, &to, growth, &cancel);
            (result, to.metadata().unwrap().len())
        };
        assert_eq!(spool(Growth::default()).0.unwrap(), 8 << 20);
        assert_eq!(spool(Growth { free: 8 << 20, ratio: 2 }).0.unwrap(), 8 << 20);
        let (result, written) = spool(Growth { free: 2 << 20, ratio: 2 });
        assert_eq!(result.unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert!(written < 4 << 20);
        assert!(spool(Growth { free: 0, ratio: 1 << 20 }).0.is_ok());
    }

    #[test]
    fn words_about_memory_are_no_limit() {
        for text in ["a memory of old times", "out of memory"] {
            let error = read_error(Compression::Zstd, Path::new("t"), io::Error::other(text));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
        }
    }

    #[test]
    fn memory_for_decoding_is_limited() {
        let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
        zstd.window_log(28).unwrap();
        // Without a known size, the frame asks for the whole window.
        io::copy(&mut io::repeat(0).take(1 << 20), &mut zstd).unwrap();
        let frame = zstd.finish().unwrap();
        let filters = {
            let mut options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
            options.dict_size(256 << 20);
            let mut filters = liblzma::stream::Filters::new();
            filters.lzma2(&options);
            filters
        };
        let check = liblzma::stream::Check::Crc32;
        let stream = liblzma::stream::Stream::new_stream_encoder(&filters, check).unwrap();
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new_stream(&b"x"[..], stream).read_to_end(&mut xz).unwrap();
        for (compression, bytes) in [(Compression::Zstd, frame), (Compression::Xz, xz)] {
            let to = tempfile::tempfile().unwrap();
            let cancel = Cancel::new();
            let result =
                spool(compression, &bytes[..], Path::new("t"), &to, Growth::default(), &cancel);
            assert_eq!(result.unwrap_err().kind(), ErrorKind::LimitExceeded, "{compression:?}");
        }
    }
}
