//! Recognizing a compression by its first bytes.

use std::fmt;
use std::io::{self, Chain, Cursor, Read};

use crate::{GzipDecoder, ZstdDecoder};

/// How a stream is compressed, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// None of the others: not compressed, or in a way that is not known here.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878), also when it starts with a skippable frame.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// How many bytes from the start of a stream [`sniff`] looks at.
pub const SNIFF_LEN: usize = 6;

/// Tells the compression of a stream from its first bytes.
///
/// `start` should hold [`SNIFF_LEN`] bytes, or the whole stream where it is shorter. What is too
/// short for the magic number of a format is not of that format.
pub fn sniff(start: &[u8]) -> Compression {
    match start {
        // RFC 1952 2.3.1: ID1, ID2, and CM, which has one defined value.
        [0x1f, 0x8b, 0x08, ..] => Compression::Gzip,
        // RFC 8878 3.1.1 and 3.1.2: a frame, or a skippable frame.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
        _ => Compression::Plain,
    }
}

/// A reader whose first bytes were looked at.
#[derive(Debug)]
pub struct Sniffed<R> {
    /// What it is compressed with.
    pub compression: Compression,
    /// All of its bytes, the first ones too.
    pub whole: Chain<Cursor<Vec<u8>>, R>,
}

impl<R: Read> Sniffed<R> {
    /// Looks at the first bytes of a reader.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut start = Vec::with_capacity(SNIFF_LEN);
        (&mut reader).take(SNIFF_LEN as u64).read_to_end(&mut start)?;
        Ok(Self { compression: sniff(&start), whole: Cursor::new(start).chain(reader) })
    }

    /// Its bytes, decompressed where they are gzip or zstd.
    ///
    /// # Errors
    /// `Unsupported` for other compressions, which layers do not have.
    pub fn decoded<'r>(self) -> io::Result<Box<dyn Read + Send + 'r>>
    where
        R: Send + 'r,
    {
        Ok(match self.compression {
            Compression::Plain => Box::new(self.whole),
            Compression::Gzip => Box::new(GzipDecoder::new(self.whole)),
            Compression::Zstd => Box::new(ZstdDecoder::new(self.whole)?),
            other => {
                let message = format!("it is compressed with {other}, which layers must not be");
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_each_magic_number() {
        let cases: [(&[u8], Compression); 10] = [
            (b"", Compression::Plain),
            (b"\x1f", Compression::Plain),
            (b"\x1f\x8b", Compression::Plain),
            (b"\x1f\x8b\x08\x00\x00\x00", Compression::Gzip),
            (b"\x28\xb5\x2f\xfd\x00\x00", Compression::Zstd),
            (b"\x5a\x2a\x4d\x18\x00\x00", Compression::Zstd),
            (b"BZh91A", Compression::Bzip2),
            (b"BZh01A", Compression::Plain),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"etc/hosts", Compression::Plain),
        ];
        for (start, expected) in cases {
            assert_eq!(sniff(start), expected, "{start:?}");
        }
    }

    #[test]
    fn no_proper_prefix_of_a_magic_number_counts() {
        for magic in [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0"] {
            assert!(magic.len() <= SNIFF_LEN);
            assert_ne!(sniff(magic), Compression::Plain);
            for len in 0..magic.len() {
                assert_eq!(sniff(&magic[..len]), Compression::Plain);
            }
        }
    }
}
