//! [`Compressor`]: the compression around an archive that is written.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use transship_compression::{GZIP_LEVELS, GzipEncoder, ZSTD_LEVELS, ZstdEncoder};
use transship_core::{Cancel, Error, ErrorKind, Result, TransportOption};

const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// The option `archive-compress` of transports that write archives.
pub const COMPRESSOR_OPTION: TransportOption = TransportOption::value(
    "archive-compress",
    "FORM",
    "Compress the archive as a whole: none, gzip[:LEVEL] or zstd[:LEVEL] [default: as its suffix says]",
)
.writing();

/// Suffixes of compressions in which no archive is written.
const NOT_WRITTEN: [&str; 16] = [
    "xz", "txz", "bz2", "tbz2", "tbz", "tb2", "lz4", "tlz4", "lzma", "tlz", "lz", "lzo", "tzo",
    "z", "taz", "br",
];

/// How many compressed bytes are given at a time.
const CHUNK: usize = 256 << 10;

/// How many threads compress; each takes memory of its own, most of all at the high levels of zstd.
const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// The compression around an archive that is written: one gzip member or zstd frame, which several threads make. The bytes
/// depend on the archive and the level, not on the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// None: a plain tar.
    Plain,
    /// gzip (RFC 1952), of a level from 1 to 9.
    Gzip(u32),
    /// zstd (RFC 8878), of a level from 1 to 19.
    Zstd(i32),
}

impl Compressor {
    /// `none`, `gzip[:LEVEL]` or `zstd[:LEVEL]`.
    ///
    /// # Errors
    /// `InvalidInput` for other text.
    pub fn parse(text: &str) -> Result<Self> {
        let (form, level) = match text.split_once(':') {
            Some((form, level)) => (form, Some(level)),
            None => (text, None),
        };
        let parsed = match (form, level.map(str::parse::<u8>)) {
            ("none", None) => Some(Self::Plain),
            ("gzip", None) => Some(Self::Gzip(GZIP_LEVEL)),
            ("zstd", None) => Some(Self::Zstd(ZSTD_LEVEL)),
            ("gzip", Some(Ok(level))) if GZIP_LEVELS.contains(&level.into()) => {
                Some(Self::Gzip(level.into()))
            }
            ("zstd", Some(Ok(level))) if ZSTD_LEVELS.contains(&level.into()) => {
                Some(Self::Zstd(level.into()))
            }
            _ => None,
        };
        parsed.ok_or_else(|| {
            let message = format!(
                "{text:?} is no compression of an archive: none, gzip[:1-9] or zstd[:1-19]"
            );
            Error::new(ErrorKind::InvalidInput, message)
        })
    }

    /// What the end of a file's name says, in capitals too: `.gz` and `.tgz`, `.zst` and `.tzst`; else plain.
    ///
    /// # Errors
    /// `Unsupported` for one that says another compression, as `.xz` does.
    pub fn by_suffix(path: &Path) -> Result<Self> {
        let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
        match end.as_deref() {
            Some("gz" | "tgz") => Ok(Self::Gzip(GZIP_LEVEL)),
            Some("zst" | "tzst") => Ok(Self::Zstd(ZSTD_LEVEL)),
            Some(end) if NOT_WRITTEN.contains(&end) => {
                let path = path.display();
                let message = format!("{path}: archives are not compressed as .{end}");
                Err(Error::new(ErrorKind::Unsupported, message).hint(
                    ".tar.gz, .tgz, .tar.zst and .tzst are; or write a .tar, and compress it when it is complete",
                ))
            }
            _ => Ok(Self::Plain),
        }
    }

    /// Refuses to join an archive that would have to be compressed.
    ///
    /// # Errors
    /// `Unsupported` for one that is compressed by wish, or by its suffix when it is not there; as [`by_suffix`](Self::by_suffix).
    pub fn check_append(this: Option<Self>, path: &Path) -> Result<()> {
        let compressor = match this {
            Some(compressor) => compressor,
            None if path.exists() => Self::Plain,
            None => Self::by_suffix(path)?,
        };
        if compressor == Self::Plain {
            return Ok(());
        }
        let message = format!("{}: a compressed archive cannot be joined", path.display());
        Err(Error::new(ErrorKind::Unsupported, message)
            .hint("write it at once, or compress it when it is complete"))
    }

    /// Compresses all that a reader gives to one gzip member or zstd frame, and gives what comes of it in order, as it
    /// comes. The path is for messages.
    pub(crate) fn pack(
        self,
        plain: impl Read + Send + 'static,
        path: &Path,
        cancel: &Cancel,
        put: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let plain = Cancellable { inner: plain, cancel: cancel.clone() };
        let compressor =
            |e| Error::unwrap_io(e).unwrap_or_else(|e| Error::io("compressing", path, e));
        let mut packed = self.encoder(plain).map_err(compressor)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            cancel.check()?;
            match packed.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => put(&chunk[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(compressor(e)),
            }
        }
    }

