//! One blob, read whole: its digest and size, and the diff ID of a layer.

use std::io::{self, Read};
use std::path::PathBuf;

use transship_core::{
    Body, Cancel, Digest, DigestAlgorithm, Error, ErrorKind, FileRange, Hasher, Result, Stored,
    run_blocking,
};

use super::walk::Use;
use crate::codec::Sniffed;

/// What was found true of a blob.
#[derive(Clone, Debug)]
pub(super) struct BlobTruth {
    pub(super) size: u64,
    /// For a layer whose diff ID was asked for: the digest of its plain bytes.
    pub(super) diff_id: Option<Digest>,
}

/// The same blob, asked the same question. Of a blob in a file, the digest alone will not do: an archive may keep two files for
/// which it claims one digest.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BlobKey {
    digest: Digest,
    len: u64,
    plain: Option<DigestAlgorithm>,
    file: Option<(PathBuf, u64)>,
}

impl BlobKey {
    pub(super) fn of(used: &Use) -> Self {
        let plain = used.diff_id.as_ref().map(|digest| digest.algorithm().clone());
        Self { digest: used.blob.digest.clone(), len: used.blob.size, plain, file: None }
    }

    pub(super) fn in_file(self, range: &FileRange) -> Self {
        let file = Some((range.path().to_owned(), range.offset()));
        Self { len: range.len(), file, ..self }
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
    let plain = Sniffed::new(&mut chunks).and_then(Sniffed::decoded);
    let read = plain.and_then(|plain| hash(plain, &mut hasher));
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
