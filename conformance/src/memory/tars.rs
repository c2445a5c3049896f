//! Whether layers are tars, for a [`Memory`](super::Memory) that takes no others.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use memchr::memmem;
use transship_core::{Document, Error, ErrorKind, Manifest, Result};

use super::archive::Parts;

/// Checks the layers of images, as far as they are there. This crate has no decoder of zstd, but
/// the first block of what the kit compresses is as it was.
pub(super) fn check<'m>(parts: &Parts, roots: impl Iterator<Item = &'m Manifest>) -> Result<()> {
    for root in roots {
        let Document::Image(image) = root.document() else { continue };
        for layer in &image.layers {
            let Some(bytes) = parts.blobs.get(&layer.digest) else { continue };
            let media_type = layer.media_type.to_string();
            let is_tar = match media_type.rsplit(['+', '.']).next() {
                Some("gzip") => {
                    let mut plain = Vec::new();
                    let read = MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain);
                    read.is_ok() && is_tar(&plain)
                }
                Some("zstd") => memmem::find(bytes, b"ustar").is_some(),
                _ => is_tar(bytes),
            };
            if !is_tar {
                let message = format!("the layer {} is no tar", layer.digest);
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
    }
    Ok(())
}

/// Blocks, a header at the start, and two of zeros at the end.
fn is_tar(bytes: &[u8]) -> bool {
    let ends = bytes.len().checked_sub(1024).and_then(|at| bytes.get(at..));
    bytes.len().is_multiple_of(512)
        && bytes.get(257..262) == Some(b"ustar".as_slice())
        && ends.is_some_and(|end| end.iter().all(|byte| *byte == 0))
}
