//! Layers that change form: a body that decodes, checks, and encodes another as it is read.

use std::io::{self, Read};
use std::num::NonZeroUsize;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use transship_core::{
    Body, Cancel, Digest, Error, ErrorKind, Expect, LayerForm, Result, cancelled,
};

use super::schedule::EncoderPermit;
use crate::Compress;
use crate::codec::{
    Ahead, Compression, DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL, GzipEncoder, Sniffed, ZstdEncoder,
};

/// How many bytes are ready of a blob that waits for its turn.
const ROOM_AHEAD: usize = 8 << 20;

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

    /// What the reader of the new body checks: of a plain one it hashes the very bytes.
    fn expect(&self) -> Expect {
        match (&self.diff_id, self.to) {
            (Some(diff_id), LayerForm::Plain) => Expect::digest(diff_id.clone()),
            _ => Expect::anything(),
        }
    }
}

/// The body in another form, which passes once.
///
/// What `body` is compressed with is seen from its first bytes. Its own digest and the diff ID are checked.
/// The permit's processors are free when `body` has been read, its memory when the result has.
pub(crate) fn changed(body: Body, change: Change, permit: EncoderPermit) -> Result<Body> {
    let expect = change.expect();
    let EncoderPermit { processors, memory } = permit;
    let changed = Body::from_lazy_reader(move |cancel| {
        let reader = open(body, &change, processors, cancel)?;
        // Encoders have threads of their own.
        let reader = match change.to {
            LayerForm::Plain => Box::new(Ahead::start("transship-ahead", reader).map_err(codec)?),
            _ => reader,
        };
        Ok(Holding(Some((reader, memory))))
    });
    changed.expecting(&expect)
}

/// As [`changed`], and begins at once, on a thread that is [`ROOM_AHEAD`] ahead of the reader at most.
pub(crate) fn begun(body: Body, change: Change, permit: EncoderPermit) -> Result<Body> {
    let expect = change.expect();
    let EncoderPermit { processors, memory } = permit;
    let (stop, runtime) = (StopOnDrop(Cancel::new()), Handle::current());
    let cancel = stop.0.clone();
    let reader = Late::Closed(move || {
        let _runtime = runtime.enter();
        open(body, &change, processors, &cancel).map_err(Error::into_io)
    });
    let reader = Ahead::start_with_room("transship-next", ROOM_AHEAD, reader).map_err(codec)?;
    Body::from_reader(Holding(Some((reader, (memory, stop))))).expecting(&expect)
}

/// A reader that is opened by its first read.
enum Late<F> {
    Closed(F),
    Open(Box<dyn Read + Send>),
    Failed,
}

impl<F: FnOnce() -> io::Result<Box<dyn Read + Send>>> Read for Late<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Self::Open(reader) = self {
            return reader.read(buf);
        }
        match std::mem::replace(self, Self::Failed) {
            Self::Closed(open) => {
                *self = Self::Open(open()?);
                self.read(buf)
            }
            _ => Err(Error::into_io(cancelled())),
        }
    }
}

/// Stops what reads ahead.
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A reader that is dropped at its end, and what is held until then.
struct Holding<R, P>(Option<(R, P)>);

impl<R: Read, P> Read for Holding<R, P> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some((reader, _)) = &mut self.0 else { return Ok(0) };
        let read = reader.read(buf)?;
        if read == 0 && !buf.is_empty() {
            self.0 = None;
        }
        Ok(read)
    }
}

fn open(
    body: Body,
    change: &Change,
    processors: Option<OwnedSemaphorePermit>,
    cancel: &Cancel,
) -> Result<Box<dyn Read + Send>> {
    let expected = body.expected().digest.clone();
    let body = Holding(Some((body.chunks(cancel)?, processors)));
    let source = Sniffed::new(body);
    let source = source.map_err(|e| Error::io("reading", "the first bytes", e))?;
    let left_to_check = left_to_check(source.compression, expected.as_ref(), change);
    if change.is_done(source.compression) {
        return Ok(Box::new(source.whole));
    }
    let plain = source.decoded().map_err(codec)?;
    if change.to == LayerForm::Plain {
        return Ok(plain);
    }
    let plain: Box<dyn Read + Send> = match left_to_check {
        Some(diff_id) => Box::new(
            Body::from_reader(plain).expecting(&Expect::digest(diff_id.clone()))?.chunks(cancel)?,
        ),
        None => plain,
    };
    encode(plain, change)
}

