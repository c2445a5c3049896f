//! Manifests and the search for what has a digest.

use hyper::header::HeaderMap;
use transship_core::{Body, Descriptor, Digest, Error, ErrorKind, Manifest, subject_of_tag};

use crate::image::Opened;
use crate::index::{FindReferrers, Index};
use crate::names::FullName;
use crate::protocol::{Refusal, Wanted};
use crate::reply::{self, Answer, Refused};
use crate::view::{Part, View};

/// `GET` and `HEAD` of `manifests/TAG` and `manifests/DIGEST`.
pub(crate) async fn answer(
    view: &View,
    repository: &FullName,
    wanted: &Wanted,
    headers: &HeaderMap,
) -> Answer {
    let digest = match wanted {
        Wanted::Digest(digest) => digest.clone(),
        Wanted::Tag(tag) => tagged(view, repository, tag).await?,
    };
    if let Some(reply) = reply::not_modified(headers, &digest)
        && matches!(wanted, Wanted::Tag(_))
    {
        return Ok(reply);
    }
    let found = find(view, repository, Part::Manifest, &digest).await?;
    let Some(Found::Manifest(manifest)) = found else {
        return Err(unknown(repository, wanted).into());
    };
    if let Some(reply) = reply::not_modified(headers, &digest) {
        return Ok(reply);
    }
    let media_type = manifest.descriptor().media_type.to_string();
    Ok(reply::of_digest(reply::bytes(&media_type, manifest.bytes().clone()), &digest))
}

/// The digest of what a tag names.
async fn tagged(view: &View, repository: &FullName, tag: &str) -> Result<Digest, Refused> {
    let named = view.named(repository).and_then(|named| named.tags.get(tag));
    let Some(at) = newest(view, named.map_or(&[][..], Vec::as_slice)).await else {
        let beside = beside(view, repository, tag).await?;
        return beside.ok_or_else(|| unknown(repository, &Wanted::Tag(tag.to_owned())).into());
    };
    view.index(at).await;
    let opened = view.image(at).opened().await?;
    let digest = opened.root.digest.clone();
    if view.holders(Part::Manifest, &digest).is_none() {
        // A remote tag has moved.
        view.index_root(at, &opened).await?;
    }
    Ok(digest)
}

/// The digest of what stands beside an image of the repository: a place may keep it without the name of the repository.
async fn beside(view: &View, repository: &FullName, tag: &str) -> Result<Option<Digest>, Error> {
    let Some(of) = subject_of_tag(tag) else { return Ok(None) };
    for at in view.own_holders(repository, &of).await {
        let opened = view.image(at).opened().await?;
        let Some(referrers) = opened.source.referrers() else { continue };
        let found = referrers.beside(&of).await?.into_iter().find(|(name, _)| name == tag);
        if let Some((_, root)) = found {
            let index = Index::read(&*opened.source, &root, FindReferrers::No).await?;
            view.note(at, index);
            return Ok(Some(root.digest));
        }
    }
    Ok(None)
}

/// Of images that have one tag in several places, that of a delta, which is newer than its base; else that of the last place.
async fn newest(view: &View, images: &[usize]) -> Option<usize> {
    let (last, others) = images.split_last()?;
    if others.is_empty() {
        return Some(*last);
    }
    for at in images.iter().rev() {
        // What cannot be opened says so when it is chosen.
        if view.image(*at).opened().await.is_ok_and(|opened| opened.source.needs().is_some()) {
            return Some(*at);
        }
    }
    Some(*last)
}

fn unknown(repository: &FullName, wanted: &Wanted) -> Refusal {
    Refusal::unknown("MANIFEST_UNKNOWN", format!("{repository} has no manifest {wanted}"))
}

/// What has a digest.
#[derive(Debug)]
pub(crate) enum Found {
    Manifest(Box<Manifest>),
    Blob(Box<Descriptor>, Box<Body>),
}

/// Looks for a manifest or blob: where it is known to be, then in images that were not indexed, then in all places.
pub(crate) async fn find(
    view: &View,
    repository: &FullName,
    part: Part,
    digest: &Digest,
) -> Result<Option<Found>, Error> {
    let (mut tried, mut failed) = (Vec::new(), None);
    loop {
        if let Some((descriptor, images)) = view.holders(part, digest) {
            let images: Vec<_> = images.into_iter().filter(|at| !tried.contains(at)).collect();
            tried.extend(&images);
            if let Some(found) = read_first(view, &images, part, &descriptor, &mut failed).await {
                return Ok(Some(found));
            }
        }
        if !view.index_more(repository, part, digest, &tried).await {
            break;
        }
    }
    if let Some((descriptor, _)) = view.holders(part, digest) {
        for place in view.other_places(&tried) {
            let read = read(view, &place.images, part, &descriptor).await;
            if let Some(found) = noted(read, &mut failed) {
                return Ok(Some(found));
            }
        }
    }
    if part == Part::Manifest
        && let Some(manifest) = unlisted(view, repository, digest, &mut failed).await
    {
        return Ok(Some(Found::Manifest(Box::new(manifest))));
    }
    failed.map_or(Ok(None), Err)
}

/// The first image that has it.
async fn read_first(
    view: &View,
    images: &[usize],
    part: Part,
    of: &Descriptor,
    failed: &mut Option<Error>,
) -> Option<Found> {
    for at in images {
        let read = read(view, &[*at], part, of).await;
        if let Some(found) = noted(read, failed) {
            return Some(found);
        }
    }
    None
}

/// What was found. An error other than that it is not there is noted.
fn noted(read: Result<Found, Error>, failed: &mut Option<Error>) -> Option<Found> {
    match read {
        Ok(found) => return Some(found),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => *failed = Some(error),
    }
    None
}

/// Reads from a place, by the first of its images that can be opened.
async fn read(view: &View, images: &[usize], part: Part, of: &Descriptor) -> Result<Found, Error> {
    let opened = view.first_opened(images).await?;
    match part {
        Part::Manifest => opened.source.manifest(of).await.map(Box::new).map(Found::Manifest),
        Part::Blob => {
            let body = opened.source.blob(of).await?;
            Ok(Found::Blob(Box::new(of.clone()), Box::new(body)))
        }
    }
}

/// A manifest that no tag of a remote repository leads to.
async fn unlisted(
    view: &View,
    repository: &FullName,
    digest: &Digest,
    failed: &mut Option<Error>,
) -> Option<Manifest> {
    for at in view.one_of_each_place(repository) {
        let place = view.place(at);
        let Some(reference) = place.by_digest(digest.as_ref()).filter(|_| view.image(at).is_remote)
        else {
            continue;
        };
        match place.transport.source(&reference, place.how()).await {
            Ok(source) => match source.root().await {
                Ok(manifest) => {
                    if let Ok(opened) = Opened::new(source).await {
                        // Its blobs are asked for next. If this fails, they are not found.
                        let _ = view.index_root(at, &opened).await;
                    }
                    return Some(manifest);
                }
                Err(error) => *failed = Some(error),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => *failed = Some(error),
        }
    }
    None
}
