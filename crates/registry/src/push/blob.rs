//! Blobs that are there already, or nearby.

use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use transship_core::{Digest, ErrorKind, Expect, Result, ResultExt, Stored};

use super::session::{Mounted, Session};
use crate::client::Repository;

/// The blob, if the server says that it has it, with the size that it should have.
pub(crate) async fn has(repository: &Repository, want: &Expect) -> Result<Option<Stored>> {
    let Some(digest) = &want.digest else { return Ok(None) };
    let doing = format!("looking for blob {digest} in");
    let call = repository.call(Method::HEAD, &format!("blobs/{digest}"), &doing).await?;
    let fetched = repository.fetch(&call, 0).await?;
    if fetched.status.as_u16() == 404 {
        return Ok(None);
    }
    let fetched = fetched.success().context(|| call.what)?;
    let said = fetched.header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    let Some(size) = said.or(want.size) else { return Ok(None) };
    if want.size.is_some_and(|wanted| wanted != size) {
        return Ok(None);
    }
    Ok(Some(Stored::new(digest.clone(), size)))
}

/// Asks for a blob of another repository. Who may not read there, or may not mount, sends the blob itself.
pub(crate) async fn mount(
    repository: &Repository,
    digest: &Digest,
    from: &str,
) -> Result<Option<Mounted>> {
    match Session::mount(repository, digest, from).await {
        Ok(mounted) => Ok(Some(mounted)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Unsupported
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
