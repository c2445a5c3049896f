//! Whether all that a root refers to is there.

use std::collections::{HashMap, HashSet};

use transship_core::{Descriptor, Digest, Document, Error, ErrorKind, Manifest, Result};

/// What has been put.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Blobs and their sizes.
    pub blobs: HashMap<Digest, u64>,
    /// Manifests below the root, and referrers.
    pub manifests: HashMap<Digest, Manifest>,
}

impl Held {
    /// Refuses a root of which something is missing that is not knowingly left out.
    pub(crate) fn check(&self, root: &Manifest, absent: &[Descriptor]) -> Result<()> {
        let absent: HashSet<_> = absent.iter().map(|absent| &absent.digest).collect();
        let (mut waiting, mut seen) = (vec![root.document()], HashSet::new());
        while let Some(document) = waiting.pop() {
            let (children, blobs) = match document {
                Document::Index(index) => (index.manifests.as_slice(), Vec::new()),
                Document::Image(image) => {
                    (&[][..], std::iter::once(&image.config).chain(&image.layers).collect())
                }
                _ => return Err(Error::new(ErrorKind::Unsupported, "it is no known manifest")),
            };
            for child in children.iter().filter(|child| seen.insert(&child.digest)) {
                match self.manifests.get(&child.digest) {
                    Some(manifest) => waiting.push(manifest.document()),
                    None => self.check_blob(child, "manifest", &absent)?,
                }
            }
            for blob in blobs {
                self.check_blob(blob, "blob", &absent)?;
            }
        }
        Ok(())
    }

    fn check_blob(&self, blob: &Descriptor, kind: &str, absent: &HashSet<&Digest>) -> Result<()> {
        match self.blobs.get(&blob.digest) {
            Some(size) if *size == blob.size => Ok(()),
            Some(size) => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{kind} {} has {size} bytes, {} expected", blob.digest, blob.size),
            )),
            None if absent.contains(&blob.digest) => Ok(()),
            None if blob.is_nondistributable() => Ok(()),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("the image refers to {kind} {}, which was not put", blob.digest),
            )),
        }
    }
}
