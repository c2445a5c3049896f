//! Manifests, under a tag or their digest.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use transship_core::{
    Digest, Error, ErrorKind, Hasher, Manifest, Result, ResultExt, parse_digest, sha256,
};

use super::referrers;
use crate::client::{Payload, Repository};
use crate::reference::Wanted;

/// A manifest that a server took.
pub(crate) struct Taken {
    /// What it is found by under the name that it was put under: of a tag, a server says which digest it stands for.
    pub(crate) digest: Digest,
    /// Whether the server says that it keeps the list of what is about its subject.
    listed: bool,
}

/// Puts a manifest. Where it is about another one and the server keeps no list of such, its tag is brought up to date.
pub(crate) async fn put(to: &Repository, manifest: &Manifest, name: Wanted<'_>) -> Result<Digest> {
    let taken = put_alone(to, manifest, name).await?;
    if let Some(subject) = manifest.document()?.subject()
        && !taken.listed
    {
        referrers::add(to, &subject.digest, manifest).await?;
    }
    Ok(taken.digest)
}

/// Puts a manifest.
pub(crate) async fn put_alone(
    to: &Repository,
    manifest: &Manifest,
    name: Wanted<'_>,
) -> Result<Taken> {
    let doing = format!("writing {name} to");
    let mut call = to.call(Method::PUT, &format!("manifests/{name}"), &doing).await?;
    let media_type = manifest.descriptor().media_type.as_ref();
    let media_type = HeaderValue::from_str(media_type).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "its media type is no header").caused_by(error)
    })?;
    call.headers.insert(CONTENT_TYPE, media_type);
    call.payload = Payload::Bytes(manifest.bytes().clone());
    let fetched = to.fetch(&call, 0).await?.success().context(|| call.what.clone())?;
    let said = fetched.header("docker-content-digest");
    let said = said.map(|said| true_digest(manifest, said)).transpose().context(|| call.what)?;
    let digest = match name {
        Wanted::Digest(digest) => digest.clone(),
        // As who reads it by the tag will, where the server says nothing.
        Wanted::Tag(_) => said.unwrap_or_else(|| sha256(manifest.bytes())),
    };
    Ok(Taken { digest, listed: fetched.header("oci-subject").is_some() })
}

/// What the server says that it took, if it is that. Another algorithm's digest may mean the same bytes.
fn true_digest(manifest: &Manifest, said: &str) -> Result<Digest> {
    let digest = &manifest.descriptor().digest;
    if said == digest.as_ref() {
        return Ok(digest.clone());
    }
    let of_bytes = |said: Digest| {
        let mut hasher = Hasher::new(said.algorithm())?;
        hasher.update(manifest.bytes());
        Ok((hasher.finish() == said, said))
    };
    match parse_digest(said).and_then(of_bytes) {
        Ok((true, said)) => Ok(said),
        // Of an algorithm that nobody here knows.
        Err(_) if !same_algorithm(said, digest.as_ref()) => Ok(digest.clone()),
        _ => Err(Error::new(
            ErrorKind::Corrupt,
            format!("the server took it as {said}, {digest} expected"),
        )),
    }
}

fn same_algorithm(a: &str, b: &str) -> bool {
    a.split(':').next() == b.split(':').next()
}