/// The diff ID, unless the reader of the body hashes these very bytes and checks it.
fn left_to_check<'a>(
    compression: Compression,
    expected: Option<&Digest>,
    change: &'a Change,
) -> Option<&'a Digest> {
    let diff_id = change.diff_id.as_ref();
    diff_id.filter(|diff_id| compression != Compression::Plain || expected != Some(diff_id))
}

fn encode(plain: Box<dyn Read + Send>, change: &Change) -> Result<Box<dyn Read + Send>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;
    use transship_core::sha256;

    fn gzipping(diff_id: Option<Digest>) -> Change {
        let (to, compress) = (LayerForm::Gzip, Compress::default());
        Change { to, compress, diff_id, threads: NonZeroUsize::MIN }
    }

    async fn permit() -> EncoderPermit {
        let one = || Arc::new(Semaphore::new(1)).acquire_owned();
        EncoderPermit { processors: one().await.ok(), memory: one().await.ok() }
    }

    #[tokio::test]
    async fn processors_are_free_before_memory() {
        for to in [LayerForm::Gzip, LayerForm::Zstd] {
            let permit = permit().await;
            let [processors, memory] = [&permit.processors, &permit.memory]
                .map(|permit| Arc::clone(permit.as_ref().unwrap().semaphore()));
            let layer: Vec<u8> =
                (0..3_u32 << 18).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
            let change = Change { to, ..gzipping(None) };
            let body = changed(Body::from_bytes(layer), change, permit).unwrap();
            transship_core::run_blocking(move |cancel| {
                let mut chunks = body.chunks(cancel)?;
                assert!(chunks.next()?.is_some());
                assert_eq!(memory.available_permits(), 0);
                while processors.available_permits() == 0 {
                    assert!(chunks.next()?.is_some(), "held to the end");
                }
                assert_eq!(memory.available_permits(), 0);
                chunks.finish()?;
                assert_eq!(memory.available_permits(), 1);
                Ok(())
            })
            .await
            .unwrap();
        }
    }

    #[test]
    fn each_byte_is_hashed_once() {
        let (one, other) = (sha256(b"one"), sha256(b"other"));
        let change = gzipping(Some(one.clone()));
        let left = |compression, expected| left_to_check(compression, expected, &change);
        assert_eq!(left(Compression::Plain, Some(&one)), None);
        assert_eq!(left(Compression::Plain, Some(&other)), Some(&one));
        assert_eq!(left(Compression::Plain, None), Some(&one));
        // The digest of a compressed layer is not that of the plain one, even if it claims to be.
        assert_eq!(left(Compression::Gzip, Some(&one)), Some(&one));
        assert_eq!(left_to_check(Compression::Plain, Some(&one), &gzipping(None)), None);
    }

    #[tokio::test]
    async fn a_plain_layer_is_still_checked() {
        let layer = vec![7; 3 << 20];
        for (expected, diff_id, fine) in [
            (sha256(&layer), sha256(&layer), true),
            (sha256(b"other"), sha256(b"other"), false),
            (sha256(&layer), sha256(b"other"), false),
        ] {
            let body =
                Body::from_bytes(layer.clone()).expecting(&Expect::digest(expected)).unwrap();
            let body = changed(body, gzipping(Some(diff_id)), permit().await).unwrap();
            let kind = body.bytes(1 << 20).await.err().map(|error| error.kind());
            assert_eq!(kind, (!fine).then_some(ErrorKind::Corrupt));
        }
    }
}
