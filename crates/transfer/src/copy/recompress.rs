//! Layers that change form: a body that decodes, checks, and encodes another as it is read.

use std::io::{self, Read};
use std::num::NonZeroUsize;

use transship_core::{Body, Cancel, Digest, Error, ErrorKind, Expect, LayerForm, Result};

use crate::Compress;
use crate::codec::{
    Compression, DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL, GzipDecoder, GzipEncoder, SNIFF_LEN,
    ZstdDecoder, ZstdEncoder, sniff,
};
use crate::copy::ahead::Ahead;

/// What a layer is to become.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) to: LayerForm,
    /// Where the levels stand.
    pub(crate) compress: Compress,
    /// What the plain tar has to be.
    pub(crate) diff_id: Option<Digest>,
    /// How many threads an encoder may use.
    pub(crate) threads: NonZeroUsize,
}

impl Change {
    /// Whether bytes have the form that they are to get, whatever their type says.
    fn is_done(&self, compression: Compression) -> bool {
        match (compression, self.to) {
            (Compression::Gzip, LayerForm::Gzip) => {
                !matches!(self.compress, Compress::Gzip(Some(_)))
            }
            (Compression::Zstd, LayerForm::Zstd) => {
                !matches!(self.compress, Compress::Zstd(Some(_)))
            }
            _ => false,
        }
    }
}

/// Stops the reading of the source when it is dropped, also when that waits for bytes.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The body in another form. It passes once, and only while the [`CancelOnDrop`] lives.
///
/// What `body` is compressed with is seen from its first bytes. Its own digest and the diff ID are checked.
pub(crate) fn changed(body: Body, change: Change) -> Result<(Body, CancelOnDrop)> {
    let cancel = Cancel::new();
    let expect = match (&change.diff_id, change.to) {
        // The reader of the body hashes these very bytes.
        (Some(diff_id), LayerForm::Plain) => Expect::digest(diff_id.clone()),
        _ => Expect::anything(),
    };
    let reader = Lazy::Waiting(Box::new((body, change, cancel.clone())));
    Ok((Body::from_reader(reader).expecting(&expect)?, CancelOnDrop(cancel)))
}

/// Opens the body at the first read, on the blocking thread where it is read.
enum Lazy {
    Waiting(Box<(Body, Change, Cancel)>),
    Running(Box<dyn Read + Send>),
    Failed,
}

impl Read for Lazy {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Self::Running(reader) = self {
            return reader.read(out);
        }
        let Self::Waiting(waiting) = std::mem::replace(self, Self::Failed) else {
            return Err(io::Error::other("read again after an error"));
        };
        let (body, change, cancel) = *waiting;
        let mut reader = open(body, &change, &cancel).map_err(Error::into_io)?;
        let n = reader.read(out)?;
        *self = Self::Running(reader);
        Ok(n)
    }
}

fn open(body: Body, change: &Change, cancel: &Cancel) -> Result<Box<dyn Read + Send>> {
    let mut source = body.chunks(cancel)?;
    let start = read_start(&mut source)?;
    let compression = sniff(&start);
    let whole = io::Cursor::new(start).chain(source);
    if change.is_done(compression) {
        return Ok(Box::new(whole));
    }
    let plain: Box<dyn Read + Send> = match compression {
        Compression::Plain => Box::new(whole),
        Compression::Gzip => Box::new(GzipDecoder::new(whole)),
        Compression::Zstd => Box::new(ZstdDecoder::new(whole).map_err(codec)?),
        other => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("it is compressed with {other:?}, which layers must not be"),
            ));
        }
    };
    encode(plain, change, cancel)
}

fn encode(
    plain: Box<dyn Read + Send>,
    change: &Change,
    cancel: &Cancel,
) -> Result<Box<dyn Read + Send>> {
    if change.to == LayerForm::Plain {
        return Ok(Box::new(Ahead::start(plain)?));
    }
    let plain: Box<dyn Read + Send> = match &change.diff_id {
        Some(diff_id) => Box::new(
            Body::from_reader(plain).expecting(&Expect::digest(diff_id.clone()))?.chunks(cancel)?,
        ),
        None => plain,
    };
    if change.to == LayerForm::Zstd {
        let level = match change.compress {
            Compress::Zstd(Some(level)) => level,
            _ => DEFAULT_ZSTD_LEVEL,
        };
        return Ok(Box::new(ZstdEncoder::new(plain, level, change.threads).map_err(codec)?));
    }
    let level = match change.compress {
        Compress::Gzip(Some(level)) => level,
        _ => DEFAULT_GZIP_LEVEL,
    };
    Ok(Box::new(GzipEncoder::new(plain, level, change.threads).map_err(codec)?))
}

fn codec(error: io::Error) -> Error {
    Error::unwrap_io(error).unwrap_or_else(|error| {
        Error::new(ErrorKind::Unsupported, "compressing is not possible so").caused_by(error)
    })
}

fn read_start(source: &mut impl Read) -> Result<Vec<u8>> {
    let mut start = Vec::with_capacity(SNIFF_LEN);
    source
        .take(SNIFF_LEN as u64)
        .read_to_end(&mut start)
        .map_err(|e| Error::io("reading", "the first bytes", e))?;
    Ok(start)
}
