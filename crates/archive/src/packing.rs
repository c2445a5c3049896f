//! [`Packing`]: the compression around an archive that is written.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use transship_core::{Cancel, Error, ErrorKind, FileRange, Result};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// How many bytes become one member or frame.
const PART: u64 = 4 << 20;

/// How many parts are compressed at once. Each takes about 10 MiB of memory.
const THREADS: usize = 4;

/// The compression around an archive that is written: gzip members or zstd frames of 4 MiB each, which several threads
/// make. The bytes depend on the archive and the level, not on the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packing {
    /// None: a plain tar.
    Plain,
    /// gzip (RFC 1952), of a level from 1 to 9.
    Gzip(u32),
    /// zstd (RFC 8878), of a level from 1 to 19.
    Zstd(i32),
}

impl Packing {
    /// `none`, `gzip[:LEVEL]` or `zstd[:LEVEL]`.
    ///
    /// # Errors
    /// `InvalidReference` for other text.
    pub fn parse(text: &str) -> Result<Self> {
        let (form, level) = match text.split_once(':') {
            Some((form, level)) => (form, Some(level)),
            None => (text, None),
        };
        let parsed = match (form, level.map(str::parse::<u8>)) {
            ("none", None) => Some(Self::Plain),
            ("gzip", None) => Some(Self::Gzip(GZIP_LEVEL)),
            ("zstd", None) => Some(Self::Zstd(ZSTD_LEVEL)),
            ("gzip", Some(Ok(level @ 1..=9))) => Some(Self::Gzip(level.into())),
            ("zstd", Some(Ok(level @ 1..=19))) => Some(Self::Zstd(level.into())),
            _ => None,
        };
        parsed.ok_or_else(|| {
            let message = format!(
                "{text:?} is no compression of an archive: none, gzip[:1-9] or zstd[:1-19]"
            );
            Error::new(ErrorKind::InvalidReference, message)
        })
    }

    /// What the end of a file's name says: `.gz` and `.tgz`, `.zst` and `.tzst`; else plain.
    pub fn by_suffix(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("gz" | "tgz") => Self::Gzip(GZIP_LEVEL),
            Some("zst" | "tzst") => Self::Zstd(ZSTD_LEVEL),
            _ => Self::Plain,
        }
    }

    /// Refuses to join an archive that would have to be compressed.
    ///
    /// # Errors
    /// `Unsupported` for one that is compressed by wish, or by its suffix when it is not there.
    pub fn check_joining(this: Option<Self>, path: &Path) -> Result<()> {
        let packing = match this {
            Some(packing) => packing,
            None if path.exists() => Self::Plain,
            None => Self::by_suffix(path),
        };
        if packing == Self::Plain {
            return Ok(());
        }
        let message = format!("{}: a compressed archive cannot be joined", path.display());
        Err(Error::new(ErrorKind::Unsupported, message)
            .hint("write it at once, or compress it when it is complete"))
    }

    /// Compresses all of a file, and gives what comes of it in order.
    pub(crate) fn pack(
        self,
        from: &FileRange,
        cancel: &Cancel,
        put: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS);
        let mut at = 0;
        while at < from.len() {
            cancel.check()?;
            let begins = (at..from.len()).step_by(usize::try_from(PART).unwrap_or(usize::MAX));
            let parts: Vec<_> = begins.take(threads).map(|at| part(from, at)).collect();
            let packed = thread::scope(|scope| {
                let running: Vec<_> =
                    parts.iter().map(|part| scope.spawn(|| self.part(part))).collect();
                let done = running.into_iter().map(|one| one.join().unwrap_or_else(|_| lost()));
                done.collect::<Result<Vec<_>>>()
            })?;
            packed.iter().try_for_each(|bytes| put(bytes))?;
            at += parts.iter().map(FileRange::len).sum::<u64>();
        }
        Ok(())
    }

    fn part(self, part: &FileRange) -> Result<Vec<u8>> {
        let mut plain = vec![0; usize::try_from(part.len()).unwrap_or(0)];
        let mut read = 0;
        while read < plain.len() {
            match part.read_at(read as u64, &mut plain[read..])? {
                0 => return lost(),
                n => read += n,
            }
        }
        self.compressed(plain).map_err(|e| Error::io("compressing", part.path(), e))
    }

    fn compressed(self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(plain),
            Self::Gzip(level) => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(&plain)?;
                encoder.finish()
            }
            Self::Zstd(level) => {
                let mut encoder = Compressor::new(level)?;
                encoder.set_parameter(CParameter::ChecksumFlag(true))?;
                encoder.compress(&plain)
            }
        }
    }
}

fn part(from: &FileRange, at: u64) -> FileRange {
    from.part(at, PART.min(from.len() - at))
}

fn lost<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unexpected, "a part of the archive was not compressed"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::Outer;

    #[test]
    fn what_is_packed_is_unpacked() {
        let plain: Vec<u8> = (0..10_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let from = FileRange::in_memory(plain.clone(), Path::new("a.tar"));
        for (text, outer) in
            [("none", Outer::Plain), ("gzip:1", Outer::Gzip), ("zstd", Outer::Zstd)]
        {
            let mut packed = Vec::new();
            let mut put = |bytes: &[u8]| {
                packed.extend_from_slice(bytes);
                Ok(())
            };
            Packing::parse(text).unwrap().pack(&from, &Cancel::new(), &mut put).unwrap();
            assert_eq!(Outer::of(&packed), outer);
            assert_eq!(packed.len() < plain.len(), outer != Outer::Plain);
            let mut back = Vec::new();
            outer.decoder(&*packed).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == plain, "{text}");
        }
    }

    #[test]
    fn a_cancel_stops_it() {
        let from = FileRange::in_memory(vec![1; 10], Path::new("a.tar"));
        let cancel = Cancel::new();
        cancel.cancel();
        let error = Packing::Gzip(1).pack(&from, &cancel, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn text_and_suffixes() {
        for bad in ["", "gzip:0", "gzip:10", "gzip:", "zstd:20", "zstd:-1", "none:1", "xz"] {
            assert_eq!(Packing::parse(bad).unwrap_err().kind(), ErrorKind::InvalidReference);
        }
        for (path, packing) in [
            ("a.tar.gz", Packing::Gzip(GZIP_LEVEL)),
            ("a.tgz", Packing::Gzip(GZIP_LEVEL)),
            ("a.tar.zst", Packing::Zstd(ZSTD_LEVEL)),
            ("a.tar", Packing::Plain),
            ("-", Packing::Plain),
            ("gz", Packing::Plain),
        ] {
            assert_eq!(Packing::by_suffix(Path::new(path)), packing, "{path}");
        }
    }
}
