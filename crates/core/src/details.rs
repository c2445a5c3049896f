//! [`EntryDetails`]: what is known of an image without reading its layers.

use std::collections::HashSet;

use async_trait::async_trait;

use crate::{
    CONFIG_LIMIT, Descriptor, Digest, Document, Error, ErrorKind, ImageConfig, ImageDocument,
    ImageSource, IndexDocument, Listed, OncePer, Platform, Result, Visit, Visitor, walk_from,
};

/// What is known of an image without reading its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryDetails {
    /// The root, where one is stored; `None` where it would have to be made.
    pub root: Option<Descriptor>,
    /// The digest of the config; `None` for an index, and where [details are costly](crate::ArchiveReader::details_are_costly) and
    /// the image would have to be read for it.
    pub image_id: Option<Digest>,
    /// What it runs on, one for each image in an index, attestations left out. An engine may leave out variants, as podman
    /// does.
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
        Self::read_with(source, &ConfigPlatforms::default()).await
    }

    /// As [`read`](Self::read), for one of several images that may share configs.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_with(source: &dyn ImageSource, platforms: &ConfigPlatforms) -> Result<Self> {
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
        let parts = walk_from(source, &root, &Reader { source, platforms }).await?;
        let (mut manifests, mut layers) = (HashSet::new(), HashSet::new());
        for part in parts.into_iter().filter(|part| manifests.insert(part.digest.clone())) {
            details.platforms.extend(part.platform);
            let new = part.layers.iter().filter(|layer| layers.insert(layer.digest.clone()));
            // What a manifest says may be any number.
            details.size = new.map(|layer| layer.size).fold(details.size, u64::saturating_add);
        }
        Ok(details)
    }
}

/// What one manifest adds.
struct Part {
    digest: Digest,
    platform: Option<Platform>,
    layers: Vec<Descriptor>,
}

struct Reader<'a> {
    source: &'a dyn ImageSource,
    platforms: &'a ConfigPlatforms,
}

/// What configs say that images run on, by their digests and sizes: a config that many images share is read once.
pub type ConfigPlatforms = OncePer<(Digest, u64), Option<Platform>>;

/// What a config says. One that is absent, too large or no config says nothing; a copy says what is wrong.
async fn platform_of(source: &dyn ImageSource, config: &Descriptor) -> Result<Option<Platform>> {
    let bytes = match source.blob(config).await {
        Ok(body) => body.bytes(CONFIG_LIMIT).await,
        Err(e) => Err(e),
    };
    match bytes {
        Ok(bytes) => Ok(ImageConfig::parse(&bytes).ok().and_then(|config| config.platform)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::LimitExceeded) => Ok(None),
        Err(e) => Err(e),
    }
}

impl Part {
    fn without_layers(of: &Descriptor) -> Self {
        Self { digest: of.digest.clone(), platform: of.platform.clone(), layers: Vec::new() }
    }
}

#[async_trait]
impl Visitor for Reader<'_> {
    type Output = Vec<Part>;

    fn skip(&self, listed: Listed<'_>) -> Option<Vec<Part>> {
        let of = listed.descriptor;
        if of.is_attestation() && !listed.is_first() {
            return Some(Vec::new());
        }
        (!of.may_be_manifest()).then(|| vec![Part::without_layers(of)])
    }

    async fn image(&self, of: Visit<'_>, image: &ImageDocument) -> Result<Vec<Part>> {
        let of = of.listed.descriptor;
        let platform = match &of.platform {
            None if image.is_runnable() => {
                let config = &image.config;
                let key = (config.digest.clone(), config.size);
                self.platforms.get_or_await(key, platform_of(self.source, config)).await?
            }
            said => said.clone(),
        };
        let platform = platform.filter(|platform| !platform.is_unknown());
        Ok(vec![Part { digest: of.digest.clone(), platform, layers: image.layers.clone() }])
    }

    async fn index(
        &self,
        _: Visit<'_>,
        _: &IndexDocument,
        children: Vec<Vec<Part>>,
    ) -> Result<Vec<Part>> {
        Ok(children.into_iter().flatten().collect())
    }

    fn absent(&self, listed: Listed<'_>, _: Error) -> Result<Vec<Part>> {
        Ok(vec![Part::without_layers(listed.descriptor)])
    }
}
