//! Manifests that lose their tags stay, and are found by their digests until they are deleted by these.

use bytes::Bytes;
use transship_core::{
    Commit, Descriptor, Digest, Expect, ImageDestination, ImageName, Manifest, Result,
};

use super::{Pushing, names};
use crate::image::Image;
use crate::names::FullName;
use crate::protocol::Wanted;
use crate::view::View;

impl<B> Pushing<'_, B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    /// Gives the images that lose these names a name for their digest, but for an image that comes again or has another name in the
    /// repository.
    pub(super) async fn keep(
        &self,
        view: &View,
        repository: &FullName,
        going: &[ImageName],
        comes: Option<&Digest>,
    ) -> Result<()> {
        let own = view.all_images().filter(|(at, _)| self.writable.has(view, *at));
        for (_, image) in own.filter(|(_, image)| loses_all(image, repository, going)) {
            match self.keep_image(view, image, comes).await {
                // What is damaged cannot be pulled by its digest, either.
                Err(error) if error.kind().is_of_content() => {
                    self.writable.how.observer.warn(format!("{}: {error}", image.reference));
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn keep_image(&self, view: &View, image: &Image, comes: Option<&Digest>) -> Result<()> {
        let opened = image.opened().await?;
        let digest = &opened.root.digest;
        if comes == Some(digest) {
            return Ok(());
        }
        let wanted = Wanted::Digest(digest.clone());
        let place = &self.writable.reference;
        let Ok(name) = names::name(view, place, (self.path, self.host), &wanted) else {
            return Ok(());
        };
        let root = opened.source.root().await?;
        let how = self.writable.how.clone().with_names(vec![name]);
        let destination = self.writable.transport.destination(place, &how).await?;
        let absent = absent(&*destination, &root).await?;
        destination.commit(Commit::new(&root).without(&absent)).await.map(drop)
    }
}

/// Whether an image has names in a repository, and all of them go.
fn loses_all(image: &Image, repository: &FullName, going: &[ImageName]) -> bool {
    let own = image.served.iter().filter(|one| one.repository == *repository);
    let mut names = own.filter_map(|one| one.name.as_ref()).peekable();
    names.peek().is_some() && names.all(|name| going.contains(name))
}

/// The children of an index that the place does not have.
async fn absent(destination: &dyn ImageDestination, root: &Manifest) -> Result<Vec<Descriptor>> {
    let mut absent = Vec::new();
    for part in root.document().parts().filter(|_| root.document().is_index()) {
        if destination.has(&Expect::from(part)).await?.is_none() {
            absent.push(part.clone());
        }
    }
    Ok(absent)
}
