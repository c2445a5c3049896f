//! Manifests, under a tag or their digest.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use transship_core::{Error, ErrorKind, Manifest, Result, ResultExt};

use super::referrers;
use crate::client::{Payload, Repository};
use crate::reference::Wanted;

/// Puts a manifest. Where it is about another one and the server keeps no list of such, its tag is brought up to date.
pub(crate) async fn put(to: &Repository, manifest: &Manifest, name: Wanted<'_>) -> Result<()> {
    let announced = put_alone(to, manifest, name).await?;
    if let Some(subject) = manifest.document()?.subject()
        && !announced
    {
        referrers::add(to, &subject.digest, manifest).await?;
    }
    Ok(())
}

/// Puts a manifest. Whether the server says that it keeps the list of what is about its subject.
pub(crate) async fn put_alone(
    to: &Repository,
    manifest: &Manifest,
    name: Wanted<'_>,
) -> Result<bool> {
    let doing = format!("writing {name} to");
    let mut call = to.call(Method::PUT, &format!("manifests/{name}"), &doing).await?;
    let media_type = manifest.descriptor().media_type.as_ref();
    let media_type = HeaderValue::from_str(media_type).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "its media type is no header").caused_by(error)
    })?;
    call.headers.insert(CONTENT_TYPE, media_type);
    call.payload = Payload::Bytes(manifest.bytes().clone());
    let fetched = to.fetch(&call, 0).await?.success().context(|| call.what.clone())?;
    let digest = manifest.descriptor().digest.as_ref();
    match fetched.header("docker-content-digest") {
        // A server that announces another algorithm's digest means the same bytes.
        Some(said) if said != digest && same_algorithm(said, digest) => Err(Error::new(
            ErrorKind::Corrupt,
            format!("the server took it as {said}, {digest} expected"),
        )
        .context(call.what)),
        _ => Ok(fetched.header("oci-subject").is_some()),
    }
}

fn same_algorithm(a: &str, b: &str) -> bool {
    a.split(':').next() == b.split(':').next()
}
