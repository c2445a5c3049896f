//! [`EntryDetails`]: what is known of an image without reading its layers.

use std::collections::BTreeSet;

use oci_spec::image::Digest;

use crate::{
    CONFIG_LIMIT, Descriptor, Document, Error, ErrorKind, ImageConfig, ImageDocument, ImageSource,
    Platform, Result,
};

/// Indexes within indexes are followed so deep.
const DEPTH: usize = 16;

/// What is known of an image without reading its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryDetails {
    /// The root, where one is stored; `None` where it would have to be made.
    pub root: Option<Descriptor>,
    /// The digest of the config; `None` for an index.
    pub image_id: Option<Digest>,
    /// What it runs on, one for each image in an index, attestations left out.
    pub platforms: Vec<Platform>,
    /// The size of its layers as stored, in bytes, of all its platforms that are present.
    pub size: u64,
}

impl EntryDetails {
    /// Reads manifests and configs of an image, as [`ArchiveReader::details`](crate::ArchiveReader::details) does by
    /// default. Layers that manifests share count once.
    ///
    /// # Errors
    /// Those of the source, but for what is absent of an index; `LimitExceeded` for indexes nested more than 16 deep.
    pub async fn read(source: &dyn ImageSource) -> Result<Self> {
        let root = source.root().await?;
        let mut details = Self { root: Some(root.descriptor().clone()), ..Self::default() };
        let document = root.document()?;
        if let Document::Image(image) = &document {
            details.image_id = Some(image.config.digest.clone());
        }
        let (mut manifests, mut layers) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = vec![(root.descriptor().clone(), Some(document), 0)];
        while let Some((of, document, depth)) = waiting.pop() {
            // What is absent has its turn, too: platforms are in the order of the index.
            let Some(document) = document else {
                details.platforms.extend(of.platform);
                continue;
            };
            match document {
                Document::Image(image) => details.add(source, &of, &image, &mut layers).await?,
                Document::Index(_) if depth == DEPTH => return Err(too_deep()),
                Document::Index(index) => {
                    let images = index.manifests.into_iter().filter(|m| !m.is_attestation());
                    let mut below = Vec::new();
                    for child in images.filter(|child| manifests.insert(child.digest.to_string())) {
                        match source.manifest(&child).await {
                            Ok(manifest) => {
                                below.push((child, Some(manifest.document()?), depth + 1));
                            }
                            Err(e) if e.kind() == ErrorKind::NotFound => {
                                below.push((child, None, depth + 1));
                            }
                            Err(e) => return Err(e),
                        }
                    }
                    // The last is taken first.
                    waiting.extend(below.into_iter().rev());
                }
            }
        }
        Ok(details)
    }

    async fn add(
        &mut self,
        source: &dyn ImageSource,
        of: &Descriptor,
        image: &ImageDocument,
        layers: &mut BTreeSet<String>,
    ) -> Result<()> {
        let platform = match &of.platform {
            None if image.is_runnable() => {
                let config = source.blob(&image.config).await?.bytes(CONFIG_LIMIT).await?;
                // What is no config has no platform; copying it says what is wrong.
                ImageConfig::parse(&config).ok().and_then(|config| config.platform)
            }
            said => said.clone(),
        };
        self.platforms.extend(platform.filter(|platform| !platform.is_unknown()));
        let new = image.layers.iter().filter(|layer| layers.insert(layer.digest.to_string()));
        // What a manifest says may be any number.
        self.size = new.map(|layer| layer.size).fold(self.size, u64::saturating_add);
        Ok(())
    }
}

fn too_deep() -> Error {
    let message = format!("its indexes are nested more than {DEPTH} deep");
    Error::new(ErrorKind::LimitExceeded, message)
}
