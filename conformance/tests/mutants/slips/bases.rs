//! Images without names that others are built on, with a slip.

use futures_util::FutureExt;
use transship_core::{
    DeleteOptions, Digest, Document, Manifest, ReadOptions, Reference, Result, Transport,
};

use super::Slip;
use super::transport::Slipping;

impl Slipping {
    /// Those of a place that another of its images is built on.
    pub async fn bases(&self, at: &Reference) -> Result<Vec<Reference>> {
        let images = self.images(at).await?;
        let all: Vec<_> = images.iter().map(|(_, layers)| layers.clone()).collect();
        Ok(on_which(images, &all))
    }

    /// Those that an image is built on.
    async fn bases_of(&self, at: &Reference, root: &Manifest) -> Result<Vec<Reference>> {
        Ok(on_which(self.images(at).await?, &[layers(root)]))
    }

    /// References of the images without names, with their layers; and the layers of the others without a reference.
    async fn images(&self, at: &Reference) -> Result<Vec<(Option<Reference>, Vec<Digest>)>> {
        let place = self.place(at);
        let reader = self.archives_of_memory().read(&place, &ReadOptions::default()).await?;
        let mut images = Vec::new();
        for entry in reader.entries() {
            let root = reader.open(entry).await?.root().await?;
            let reference = entry.names.is_empty().then(|| entry.reference.clone());
            images.push((reference, layers(&root)));
        }
        Ok(images)
    }

    pub async fn delete_all(&self, references: &[Reference]) -> Result<()> {
        for at in references.iter().rev() {
            self.memory.deletion().unwrap().delete(at, &DeleteOptions::default()).await?;
        }
        Ok(())
    }

    /// Deletes the bases of a place.
    pub async fn delete_bases(&self, at: &Reference) -> Result<()> {
        let bases = self.bases(at).await?;
        self.delete_all(&bases).await
    }

    /// Takes the bases of an image with it, unless it is committed.
    pub async fn give_up_with_bases(&self, at: &Reference, root: &Manifest) -> Result<GivenUp> {
        let bases = match self.slip {
            Slip::GivingUpTakesBases => self.bases_of(at, root).await.unwrap_or_default(),
            _ => return Ok(GivenUp { of: self.clone(), bases: Vec::new() }),
        };
        let given_up = GivenUp { of: self.clone(), bases };
        tokio::task::yield_now().await;
        Ok(given_up)
    }
}

/// A commit that has not ended.
#[derive(Debug)]
pub struct GivenUp {
    of: Slipping,
    bases: Vec<Reference>,
}

impl GivenUp {
    pub fn commit(mut self) {
        self.bases.clear();
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        drop(self.of.delete_all(&self.bases).now_or_never());
    }
}

fn layers(root: &Manifest) -> Vec<Digest> {
    match root.document() {
        Document::Image(image) => image.layers.iter().map(|layer| layer.digest.clone()).collect(),
        _ => Vec::new(),
    }
}

fn on_which(images: Vec<(Option<Reference>, Vec<Digest>)>, all: &[Vec<Digest>]) -> Vec<Reference> {
    let is_base = |layers: &Vec<Digest>| {
        all.iter().any(|of| of.len() == layers.len() + 1 && of.starts_with(layers))
    };
    images.into_iter().filter(|(_, layers)| is_base(layers)).filter_map(|(at, _)| at).collect()
}
