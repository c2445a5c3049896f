//! [`Layer`]: one layer, as stored or as the tar that it is.

use std::io::{self, Cursor, Read};

use transship_core::{
    Body, Cancel, Chunks, Descriptor, Digest, Document, Error, ErrorKind, Expect, Result, ResultExt,
};
use transship_transfer::codec::{Compression, GzipDecoder, SNIFF_LEN, ZstdDecoder, sniff};

use super::Image;

/// A layer of an [`Image`], or a blob of an artifact.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) image: Image,
    pub(super) descriptor: Descriptor,
    pub(super) at: usize,
}

impl Layer {
    /// Its descriptor.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Its bytes as stored, held to its digest.
    ///
    /// # Errors
    /// `NotFound` when it is absent.
    pub async fn stored(&self) -> Result<Body> {
        self.image.read(&self.descriptor).await
    }

    /// The digest of the tar, as the config of the image says it; `None` for artifacts and for configs that say none.
    ///
    /// # Errors
    /// `Corrupt` when the config does not have one for each layer; those of reading the config.
    pub async fn diff_id(&self) -> Result<Option<Digest>> {
        if !self.image.is_runnable() {
            return Ok(None);
        }
        let Some(ids) = self.image.config().await?.parsed.diff_ids else { return Ok(None) };
        let Document::Image(document) = self.image.document() else { return Ok(None) };
        if ids.len() != document.layers.len() {
            let message = format!(
                "its config has {} diff IDs for {} layers",
                ids.len(),
                document.layers.len()
            );
            return Err(Error::new(ErrorKind::Corrupt, message).context(self.image.reference()));
        }
        Ok(ids.into_iter().nth(self.at))
    }

    /// The tar: decompressed while it is read, and held to its diff ID, and to its digest as stored. Where there is no diff
    /// ID, its digest as stored is what it is held to.
    ///
    /// # Errors
    /// `Unsupported` for encrypted layers, and those of [`stored`](Self::stored) and [`diff_id`](Self::diff_id).
    pub async fn tar(&self) -> Result<Body> {
        let media_type = &self.descriptor.media_type;
        if media_type.as_ref().ends_with("+encrypted") {
            let message = format!("layer {} is encrypted ({media_type})", self.descriptor.digest);
            return Err(Error::new(ErrorKind::Unsupported, message).context(self.image.reference()));
        }
        let expect = self.diff_id().await?.map_or_else(Expect::anything, Expect::digest);
        let stored = self.stored().await?;
        Body::from_lazy_reader(|cancel| Plain::open(stored, cancel)).expecting(&expect)
    }
}

/// A layer that is decompressed while it is read. What it is compressed with is seen from its first bytes, whatever its type
/// says.
enum Plain {
    Stored(Box<Input>),
    Gzip(Box<GzipDecoder<Input>>),
    Zstd(Box<ZstdDecoder<Input>>),
}

type Input = io::Chain<Cursor<Vec<u8>>, Chunks>;

impl Plain {
    fn open(stored: Body, cancel: &Cancel) -> Result<Self> {
        let mut chunks = stored.chunks(cancel)?;
        let mut start = Vec::with_capacity(SNIFF_LEN);
        let sniffed = (&mut chunks).take(SNIFF_LEN as u64).read_to_end(&mut start);
        sniffed.map_err(|e| Error::io("reading", "layer", e))?;
        let compression = sniff(&start);
        let input = Cursor::new(start).chain(chunks);
        match compression {
            Compression::Plain => Ok(Self::Stored(Box::new(input))),
            Compression::Gzip => Ok(Self::Gzip(Box::new(GzipDecoder::new(input)))),
            Compression::Zstd => {
                let decoder = ZstdDecoder::new(input);
                decoder.map(Box::new).map(Self::Zstd).map_err(malformed).context(|| "layer")
            }
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("it is compressed with {other:?}, which layers must not be"),
            )),
        }
    }
}

fn malformed(error: io::Error) -> Error {
    Error::unwrap_io(error).unwrap_or_else(|error| {
        Error::new(ErrorKind::Corrupt, "it does not decompress").caused_by(error)
    })
}

impl Read for Plain {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match self {
            Self::Stored(input) => input.read(out),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd(decoder) => decoder.read(out),
        };
        match read {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(malformed(error).into_io())
            }
            read => read,
        }
    }
}
