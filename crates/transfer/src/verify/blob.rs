//! One blob, read whole: its digest and size, and the diff ID of a layer.

use std::io::{Cursor, Read};
use std::path::PathBuf;

use transship_core::{
    Body, Cancel, Digest, DigestAlgorithm, Error, ErrorKind, Hasher, Result, Stored, run_blocking,
};

use super::walk::Use;
use crate::codec::{Compression, GzipDecoder, SNIFF_LEN, ZstdDecoder, sniff};

/// What was found true of a blob.
#[derive(Clone, Debug)]
pub(super) struct BlobTruth {
    /// Its size in bytes.
    pub(super) size: u64,
    /// For a layer whose diff ID was asked for: the digest of its plain bytes.
    pub(super) diff_id: Option<Digest>,
}

/// The same bytes in the same place, asked the same question. A digest alone will not do: an archive may keep two files
/// for which it claims one digest.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BlobKey {
    digest: Digest,
    path: PathBuf,
    offset: u64,
    len: u64,
    plain: Option<DigestAlgorithm>,
}

impl BlobKey {
    pub(super) fn of(body: &Body, used: &Use) -> Option<Self> {
        body.file_range().map(|range| Self {
            digest: used.blob.digest.clone(),
            path: range.path().to_owned(),
            offset: range.offset(),
            len: range.len(),
            plain: used.diff_id.as_ref().map(|digest| digest.algorithm().clone()),
        })
    }
}

/// Reads all of a body, which holds itself to its digest and size. `diff_id` asks for the digest of the plain bytes.
pub(super) async fn read(body: Body, diff_id: Option<&Digest>) -> Result<BlobTruth> {
    let plain = diff_id.map(|digest| Hasher::new(digest.algorithm())).transpose()?;
    run_blocking(move |cancel| match plain {
        None => body
            .chunks(cancel)?
            .finish()
            .map(|Stored { size, .. }| BlobTruth { size, diff_id: None }),
        Some(hasher) => layer(body, hasher, cancel),
    })
    .await
}

fn layer(body: Body, mut hasher: Hasher, cancel: &Cancel) -> Result<BlobTruth> {
    let mut chunks = body.chunks(cancel)?;
    let start = start(&mut chunks)?;
    let mut diff_id = None;
    let input = Cursor::new(start.clone()).chain(&mut chunks);
    let read = match sniff(&start) {
        Compression::Plain => hash(input, &mut hasher),
        Compression::Gzip => hash(GzipDecoder::new(input), &mut hasher),
        Compression::Zstd => ZstdDecoder::new(input)
            .map_err(|e| Error::new(ErrorKind::Unexpected, "starting zstd").caused_by(e))
            .and_then(|input| hash(input, &mut hasher)),
        _ => Err(Error::new(ErrorKind::Unsupported, "its compression is no layer's")
            .hint("layers are plain, gzip or zstd")),
    };
    if read.is_ok() {
        diff_id = Some(hasher.finish());
    }
    // A wrong digest explains a broken stream, so it is told first.
    let stored = match read.as_ref().map_err(Error::kind) {
        Err(ErrorKind::Cancelled) => None,
        _ => Some(chunks.finish()?),
    };
    read?;
    let size = stored.map_or(0, |stored| stored.size);
    Ok(BlobTruth { size, diff_id })
}

fn start(chunks: &mut impl Read) -> Result<Vec<u8>> {
    let mut start = Vec::with_capacity(SNIFF_LEN);
    chunks.take(SNIFF_LEN as u64).read_to_end(&mut start).map_err(broken)?;
    Ok(start)
}

fn hash(mut input: impl Read, hasher: &mut Hasher) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(broken(e)),
        }
    }
}

fn broken(error: std::io::Error) -> Error {
    Error::unwrap_io(error)
        .unwrap_or_else(|e| Error::new(ErrorKind::Corrupt, "it does not decompress").caused_by(e))
}
