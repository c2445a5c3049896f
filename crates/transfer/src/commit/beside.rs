//! Signatures and others that stand under tags beside an image. What is there already stays.

use futures_util::stream::{self, TryStreamExt};
use transship_core::{
    Body, Descriptor, Document, Expect, ImageDestination, Manifest, PutBeside, Result,
};
use transship_trust::{Attachment, is_list_tag};

/// How many blobs are looked for at once.
const AT_ONCE: usize = 8;

/// Brings what has a tag at the source. To a list of signatures it is added; anything else it replaces. Gives what has the tag then.
pub(super) async fn bring(
    place: &dyn ImageDestination,
    able: &dyn PutBeside,
    tag: &str,
    brought: &Manifest,
) -> Result<Manifest> {
    if !is_list_tag(tag) || !matches!(brought.document(), Document::Image(_)) {
        able.put_beside(tag, brought).await?;
        return Ok(brought.clone());
    }
    let mut all = vec![brought.clone()];
    all.extend(able.beside(tag).await?);
    let attachment = Attachment::of_all(&all)?;
    put(place, able, tag, &attachment).await?;
    Ok(attachment.manifest)
}

/// Puts a list of signatures with all its blobs: those that are made, and those of the lists that it was made of.
pub(super) async fn put(
    place: &dyn ImageDestination,
    able: &dyn PutBeside,
    tag: &str,
    attachment: &Attachment,
) -> Result<()> {
    put_blobs(place, attachment).await?;
    let blobs: Vec<&Descriptor> = match attachment.manifest.document() {
        Document::Image(image) => image.layers.iter().chain([&image.config]).collect(),
        _ => Vec::new(),
    };
    stream::iter(blobs.into_iter().map(Ok))
        .try_for_each_concurrent(AT_ONCE, |blob| fetch(place, able, blob))
        .await?;
    place.put_manifest(&attachment.manifest).await?;
    able.put_beside(tag, &attachment.manifest).await
}

/// Puts the blobs that were made for a manifest.
pub(super) async fn put_blobs(place: &dyn ImageDestination, attachment: &Attachment) -> Result<()> {
    for (media_type, bytes) in &attachment.blobs {
        let (size, digest) = (bytes.len() as u64, transship_core::sha256(bytes));
        let expect = Expect::from(&Descriptor::new(media_type.clone(), digest, size));
        if place.has(&expect).await?.is_none() {
            place.put_blob(expect, Body::from_bytes(bytes.clone())).await?;
        }
    }
    Ok(())
}

/// A blob that may be in another of the repositories that the image goes to.
async fn fetch(place: &dyn ImageDestination, able: &dyn PutBeside, of: &Descriptor) -> Result<()> {
    let expect = Expect::from(of);
    if place.has(&expect).await?.is_none() {
        let body = able.blob_beside(of).await?;
        place.put_blob(expect, body).await?;
    }
    Ok(())
}
