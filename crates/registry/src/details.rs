//! What is known of an image without reading its layers.

use std::collections::BTreeSet;

use serde::Deserialize;
use transship_core::{
    CONFIG_LIMIT, Descriptor, Document, EntryDetails, Error, ErrorKind, ImageSource, Manifest,
    MediaType, Platform, Result, media_types,
};

/// How deep an index may nest.
const DEPTH: usize = 16;

/// Reads the manifests of an image, and the configs of those of which no index says what they run on.
pub(crate) async fn of(source: &dyn ImageSource) -> Result<EntryDetails> {
    let root = source.root().await?;
    let mut details = EntryDetails::default();
    details.root = Some(root.descriptor().clone());
    if let Document::Image(image) = root.document()? {
        details.image_id = Some(image.config.digest);
    }
    let (mut seen, mut layers) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = vec![Node { of: root.descriptor().clone(), manifest: Some(root), depth: 0 }];
    while let Some(node) = waiting.pop() {
        check_depth(node.depth)?;
        let Some(manifest) = manifest(source, &node).await? else {
            details.platforms.extend(node.of.platform);
            continue;
        };
        match manifest.document()? {
            Document::Image(image) => {
                let platform = match node.of.platform {
                    Some(platform) => Some(platform),
                    None => config_platform(source, &image.config).await?,
                };
                details.platforms.extend(platform.filter(|platform| !platform.is_unknown()));
                let new = |layer: &&Descriptor| layers.insert(layer.digest.to_string());
                details.size +=
                    image.layers.iter().filter(new).map(|layer| layer.size).sum::<u64>();
            }
            Document::Index(index) => {
                let below = index.manifests.into_iter().filter(|child| !child.is_attestation());
                let new = below.filter(|child| seen.insert(child.digest.to_string()));
                let depth = node.depth + 1;
                let start = waiting.len();
                waiting.extend(new.map(|of| Node { of, manifest: None, depth }));
                // The one that is put last is taken first.
                waiting[start..].reverse();
            }
            _ => {}
        }
    }
    Ok(details)
}

/// A manifest that is still to be looked at.
struct Node {
    of: Descriptor,
    manifest: Option<Manifest>,
    depth: usize,
}

fn check_depth(depth: usize) -> Result<()> {
    if depth > DEPTH {
        let message = format!("indexes are nested deeper than {DEPTH}");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    Ok(())
}

/// `None` when it is not there, as in a sparse index.
async fn manifest(source: &dyn ImageSource, node: &Node) -> Result<Option<Manifest>> {
    if let Some(manifest) = &node.manifest {
        return Ok(Some(manifest.clone()));
    }
    match source.manifest(&node.of).await {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn config_platform(
    source: &dyn ImageSource,
    config: &Descriptor,
) -> Result<Option<Platform>> {
    let of_image = config.media_type == MediaType::ImageConfig
        || config.media_type.as_ref() == media_types::DOCKER_CONFIG;
    if !of_image || config.size > CONFIG_LIMIT {
        return Ok(None);
    }
    let bytes = match source.blob(config).await {
        Ok(body) => body.bytes(CONFIG_LIMIT).await,
        Err(error) => Err(error),
    };
    match bytes {
        Ok(bytes) => Ok(of_config(&bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_config(bytes: &[u8]) -> Option<Platform> {
    let config: Config = serde_json::from_slice(bytes).ok()?;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut platform = Platform::new(some(config.os)?, some(config.architecture)?);
    platform.variant = some(config.variant);
    platform.os_version = some(config.os_version);
    platform.os_features = config.os_features.unwrap_or_default();
    Some(platform)
}

#[derive(Deserialize)]
struct Config {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    #[serde(rename = "os.features")]
    os_features: Option<Vec<String>>,
}
