//! The tag that lists what is about a manifest, where the server keeps no list itself.

use serde_json::{Value, json};
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Manifest, MediaType, Result, ResultExt,
};

use super::manifest::{delete, put};
use crate::client::Repository;
use crate::pull::{self, ListedReferrers, referrers_tag};
use crate::reference::Wanted;

/// How often the list is written again when another one was written at the same time.
const TRIES: usize = 5;

/// Adds a manifest to the list of what is about its subject.
///
/// No request writes only if the list is unchanged: so it is read again, and written again if this manifest is not in it.
pub(crate) async fn add(to: &Repository, subject: &Digest, manifest: &Manifest) -> Result<()> {
    let _one = to.host.listing().await;
    // A server may keep a list and not say so when a manifest is put.
    if let ListedReferrers::Api(listed) = pull::referrers(to, subject).await?
        && listed.iter().any(|entry| entry.digest == manifest.descriptor().digest)
    {
        return Ok(());
    }
    let tag = referrers_tag(subject);
    let entry = entry(manifest);
    for _ in 0..TRIES {
        let index = pull::tagged_referrers(to, subject).await?;
        if let Some(index) = &index
            && lists(index, &entry.digest)
        {
            return Ok(());
        }
        let index = with(index.as_ref(), &entry)?;
        put(to, &index, Wanted::Tag(&tag))
            .await
            .context(|| format!("listing the referrers of {subject}"))?;
    }
    match pull::tagged_referrers(to, subject).await? {
        Some(index) if lists(&index, &entry.digest) => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Unavailable,
            format!("others change the list of referrers of {subject} all the time"),
        )),
    }
}

/// Takes a manifest that was deleted out of the list of what is about its subject, where there is such a list. An empty one goes.
pub(crate) async fn remove(from: &Repository, subject: &Digest, gone: &Digest) -> Result<()> {
    let _one = from.host.listing().await;
    let tag = referrers_tag(subject);
    let doing = || format!("taking {gone} out of the referrers of {subject}");
    for _ in 0..TRIES {
        let Some(index) = pull::tagged_referrers(from, subject).await? else { return Ok(()) };
        if !lists(&index, gone) {
            return Ok(());
        }
        match without(&index, gone)? {
            Some(rest) => drop(put(from, &rest, Wanted::Tag(&tag)).await.context(doing)?),
            None => delete_list(from, &index, &tag).await.context(doing)?,
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        format!("others change the list of referrers of {subject} all the time"),
    ))
}

/// Deletes an empty list: by its tag, or where the server does not do so, by its digest.
async fn delete_list(from: &Repository, index: &Manifest, tag: &str) -> Result<()> {
    let (by_tag, _) = delete(from, Wanted::Tag(tag)).await?;
    if by_tag.status.is_success() {
        return Ok(());
    }
    let (by_digest, _) = delete(from, Wanted::Digest(&index.descriptor().digest)).await?;
    match by_digest.status.as_u16() {
        200..=299 | 404 | 410 => Ok(()),
        _ => Err(by_digest.error()),
    }
}

/// The list without an entry; its other fields stay. None if nothing is left of it.
fn without(index: &Manifest, gone: &Digest) -> Result<Option<Manifest>> {
    let mut document: Value = serde_json::from_slice(index.bytes()).map_err(malformed)?;
    let Value::Array(manifests) = &mut document["manifests"] else { return Ok(None) };
    manifests.retain(|entry| entry["digest"] != gone.as_ref());
    if manifests.is_empty() {
        return Ok(None);
    }
    Manifest::new(serde_json::to_vec(&document).map_err(malformed)?).map(Some)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Corrupt, "the list of referrers is malformed").caused_by(error)
}

fn lists(index: &Manifest, digest: &Digest) -> bool {
    match index.document() {
        Document::Index(index) => index.manifests.iter().any(|entry| entry.digest == *digest),
        _ => false,
    }
}

/// How a manifest is listed: with its annotations, and the type that it is of.
fn entry(manifest: &Manifest) -> Descriptor {
    let (known, document) = (manifest.descriptor(), manifest.document());
    let mut entry = Descriptor::new(known.media_type.clone(), known.digest.clone(), known.size);
    entry.artifact_type = document.artifact_type().map(str::to_owned);
    entry.annotations.clone_from(document.annotations());
    entry
}

/// The list with one entry more; its other fields stay.
fn with(index: Option<&Manifest>, entry: &Descriptor) -> Result<Manifest> {
    let mut document: Value = match index {
        Some(index) => serde_json::from_slice(index.bytes()).map_err(malformed)?,
        None => json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageIndex.as_ref(),
            "manifests": [],
        }),
    };
    let entry = serde_json::to_value(entry).map_err(malformed)?;
    match &mut document["manifests"] {
        Value::Array(manifests) => manifests.push(entry),
        other => *other = Value::Array(vec![entry]),
    }
    Manifest::new(serde_json::to_vec(&document).map_err(malformed)?)
}
