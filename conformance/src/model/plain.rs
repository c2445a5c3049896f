//! [`plain`]: the tar that a layer is of, for places that unpack layers and give them back so.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use transship_core::sha256;

use super::Blob;
use super::frame::unframed;
use crate::{Broken, Held};

/// What a layer is when it is not compressed; anything else as it is.
pub(crate) fn plain(blob: &Blob) -> Held<Blob> {
    let media_type = blob.descriptor.media_type.to_string();
    let bytes = match media_type.rsplit(['+', '.']).next() {
        Some("gzip") => {
            let mut bytes = Vec::new();
            MultiGzDecoder::new(&blob.bytes[..]).read_to_end(&mut bytes)?;
            bytes
        }
        Some("zstd") => unframed(&blob.bytes)
            .ok_or_else(|| Broken::new("these are no frames as this kit makes them"))?,
        _ => return Ok(blob.clone()),
    };
    let mut descriptor = blob.descriptor.clone();
    descriptor.digest = sha256(&bytes);
    descriptor.size = bytes.len() as u64;
    Ok(Blob { descriptor, bytes: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Format, Layer};
    use super::*;

    #[test]
    fn every_form_of_a_layer_is_of_its_tar() {
        for form in [Form::Plain, Form::Gzip(1), Form::Gzip(3), Form::Zstd(1), Form::Zstd(3)] {
            for format in [Format::Oci, Format::Docker] {
                for size in [0, 700, 300_000] {
                    let layer = Layer { form, ..Layer::tar(1, size) };
                    let found = layer.build(format).and_then(|blob| plain(&blob));
                    let want = Layer::tar(1, size).build(format);
                    let same = |(found, want): (Blob, Blob)| {
                        found.bytes == want.bytes
                            && found.descriptor.digest == want.descriptor.digest
                            && found.descriptor.size == want.descriptor.size
                    };
                    assert!(found.ok().zip(want.ok()).is_some_and(same), "{layer:?}");
                }
            }
        }
    }
}
