//! [`Form`]: how a layer is compressed inside an archive, and its decoder.

use std::io::{self, BufReader, Read};

use transship_core::{Error, ErrorKind, FileRange, MediaType, Result};

/// The largest window of a zstd frame, as a power of two: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// The most memory that an xz decoder may take, in bytes.
const XZ_MEMORY: u64 = 128 << 20;

/// How bytes are compressed, as far as the first ones tell. Names are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Form {
    /// Looks at the first bytes of a range.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn of(range: &FileRange) -> Result<Self> {
        let mut start = [0; 6];
        let len = range.read_at(0, &mut start)?;
        Ok(match &start[..len] {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        })
    }

    /// What OCI calls a layer of this form; `None` where it has no name for it.
    pub(crate) fn media_type(self) -> Option<MediaType> {
        match self {
            Self::Plain => Some(MediaType::ImageLayer),
            Self::Gzip => Some(MediaType::ImageLayerGzip),
            Self::Zstd => Some(MediaType::ImageLayerZstd),
            Self::Bzip2 | Self::Xz => None,
        }
    }

    /// The plain bytes of compressed ones, all members and frames. Its errors are ours: `Corrupt` for what is malformed.
    ///
    /// # Errors
    /// When no decoder can be made.
    pub(crate) fn decoder(
        self,
        compressed: impl Read + Send + 'static,
    ) -> Result<Box<dyn Read + Send>> {
        let input = BufReader::with_capacity(128 << 10, compressed);
        let plain: Box<dyn Read + Send> = match self {
            Self::Plain => Box::new(input),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Self::Zstd => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(input).map_err(no_decoder)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(no_decoder)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)
                    .map_err(|e| no_decoder(e.into()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
        };
        Ok(Box::new(Explained(plain)))
    }
}

fn no_decoder(error: io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "making a decoder").caused_by(error)
}

/// Turns the errors of decoders, which are of many kinds, into `Corrupt`; those of the input stay as they are.
struct Explained(Box<dyn Read + Send>);

impl Read for Explained {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let error = Error::unwrap_io(error).unwrap_or_else(|e| {
                Error::new(ErrorKind::Corrupt, "the compressed data is malformed").caused_by(e)
            });
            error.into_io()
        })
    }
}
