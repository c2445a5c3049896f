//! What the mistakes need to know of manifests.

use transship_core::{Descriptor, Document, ImageDestination, Manifest, Platform, Result};

/// The root with its layers in the order of the config's diff IDs, where they are plain.
pub async fn by_the_config(of: &dyn ImageDestination, root: &Manifest) -> Result<Option<Manifest>> {
    let Document::Image(image) = root.document() else { return Ok(None) };
    let Some(config) = of.contents().unwrap().read(&image.config).await? else { return Ok(None) };
    let config = config.bytes(transship_core::CONFIG_LIMIT).await?;
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let diff_ids: Vec<&str> = config["rootfs"]["diff_ids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str())
        .collect();
    let at = |layer: &Descriptor| diff_ids.iter().position(|id| *id == layer.digest.as_ref());
    let mut layers = image.layers.clone();
    layers.sort_by_key(at);
    if layers == image.layers {
        return Ok(None);
    }
    let mut fields: serde_json::Value = serde_json::from_slice(root.bytes()).unwrap();
    fields["layers"] = serde_json::to_value(layers).unwrap();
    Manifest::new(fields.to_string()).map(Some)
}

/// The manifest of an index that is for a platform.
pub async fn preferred(
    of: &dyn ImageDestination,
    root: &Manifest,
    platform: &Platform,
) -> Result<Option<Manifest>> {
    let fits = |child: &Descriptor| child.platform.as_ref() == Some(platform);
    let Some(child) = children(root).into_iter().find(fits) else { return Ok(None) };
    let Some(body) = of.contents().unwrap().read(&child).await? else { return Ok(None) };
    Manifest::verified(&child, body.bytes(transship_core::CONFIG_LIMIT).await?).map(Some)
}

/// The config and the layers, or the manifests.
pub fn children(root: &Manifest) -> Vec<Descriptor> {
    root.document().parts().cloned().collect()
}
