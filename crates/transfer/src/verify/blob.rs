//! One blob, read whole: its digest and size, and the diff ID of a layer.

use std::io::{self, Cursor, Read};
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

/// The same digest and size, asked the same question.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DigestKey {
    digest: Digest,
    len: u64,
    plain: Option<DigestAlgorithm>,
}

impl DigestKey {
    pub(super) fn of(used: &Use) -> Self {
        let plain = used.diff_id.as_ref().map(|digest| digest.algorithm().clone());
        Self { digest: used.blob.digest.clone(), len: used.blob.size, plain }
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
    let mut start = Vec::with_capacity(SNIFF_LEN);
    let sniffed = (&mut chunks).take(SNIFF_LEN as u64).read_to_end(&mut start);
    sniffed.map_err(|e| Error::io("reading", "layer", e))?;
    let input = Cursor::new(&start).chain(&mut chunks);
    let read = match sniff(&start) {
        Compression::Plain => hash(input, &mut hasher),
        Compression::Gzip => hash(GzipDecoder::new(input), &mut hasher),
        Compression::Zstd => ZstdDecoder::new(input).and_then(|input| hash(input, &mut hasher)),
        _ => Err(io::Error::other("its compression is none that layers have")),
    };
    let malformed = match read.map_err(Error::unwrap_io) {
        Ok(()) => None,
        // The bytes themselves could not be read, or are not what they have to be.
        Err(Ok(error)) => return Err(error),
        Err(Err(error)) => Some(error),
    };
    // A wrong digest explains why a layer does not decompress, so it is reported first.
    let Stored { size, .. } = chunks.finish()?;
    match malformed {
        None => Ok(BlobTruth { size, diff_id: Some(hasher.finish()) }),
        Some(error) => {
            Err(Error::new(ErrorKind::Corrupt, "it does not decompress").caused_by(error))
        }
    }
}

fn hash(mut input: impl Read, hasher: &mut Hasher) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
