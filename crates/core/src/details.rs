//! [`EntryDetails`]: what is known of an image without reading its layers.

use std::collections::HashSet;

use oci_spec::image::Digest;

use crate::{
    CONFIG_LIMIT, Descriptor, Document, Error, ErrorKind, ImageConfig, ImageDocument, ImageSource,
    Manifest, Platform, Result,
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
    /// default. Layers that manifests share count once. A delta that lacks its root says what its descriptor says.
    ///
    /// # Errors
    /// Those of the source, but for what is absent; `LimitExceeded` for indexes nested more than 16 deep.
    pub async fn read(source: &dyn ImageSource) -> Result<Self> {
        let mut details = Self::default();
        let is_lacking =
            |root: &&Descriptor| source.needs().is_some_and(|needs| needs.contains(&root.digest));
        if let Some(root) = source.root_descriptor().filter(is_lacking) {
            details.root = Some(root.clone());
            details.platforms.extend(root.platform.clone());
            return Ok(details);
        }
        let root = source.root().await?;
        details.root = Some(root.descriptor().clone());
        if let Document::Image(image) = root.document() {
            details.image_id = Some(image.config.digest.clone());
        }
        let mut walk = Walk::new(source, details);
        walk.manifest(&root, 0).await?;
        while let Some((child, depth)) = walk.waiting.pop() {
            walk.child(child, depth).await?;
        }
        Ok(walk.details)
    }
}

/// The manifests of an image, visited one after the other.
struct Walk<'a> {
    source: &'a dyn ImageSource,
    details: EntryDetails,
    /// What is to be visited, the next one last.
    waiting: Vec<(Descriptor, usize)>,
    manifests: HashSet<Digest>,
    layers: HashSet<Digest>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a dyn ImageSource, details: EntryDetails) -> Self {
        let (waiting, manifests, layers) = (Vec::new(), HashSet::new(), HashSet::new());
        Self { source, details, waiting, manifests, layers }
    }

    async fn child(&mut self, child: Descriptor, depth: usize) -> Result<()> {
        let absent = if child.may_be_manifest() {
            match self.source.manifest(&child).await {
                Ok(manifest) => return self.manifest(&manifest, depth).await,
                Err(e) if e.kind() == ErrorKind::NotFound => child,
                Err(e) => return Err(e),
            }
        } else {
            child
        };
        self.details.platforms.extend(absent.platform);
        Ok(())
    }

    async fn manifest(&mut self, manifest: &Manifest, depth: usize) -> Result<()> {
        let index = match manifest.document() {
            Document::Image(image) => return self.image(manifest.descriptor(), image).await,
            Document::Index(_) if depth == DEPTH => return Err(too_deep()),
            Document::Index(index) => index,
        };
        let images = index.manifests.iter().filter(|child| !child.is_attestation());
        let new = images.filter(|child| self.manifests.insert(child.digest.clone()));
        let new: Vec<_> = new.map(|child| (child.clone(), depth + 1)).collect();
        self.waiting.extend(new.into_iter().rev());
        Ok(())
    }

    async fn image(&mut self, of: &Descriptor, image: &ImageDocument) -> Result<()> {
        let platform = match &of.platform {
            None if image.is_runnable() => self.platform_of(&image.config).await?,
            said => said.clone(),
        };
        let details = &mut self.details;
        details.platforms.extend(platform.filter(|platform| !platform.is_unknown()));
        let new = image.layers.iter().filter(|layer| self.layers.insert(layer.digest.clone()));
        // What a manifest says may be any number.
        details.size = new.map(|layer| layer.size).fold(details.size, u64::saturating_add);
        Ok(())
    }

    /// What a config says. One that is absent, too large or no config says nothing; a copy says what is wrong.
    async fn platform_of(&self, config: &Descriptor) -> Result<Option<Platform>> {
        let config = match self.source.blob(config).await {
            Ok(body) => body.bytes(CONFIG_LIMIT).await,
            Err(e) => Err(e),
        };
        match config {
            Ok(config) => Ok(ImageConfig::parse(&config).ok().and_then(|config| config.platform)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::LimitExceeded) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

fn too_deep() -> Error {
    let message = format!("its indexes are nested more than {DEPTH} deep");
    Error::new(ErrorKind::LimitExceeded, message)
}
