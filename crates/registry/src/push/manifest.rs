//! Manifests, under a tag or their digest.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use transship_core::{
    Digest, Error, ErrorKind, Hasher, Manifest, Result, ResultExt, parse_digest, sha256,
};

use super::referrers;
use crate::client::{Call, Failure, Fetched, Payload, Repository};
use crate::pull::{self, is_digest_of};
use crate::reference::Wanted;

/// What a server says that does not see yet what was put a moment ago, or never will.
const UNKNOWN: [&str; 3] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];

/// How often it is tried again then.
const UNKNOWN_TRIES: u32 = 3;

/// A manifest that a server took.
pub(crate) struct StoredManifest {
    /// What it is found by under the name that it was put under: of a tag, a server says which digest it stands for.
    pub(crate) digest: Digest,
    /// Whether the server says that it keeps the list of what is about its subject.
    listed: bool,
}

/// Lists a manifest that was put among what is about its subject, where the server does not do so itself. What is lost where its tag
/// may not be read or written.
pub(crate) async fn list(
    to: &Repository,
    manifest: &Manifest,
    taken: &StoredManifest,
) -> Result<Option<String>> {
    let Some(subject) = manifest.document().subject().filter(|_| !taken.listed) else {
        return Ok(None);
    };
    let (digest, subject) = (&manifest.descriptor().digest, &subject.digest);
    let what = || format!("{digest} is not listed among what is about {subject}");
    lost_beside(referrers::add(to, subject, manifest).await, what)
}

/// Tags a manifest, also where the tag is another image's: its name says what it is about. Why it could not, where the registry
/// does not let it move.
pub(crate) async fn put_beside(
    to: &Repository,
    tag: &str,
    root: &Manifest,
) -> Result<Option<String>> {
    let wanted = Wanted::Tag(tag);
    if let Ok(Some(there)) = pull::head_manifest(to, wanted).await
        && there.digest == root.descriptor().digest
    {
        return Ok(None);
    }
    let done = put(to, root, wanted).await;
    lost_beside(done, || format!("{tag}, which is about the image"))
}

/// What is lost when something beside an image cannot be written: the image is there all the same. What may pass is an error,
/// so that it is tried again.
pub(crate) fn lost_beside<T>(
    done: Result<T>,
    what: impl FnOnce() -> String,
) -> Result<Option<String>> {
    match done {
        Ok(_) => Ok(None),
        Err(error) => match error.kind() {
            ErrorKind::Cancelled | ErrorKind::Unavailable | ErrorKind::Conflict => Err(error),
            _ => Ok(Some(format!("{}: {error}", what()))),
        },
    }
}

/// Asks a server to delete a manifest or tag. Gives what it answers, and what was done, for messages.
pub(crate) async fn delete(of: &Repository, name: Wanted<'_>) -> Result<(Fetched, String)> {
    let doing = format!("deleting {name} in");
    let call = of.call(Method::DELETE, &format!("manifests/{name}"), &doing).await?;
    let answer = of.fetch(&call, 0).await?;
    Ok((answer, call.what))
}

pub(crate) async fn put(
    to: &Repository,
    manifest: &Manifest,
    name: Wanted<'_>,
) -> Result<StoredManifest> {
    let doing = format!("writing {name} to");
    let mut call = to.call(Method::PUT, &format!("manifests/{name}"), &doing).await?;
    let media_type = manifest.descriptor().media_type.as_ref();
    let media_type = HeaderValue::from_str(media_type).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "its media type is no header").caused_by(error)
    })?;
    call.headers.insert(CONTENT_TYPE, media_type);
    call.payload = Payload::Bytes(manifest.bytes().clone());
    let fetched = send(to, &call).await?;
    if !fetched.status.is_success() {
        return refused(to, manifest, name, &fetched).await.context(|| call.what);
    }
    let said = fetched.header("docker-content-digest").and_then(|said| parse_digest(said).ok());
    let digest = match (name, said) {
        (Wanted::Digest(digest), _) => digest.clone(),
        (Wanted::Tag(_), Some(said)) if is_digest_of(&said, manifest.bytes()) => said,
        (Wanted::Tag(_), Some(said)) => {
            check_taken(to, manifest, &said).await.context(|| call.what)?
        }
        // Where the server says nothing that we understand: as readers of the tag will compute it.
        (Wanted::Tag(_), None) => sha256(manifest.bytes()),
    };
    Ok(StoredManifest { digest, listed: fetched.header("oci-subject").is_some() })
}

/// Sends it, again where a server does not see yet what was put a moment ago.
async fn send(to: &Repository, call: &Call) -> Result<Fetched> {
    let mut tries = to.host.tries().at_most(UNKNOWN_TRIES);
    loop {
        let fetched = to.fetch(call, 0).await?;
        if fetched.status.is_success() || !UNKNOWN.contains(&fetched.code().as_str()) {
            return Ok(fetched);
        }
        let failure = Failure::cut(fetched.error());
        if to.host.wait_for(failure, &call.what, &mut tries, &to.observer).await.is_err() {
            return Ok(fetched);
        }
    }
}

/// What a refusal comes to. A tag that may not move need not, where it is where it should be.
async fn refused(
    to: &Repository,
    manifest: &Manifest,
    name: Wanted<'_>,
    fetched: &Fetched,
) -> Result<StoredManifest> {
    let (error, digest) = (fetched.error(), &manifest.descriptor().digest);
    let Wanted::Tag(tag) = name else { return Err(error) };
    if !matches!(fetched.status.as_u16(), 400 | 403 | 405 | 409 | 412 | 422) {
        return Err(error);
    }
    match pull::head_manifest(to, name).await {
        Ok(Some(there)) if there.digest == *digest => {
            Ok(StoredManifest { digest: there.digest, listed: true })
        }
        Ok(Some(there)) if says_fixed(fetched) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("tag {tag} may not move there, and is {}: {error}", there.digest),
        )
        .hint("write it under another tag, or let the registry move this one")),
        _ => Err(error),
    }
}

/// Whether a refusal says that a tag may not move. There is no code for it that registries share.
fn says_fixed(fetched: &Fetched) -> bool {
    let said = fetched.error().to_string().to_lowercase();
    matches!(fetched.status.as_u16(), 409 | 412)
        || ["immutable", "already exists", "overwrit", "tag_exists"]
            .iter()
            .any(|w| said.contains(w))
}

/// Holds a server to the bytes: what it says that it took is something else, and that may be said wrongly.
async fn check_taken(to: &Repository, manifest: &Manifest, said: &Digest) -> Result<Digest> {
    let digest = &manifest.descriptor().digest;
    if said.algorithm() != digest.algorithm() && Hasher::new(said.algorithm()).is_err() {
        // Of an algorithm that we do not know.
        return Ok(digest.clone());
    }
    match pull::by_descriptor(to, manifest.descriptor()).await {
        Ok(_) => Ok(digest.clone()),
        Err(_) => Err(Error::new(
            ErrorKind::Corrupt,
            format!("the server took it as {said}, {digest} expected"),
        )),
    }
}
