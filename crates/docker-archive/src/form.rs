//! How layers are compressed inside an archive.

use std::io::{self, BufReader, Read};

use transship_archive::{Compression, SNIFF_LEN, decoder, sniff, takes_too_much_memory};
use transship_core::{Error, ErrorKind, FileRange, MediaType, Result};

/// The bytes that are handed to a decoder at a time.
const BUFFER: usize = 128 << 10;

/// How a layer is compressed, as far as its first bytes tell. Names are not believed.
pub(crate) fn form_of(range: &FileRange) -> Result<Compression> {
    let mut head = [0; SNIFF_LEN];
    let len = range.read_at(0, &mut head)?;
    Ok(sniff(&head[..len]))
}

/// What OCI calls a layer of a form; `None` where it has no name for it.
pub(crate) fn media_type(form: Compression) -> Option<MediaType> {
    match form {
        Compression::Plain => Some(MediaType::ImageLayer),
        Compression::Gzip => Some(MediaType::ImageLayerGzip),
        Compression::Zstd => Some(MediaType::ImageLayerZstd),
        _ => None,
    }
}

/// The plain bytes of a layer. What is malformed is `Corrupt`; errors of the input come through.
pub(crate) fn plain(
    form: Compression,
    compressed: impl Read + Send + 'static,
) -> Result<impl Read + Send + 'static> {
    let decoder = decoder(form, BufReader::with_capacity(BUFFER, compressed)).map_err(|e| {
        Error::new(ErrorKind::Unexpected, "making a decoder for the layer").caused_by(e)
    })?;
    Ok(Explained(decoder))
}

struct Explained(Box<dyn Read + Send>);

impl Read for Explained {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => explain(error).into_io(),
        })
    }
}

/// Decoders give errors of many kinds.
pub(crate) fn explain(error: io::Error) -> Error {
    Error::unwrap_io(error).unwrap_or_else(|e| {
        if takes_too_much_memory(&e) {
            let message = "decompressing the layer takes more memory than allowed";
            return Error::new(ErrorKind::LimitExceeded, message).caused_by(e);
        }
        Error::new(ErrorKind::Corrupt, "the compressed layer is malformed").caused_by(e)
    })
}
