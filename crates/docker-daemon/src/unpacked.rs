//! Layers of zstd for an engine that cannot read them: they are sent as the tars that they are of.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_archive::{Compression, RATIO_FREE, RATIO_LIMIT, decoder};
use transship_core::{Body, Error, ErrorKind, FileRange, Hint, Result, Stored, run_blocking};
use transship_local::{spool_file, write_all_at};

/// How many bytes are unpacked at a time.
const CHUNK: usize = 1 << 20;

/// What a layer is, and the size and bytes of its tar. That waits in a file: in what is sent, its size stands before it.
pub(crate) async fn unpacked(layer: Body, folder: PathBuf) -> Result<(Stored, u64, Body)> {
    run_blocking(move |cancel| {
        let size = layer.size().or(layer.expected().size).unwrap_or_default();
        let most = size.saturating_mul(RATIO_LIMIT).max(RATIO_FREE);
        let file = spool_file(&folder)?;
        let mut packed = layer.chunks(cancel)?;
        let size = unpack(&mut packed, most, &file, &folder)?;
        let stored = packed.finish()?;
        let range = FileRange::new(Arc::new(file), folder.as_path(), 0, size);
        Ok((stored, size, Body::from_file(range)))
    })
    .await
}

/// Gives the number of bytes.
fn unpack(packed: impl Read + Send, most: u64, to: &File, folder: &Path) -> Result<u64> {
    let mut plain = decoder(Compression::Zstd, packed).map_err(malformed)?;
    let (mut buffer, mut size) = (vec![0; CHUNK], 0);
    loop {
        let n = match plain.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(malformed(error)),
        };
        if size + n as u64 > most {
            let message = format!("its zstd stream grows to more than {most} bytes");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        write_all_at(to, &buffer[..n], size).map_err(|error| {
            let error = Error::io("writing the temporary file for a layer in", folder, error);
            // In place of the hint of a full disk, which is that of the temporary folder.
            error.with_hint(Hint::ChangeSpoolFolder)
        })?;
        size += n as u64;
    }
}

/// What the layer's own body says comes through; the rest is what the decoder found.
fn malformed(error: io::Error) -> Error {
    Error::unwrap_io(error).unwrap_or_else(|error| {
        Error::new(ErrorKind::Corrupt, "its zstd stream is malformed or was cut off")
            .caused_by(error)
    })
}
