//! [`Image`]: the manifest and the blobs of one image.

use std::collections::HashMap;

use serde_json::json;
use transship_archive::layout::blob_path;
use transship_core::{
    Body, Cancel, Descriptor, Digest, Document, Error, ErrorKind, Escaped, Expect, FileRange,
    ImageDocument, LayerType, Manifest, MediaType, Result, ResultExt,
};

use crate::config::Config;
use crate::contents::Contents;
use crate::layer::Layer;
use crate::stored;

/// The manifest and the blobs of one image.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    config: FileRange,
    config_digest: Digest,
    layers: HashMap<Digest, Layer>,
}

impl Contents {
    /// Reads an image's config and looks at its layers; those that are compressed inside are read as a whole, once.
    pub(crate) fn image(&self, at: usize, cancel: &Cancel) -> Result<Image> {
        let (config, range) = self.config(at)?;
        config
            .check_layer_count(self.images[at].layer_names().len())
            .context(|| format!("image @{at}"))?;
        if let Some(descriptor) = self.stored.find(&self.index, &config.id)
            && let Some(image) = self.stored_image(&descriptor, &config, &range, cancel)?
        {
            return Ok(image);
        }
        self.made_image(at, &config, range, cancel)
    }

    /// The image as the layout in the tar describes it, unless that has another number of layers than the config, or layers
    /// of a type for which the config's diff IDs say nothing: each layer is held to its diff ID, as in other readers.
    fn stored_image(
        &self,
        descriptor: &Descriptor,
        config: &Config,
        range: &FileRange,
        cancel: &Cancel,
    ) -> Result<Option<Image>> {
        let manifest = stored::read(&self.index, descriptor)?;
        let Document::Image(ImageDocument { layers: described, .. }) = manifest.document() else {
            return Ok(None);
        };
        let tars = described.iter().all(|layer| LayerType::of(&layer.media_type).is_some());
        if described.len() != config.diff_ids.len() || !tars {
            return Ok(None);
        }
        let mut layers = HashMap::new();
        for (descriptor, diff_id) in described.iter().zip(&config.diff_ids) {
            let Some(range) = stored::blob_range(&self.index, descriptor) else { return Ok(None) };
            let known = self.index.known(&blob_path(&descriptor.digest));
            let layer = Layer::described(descriptor, range, known, diff_id, cancel)?;
            add(&mut layers, layer, cancel)?;
        }
        Ok(Some(Image {
            manifest,
            config: range.clone(),
            config_digest: config.id.clone(),
            layers,
        }))
    }

    fn made_image(
        &self,
        at: usize,
        config: &Config,
        range: FileRange,
        cancel: &Cancel,
    ) -> Result<Image> {
        let mut layers = HashMap::new();
        let mut described = Vec::with_capacity(config.diff_ids.len());
        for (name, diff_id) in self.images[at].layer_names().iter().zip(&config.diff_ids) {
            let what = || format!("image @{at}: layer \"{}\"", Escaped(name));
            let file = self.file(name).context(what)?;
            let known = self.index.known(name);
            let layer =
                Layer::look_at(file, known, diff_id, &self.computed, cancel).context(what)?;
            described.push(layer.descriptor.clone());
            add(&mut layers, layer, cancel).context(what)?;
        }
        let manifest = made_manifest(&config.id, config.size, &described)?;
        Ok(Image { manifest, config: range, config_digest: config.id.clone(), layers })
    }
}

impl Image {
    /// A config or layer.
    pub(crate) fn blob(&self, of: &Descriptor) -> Result<Body> {
        let body = if of.digest == self.config_digest {
            Body::from_file(self.config.clone())
        } else if let Some(layer) = self.layers.get(&of.digest) {
            layer.body().context(|| format!("layer {}", of.digest))?
        } else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("the image has no blob {}", of.digest),
            ));
        };
        body.expecting(&Expect::from(of))
    }
}

/// The manifest of an image for which none is stored. The same for the same config and layers, in each release.
pub(crate) fn made_manifest(
    config: &Digest,
    config_size: u64,
    layers: &[Descriptor],
) -> Result<Manifest> {
    let document = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest.to_string(),
        "config": {
            "mediaType": MediaType::ImageConfig.to_string(),
            "digest": config.as_ref(),
            "size": config_size,
        },
        "layers": layers.iter().map(|layer| json!({
            "mediaType": layer.media_type.to_string(),
            "digest": layer.digest.as_ref(),
            "size": layer.size,
        })).collect::<Vec<_>>(),
    });
    Manifest::new(document.to_string())
}

/// Two files that claim to be one layer have to be the same: readers differ in which one they take.
fn add(layers: &mut HashMap<Digest, Layer>, layer: Layer, cancel: &Cancel) -> Result<()> {
    let digest = layer.descriptor.digest.clone();
    let Some(other) = layers.get(&digest) else {
        layers.insert(digest, layer);
        return Ok(());
    };
    if other.how != layer.how {
        let message = format!("layer {digest} is listed under two diff IDs");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    if layer.range.same_bytes(&other.range, cancel)? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "two files, at offsets {} and {}, claim to be layer {digest} and differ",
            other.range.offset(),
            layer.range.offset()
        ),
    ))
}
