//! [`Layer`]: one layer, as stored or as the tar that it is.

use std::io::{self, Read};

use transship_core::{
    Body, Cancel, Descriptor, Digest, Document, Error, ErrorKind, Expect, Result,
};
use transship_transfer::codec::Sniffed;

use super::Image;

/// A layer of an [`Image`], or a blob of an artifact.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) image: Image,
    pub(super) descriptor: Descriptor,
    pub(super) at: usize,
}

impl Layer {
    /// Its descriptor.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Its bytes as stored, held to its digest.
    ///
    /// # Errors
    /// `NotFound` when it is absent.
    pub async fn stored(&self) -> Result<Body> {
        self.image.read(&self.descriptor).await
    }

    /// The digest of the tar, as the config of the image says it; `None` for artifacts and for configs that say none.
    ///
    /// # Errors
    /// `Corrupt` when the config does not have one for each layer; those of reading the config.
    pub async fn diff_id(&self) -> Result<Option<Digest>> {
        if !self.image.is_runnable() {
            return Ok(None);
        }
        let Some(ids) = self.image.config().await?.parsed.diff_ids else { return Ok(None) };
        let Document::Image(document) = self.image.document() else { return Ok(None) };
        if ids.len() != document.layers.len() {
            let message = format!(
                "its config has {} diff IDs for {} layers",
                ids.len(),
                document.layers.len()
            );
            return Err(Error::new(ErrorKind::Corrupt, message).context(self.image.reference()));
        }
        Ok(ids.into_iter().nth(self.at))
    }

    /// The tar: decompressed while it is read, and held to its diff ID, and to its digest as stored. Where there is no diff
    /// ID, its digest as stored is what it is held to.
    ///
    /// # Errors
    /// `Unsupported` for encrypted layers, and those of [`stored`](Self::stored) and [`diff_id`](Self::diff_id).
    pub async fn tar(&self) -> Result<Body> {
        let media_type = &self.descriptor.media_type;
        if media_type.as_ref().ends_with("+encrypted") {
            let message = format!("layer {} is encrypted ({media_type})", self.descriptor.digest);
            return Err(Error::new(ErrorKind::Unsupported, message).context(self.image.reference()));
        }
        let expect = self.diff_id().await?.map_or_else(Expect::anything, Expect::digest);
        let stored = self.stored().await?;
        Body::from_lazy_reader(|cancel| Plain::open(stored, cancel)).expecting(&expect)
    }
}

/// A layer that is decompressed while it is read. What it is compressed with is seen from its first bytes, whatever its type
/// says.
struct Plain(Box<dyn Read + Send>);

impl Plain {
    fn open(stored: Body, cancel: &Cancel) -> Result<Self> {
        let layer = Sniffed::new(stored.chunks(cancel)?);
        let layer = layer.map_err(|e| Error::io("reading", "layer", e))?;
        layer.decoded().map(Self).map_err(|e| malformed(e).context("layer"))
    }
}

fn malformed(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Corrupt,
    };
    Error::unwrap_io(error)
        .unwrap_or_else(|error| Error::new(kind, "it does not decompress").caused_by(error))
}

impl Read for Plain {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                Err(malformed(error).into_io())
            }
            read => read,
        }
    }
}
