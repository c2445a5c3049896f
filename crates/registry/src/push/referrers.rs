//! The tag that lists what is about a manifest, where the server keeps no list itself.

use serde_json::{Value, json};
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, Manifest, MediaType, Result, ResultExt,
};

use super::manifest::put;
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
    let malformed = |error| {
        Error::new(ErrorKind::Corrupt, "the list of referrers is malformed").caused_by(error)
    };
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
