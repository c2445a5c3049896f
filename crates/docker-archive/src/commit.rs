//! [`Checked`]: what a commit shows, held to what an archive can hold and has.

use std::collections::HashMap;

use bytes::Bytes;
use transship_core::{
    Accepts, Available, Cancel, Commit, Descriptor, Digest, Document, Error, ErrorKind,
    ImageDocument, ImageName, LayerForm, LayerType, Manifest, MediaType, Result,
};

use crate::config::Config;
use crate::existing::Existing;
use crate::image::made_manifest;
use crate::writing::{Known, NewImage, Turn, Writing};

/// A root that an archive can hold.
#[derive(Debug)]
pub(crate) struct Checked {
    root: Manifest,
    image: ImageDocument,
}

impl Checked {
    /// Looks at what kind of thing it is.
    pub(crate) fn new(what: Commit<'_>, accepts: &Accepts) -> Result<Self> {
        what.check_whole()?;
        let root = what.root.descriptor();
        let unsupported = |message| Err(Error::new(ErrorKind::Unsupported, message));
        if !accepts.takes(&root.media_type) {
            return unsupported(format!("an archive cannot hold a {}", root.media_type));
        }
        let Document::Image(image) = what.root.document() else {
            return unsupported("an archive cannot hold an index".to_owned());
        };
        if !image.is_runnable() {
            let message = format!(
                "an archive holds images only, and the config of this is {}",
                image.config.media_type
            );
            return unsupported(message);
        }
        let mut blobs = std::iter::once(&image.config).chain(&image.layers);
        if let Some(absent) = blobs.find(|blob| what.is_absent(&blob.digest)) {
            let message =
                format!("an archive holds whole images, and {} is left out", absent.digest);
            return unsupported(message);
        }
        if let Some(layer) = image.layers.iter().find(|layer| !is_plain(&layer.media_type)) {
            // The type would not be there when it is read back.
            return unsupported(format!(
                "layers are plain tars here, and {} is {}",
                layer.digest, layer.media_type
            ));
        }
        Ok(Self { root: what.root.clone(), image: image.clone() })
    }

    /// Its image ID.
    pub(crate) fn id(&self) -> &Digest {
        &self.image.config.digest
    }

    /// Records the image, once everything that it needs was found true. Gives its position, and the manifest that
    /// readers will see.
    pub(crate) fn record(
        &self,
        writing: &Writing,
        configs: &HashMap<Digest, Bytes>,
        names: &[ImageName],
        turn: &Turn,
        cancel: &Cancel,
    ) -> Result<(usize, Descriptor)> {
        let described = &self.image.config;
        let recorded = writing.known().image(&described.digest).cloned();
        if let Some(image) = recorded {
            let layers = self.layers(writing, image.config_size, &image.layers)?;
            let manifest = made_manifest(&described.digest, image.config_size, &layers)?;
            let at = writing.add_names(&described.digest, names);
            return Ok((at, manifest.descriptor().clone()));
        }
        if let Some(existing) = &writing.existing
            && let Some(at) = existing.position(&described.digest)
        {
            let diff_ids = existing.configs[at].as_ref().map(|config| &*config.diff_ids);
            let diff_ids = diff_ids.unwrap_or_default();
            self.check_diff_ids(diff_ids)?;
            let descriptor = self.again(writing, existing, (at, names), turn, cancel)?;
            let at = writing.add_names(&described.digest, names);
            return Ok((at, descriptor));
        }
        let bytes = match configs.get(&described.digest) {
            Some(bytes) => bytes.clone(),
            None => writing.read_back(&described.digest, turn)?,
        };
        let config = Config::parse(&bytes)?;
        let layers = self.layers(writing, config.size, &config.diff_ids)?;
        let manifest = made_manifest(&config.id, config.size, &layers)?;
        let image = NewImage { id: config.id, config: bytes, layers: config.diff_ids };
        let at = writing.record(image, &manifest, names, turn, cancel)?;
        Ok((at, manifest.descriptor().clone()))
    }

    /// The manifest of an image that the archive has already. What of it was damaged or missing has been put now; where the layout in
    /// the same tar has no manifest of it that can be read, it gets one.
    fn again(
        &self,
        writing: &Writing,
        existing: &Existing,
        (at, names): (usize, &[ImageName]),
        turn: &Turn,
        cancel: &Cancel,
    ) -> Result<Descriptor> {
        let diff_ids = existing.configs[at].as_ref().map(|config| &*config.diff_ids);
        let diff_ids = diff_ids.unwrap_or_default();
        for diff_id in diff_ids {
            writing.layer(diff_id, cancel)?;
        }
        existing.check_listed(at, diff_ids, &|id| writing.known().layer(id).cloned(), cancel)?;
        let (stored, index) = (&existing.contents.stored, existing.base.index());
        if let Some(complete) = stored.find(index, self.id()) {
            return Ok(complete);
        }
        let put_now = |id: &Digest| writing.known().layer(id).is_some_and(|it| it.offset.is_some());
        if let Some(incomplete) = stored.find_incomplete(index, self.id()) {
            existing.check_stored(&incomplete, &put_now)?;
            return Ok(incomplete);
        }
        existing.check_names(at, names)?;
        let made = if diff_ids.iter().any(put_now) {
            let size = existing.configs[at].as_ref().map(|config| config.size);
            let size = size.unwrap_or(self.image.config.size);
            let layers = self.layers(writing, size, diff_ids)?;
            made_manifest(self.id(), size, &layers)?
        } else {
            existing.contents.image(at, cancel)?.manifest
        };
        writing.add_manifest(self.id(), &made, turn)?;
        Ok(made.descriptor().clone())
    }

    /// The layers as they will be served, once all of the image is there.
    fn layers(
        &self,
        writing: &Writing,
        config_size: u64,
        diff_ids: &[Digest],
    ) -> Result<Vec<Descriptor>> {
        self.check_diff_ids(diff_ids)?;
        let known = &*writing.known();
        let here = Here { config: &self.image.config.digest, config_size, known };
        Commit::new(&self.root).check_complete(&[], &here)?;
        let served = |layer: &Descriptor| {
            known.layer(&layer.digest).map(|held| held.served.clone()).ok_or_else(|| {
                let message =
                    format!("layer {} was not put: an archive holds all layers", layer.digest);
                Error::new(ErrorKind::NotFound, message)
            })
        };
        self.image.layers.iter().map(served).collect()
    }

    /// Holds the layers to the diff IDs of the config.
    fn check_diff_ids(&self, diff_ids: &[Digest]) -> Result<()> {
        let layers = &self.image.layers;
        if layers.len() != diff_ids.len() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the manifest has {} layers, and its config has {} diff IDs",
                    layers.len(),
                    diff_ids.len()
                ),
            ));
        }
        let mut pairs = layers.iter().zip(diff_ids).enumerate();
        if let Some((at, (layer, diff_id))) = pairs.find(|(_, (layer, id))| layer.digest != **id) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "layer {at} is {}, and its diff ID in the config is {diff_id}",
                    layer.digest
                ),
            )
            .hint("layers are plain tars here"));
        }
        Ok(())
    }
}

fn is_plain(media_type: &MediaType) -> bool {
    LayerType::of(media_type).is_some_and(|layer| layer.form == LayerForm::Plain)
}

/// What is there of an image.
struct Here<'a> {
    config: &'a Digest,
    config_size: u64,
    known: &'a Known,
}

impl Available for Here<'_> {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        if of.digest == *self.config {
            return Ok(Some(self.config_size));
        }
        Ok(self.known.layer(&of.digest).map(|held| held.stored.size))
    }
}