    fn encoder(self, plain: impl Read + Send + 'static) -> io::Result<Box<dyn Read>> {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(THREADS);
        Ok(match self {
            Self::Plain => Box::new(plain),
            Self::Gzip(level) => Box::new(GzipEncoder::new(plain, level, threads)?),
            Self::Zstd(level) => Box::new(ZstdEncoder::new(plain, level, threads)?),
        })
    }
}

/// An encoder fills itself with many reads before anything comes out of it.
struct Cancellable<R> {
    inner: R,
    cancel: Cancel,
}

impl<R: Read> Read for Cancellable<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(Error::into_io)?;
        self.inner.read(out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use transship_compression::{Compression, sniff};

    use crate::compression::decoder;

    fn path() -> &'static Path {
        Path::new("a.tar")
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let plain: Vec<u8> = (0..10_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for (text, compression) in [
            ("none", Compression::Plain),
            ("gzip:1", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ] {
            let mut packed = Vec::new();
            let mut put = |bytes: &[u8]| {
                packed.extend_from_slice(bytes);
                Ok(())
            };
            let compressor = Compressor::parse(text).unwrap();
            compressor.pack(Cursor::new(plain.clone()), path(), &Cancel::new(), &mut put).unwrap();
            assert_eq!(sniff(&packed), compression);
            assert_eq!(packed.len() < plain.len(), compression != Compression::Plain);
            let mut back = Vec::new();
            decoder(compression, &*packed).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == plain, "{text}");
        }
    }

    #[test]
    fn it_is_one_member_or_frame() {
        // More than one block of each encoder.
        let plain: Vec<u8> = (0..9_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let packed = |compressor: Compressor| {
            let mut packed = Vec::new();
            let mut put = |bytes: &[u8]| {
                packed.extend_from_slice(bytes);
                Ok(())
            };
            compressor.pack(Cursor::new(plain.clone()), path(), &Cancel::new(), &mut put).unwrap();
            packed
        };
        // Readers of one member or frame see all of it, and nothing stands behind.
        let gzip = packed(Compressor::Gzip(6));
        let mut first = flate2::bufread::GzDecoder::new(&*gzip);
        let mut back = Vec::new();
        first.read_to_end(&mut back).unwrap();
        assert!(back == plain && first.into_inner().is_empty());
        let zstd = packed(Compressor::Zstd(3));
        let mut first = zstd::Decoder::with_buffer(&*zstd).unwrap().single_frame();
        let mut back = Vec::new();
        first.read_to_end(&mut back).unwrap();
        assert!(back == plain && first.finish().is_empty());
    }

    #[test]
    fn a_cancel_stops_it_before_the_next_chunk() {
        let plain = noise(8 << 20);
        for compressor in [Compressor::Plain, Compressor::Gzip(1), Compressor::Zstd(1)] {
            let cancel = Cancel::new();
            let mut chunks = 0;
            let mut put = |_: &[u8]| {
                chunks += 1;
                cancel.cancel();
                Ok(())
            };
            let plain = Cursor::new(plain.clone());
            let error = compressor.pack(plain, path(), &cancel, &mut put).unwrap_err();
            assert_eq!((error.kind(), chunks), (ErrorKind::Cancelled, 1), "{compressor:?}");
        }
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn a_cancel_stops_it() {
        let cancel = Cancel::new();
        cancel.cancel();
        let plain = Cursor::new([1; 10]);
        let error = Compressor::Gzip(1).pack(plain, path(), &cancel, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn text_and_suffixes() {
        for bad in ["", "gzip:0", "gzip:10", "gzip:", "zstd:20", "zstd:-1", "none:1", "xz"] {
            assert_eq!(Compressor::parse(bad).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        for (path, compressor) in [
            ("a.tar.gz", Compressor::Gzip(GZIP_LEVEL)),
            ("a.tgz", Compressor::Gzip(GZIP_LEVEL)),
            ("a.tar.zst", Compressor::Zstd(ZSTD_LEVEL)),
            ("a.tar", Compressor::Plain),
            ("-", Compressor::Plain),
            ("gz", Compressor::Plain),
            ("A.TGZ", Compressor::Gzip(GZIP_LEVEL)),
            ("a.xz.tar", Compressor::Plain),
        ] {
            assert_eq!(Compressor::by_suffix(Path::new(path)).unwrap(), compressor, "{path}");
        }
        for path in ["a.tar.xz", "a.txz", "a.tar.bz2", "a.TBZ2", "a.tar.lz4", "a.tar.Z"] {
            let error = Compressor::by_suffix(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{path}");
        }
    }
}
