//! Layers of zstd for an engine that cannot read them: they are sent decompressed.

use std::path::PathBuf;
use std::sync::Arc;

use transship_archive::{Compression, decompress};
use transship_core::{Body, ErrorKind, FileRange, Result, Stored, run_blocking};
use transship_local::spool_file;

/// What to do about layers that such an engine cannot get.
pub(crate) const RECOMPRESS: &str = "recompress its layers with gzip, or use docker 25 or later";

/// What a layer is, and its decompressed size and bytes. These wait in a file, because a tar states sizes before bytes.
pub(crate) async fn unpacked(layer: Body, folder: PathBuf) -> Result<(Stored, u64, Body)> {
    run_blocking(move |cancel| {
        let file = spool_file(&folder)?;
        let mut packed = layer.chunks(cancel)?;
        let size = decompress(Compression::Zstd, &mut packed, &folder, &file, cancel);
        let size = size.map_err(|error| match error.kind() {
            ErrorKind::LimitExceeded => error.with_hint(RECOMPRESS),
            _ => error,
        })?;
        let stored = packed.finish()?;
        let range = FileRange::new(Arc::new(file), folder.as_path(), 0, size);
        Ok((stored, size, Body::from_file(range)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_decompressed_says_why() {
        let folder = tempfile::tempdir().unwrap();
        // A frame with a window of 256 MiB, and one that ends in its header.
        let large = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x90, 0x01, 0x00, 0x00].as_slice();
        for (bytes, kind) in [(large, ErrorKind::LimitExceeded), (&large[..5], ErrorKind::Corrupt)]
        {
            let error = unpacked(Body::from(bytes.to_vec()), folder.path().to_owned()).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let advice = error.advice().map(ToString::to_string);
            let is_advised = advice.as_deref() == Some(RECOMPRESS);
            assert_eq!(is_advised, kind == ErrorKind::LimitExceeded, "{error}");
        }
    }
}
