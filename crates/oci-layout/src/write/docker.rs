//! The `manifest.json` that lets `docker load` take an `oci-archive:`.

use bytes::Bytes;
use transship_archive::docker_save::{SavedImage, manifest_bytes};
use transship_archive::layout::blob_path;
use transship_core::{
    Descriptor, DockerName, Document, ImageDocument, MANIFEST_LIMIT, Manifest, Observer, Platform,
    Result,
};

use super::NewImage;
use crate::platform::is_image_config;
use crate::select::DEPTH;
use crate::storage::Store;

/// The document for all images that docker can hold, and all of which is here; of an index, the one that was asked for,
/// else one for `linux/amd64`, or else the first for Linux.
///
/// Says to the observer what older dockers cannot load.
pub(crate) fn manifest_json(
    store: &dyn Store,
    images: &[NewImage],
    observer: &Observer,
) -> Result<Bytes> {
    let mut saved = Vec::new();
    let mut with_zstd = false;
    for image in images {
        let candidates = Candidates::below(store, &image.entry)?;
        if let Some(document) = candidates.best(image.platform.as_ref()) {
            with_zstd |= document.layers.iter().any(|l| l.media_type.as_ref().ends_with("zstd"));
            let layers = document.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
            saved.push(
                SavedImage::new(blob_path(&document.config.digest), layers).named(tags(image)),
            );
        }
    }
    if with_zstd {
        observer.warn("docker before 23 cannot load this archive: it has layers of zstd");
    }
    Ok(manifest_bytes(&saved))
}

/// The names that docker takes: those with a tag.
fn tags(image: &NewImage) -> Vec<String> {
    let docker = image.names.iter().filter_map(|name| name.name.docker());
    let tagged = docker.filter(|name| name.tag().is_some() && name.digest().is_none());
    tagged.map(|name: DockerName| name.to_string()).collect()
}

/// The images for Linux below an entry, or the entry itself.
struct Candidates(Vec<(Option<Platform>, ImageDocument)>);

impl Candidates {
    fn below(store: &dyn Store, entry: &Descriptor) -> Result<Self> {
        let mut all = Self(Vec::new());
        all.collect(store, entry, 0)?;
        Ok(all)
    }

    fn collect(&mut self, store: &dyn Store, of: &Descriptor, depth: usize) -> Result<()> {
        if of.is_attestation() || depth > DEPTH {
            return Ok(());
        }
        match read(store, of)? {
            Some(Document::Image(image))
                if is_image_config(&image.config.media_type) && is_whole(store, &image)? =>
            {
                self.0.push((of.platform.clone(), image));
            }
            Some(Document::Index(index)) => {
                for child in &index.manifests {
                    self.collect(store, child, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn best(&self, asked: Option<&Platform>) -> Option<&ImageDocument> {
        let [(_, only)] = &self.0[..] else {
            let amd64 = Platform::new("linux", "amd64");
            let is = |platform: &Option<Platform>, test: &dyn Fn(&Platform) -> bool| {
                platform.as_ref().is_some_and(|p| test(&p.clone().normalized()))
            };
            let first = |test: &dyn Fn(&Platform) -> bool| {
                self.0.iter().find(|(platform, _)| is(platform, test)).map(|(_, image)| image)
            };
            return self
                .fitting(asked)
                .or_else(|| first(&|p| amd64.fit(p) == Some(0)))
                .or_else(|| first(&|p| p.os == "linux"));
        };
        Some(only)
    }

    fn fitting(&self, asked: Option<&Platform>) -> Option<&ImageDocument> {
        let asked = asked?;
        let all = self.0.iter().filter_map(|(has, image)| Some((asked.fit(has.as_ref()?)?, image)));
        all.min_by_key(|(fit, _)| *fit).map(|(_, image)| image)
    }
}

/// Whether docker finds all that it needs: layers that are not to be distributed may have been left out.
fn is_whole(store: &dyn Store, image: &ImageDocument) -> Result<bool> {
    for blob in image.layers.iter().chain([&image.config]) {
        if store.read(&blob.digest)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A manifest that is there; what is absent is none.
fn read(store: &dyn Store, of: &Descriptor) -> Result<Option<Document>> {
    let Some(range) = store.read(&of.digest)?.filter(|range| range.len() <= MANIFEST_LIMIT) else {
        return Ok(None);
    };
    let mut bytes = vec![0; usize::try_from(range.len()).unwrap_or(0)];
    range.read_at(0, &mut bytes)?;
    // Content of other types is nothing that docker takes.
    Ok(Manifest::verified(of, bytes).and_then(|manifest| manifest.document()).ok())
}
