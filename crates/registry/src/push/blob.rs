//! Blobs that are there already, or nearby.

use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use transship_core::{Digest, ErrorKind, Expect, Result, ResultExt, Stored};

use super::session::{Mounted, Session};
use crate::client::Repository;
use crate::pull;

/// The blob, if the server says that it has it, with the size that it should have. This is a hint: a server that cannot be asked
/// at once gets the blob, and is right or wrong then.
pub(crate) async fn has(repository: &Repository, want: &Expect) -> Result<Option<Stored>> {
    match ask(&repository.probed(), want).await {
        Ok(Asked::Has(found)) => Ok(found),
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Ok(Asked::DoesNotSay) | Err(_) => Ok(None),
    }
}

/// The blob, if the server has it: by a request for it where the server does not say so.
pub(crate) async fn look(repository: &Repository, want: &Expect) -> Result<Option<Stored>> {
    match ask(repository, want).await? {
        Asked::Has(found) => Ok(found),
        Asked::DoesNotSay => {
            let Some(digest) = &want.digest else { return Ok(None) };
            let found = pull::size_of_blob(repository, digest).await.if_found()?;
            Ok(found.and_then(|said| said.or(want.size)).and_then(|size| want.of_size(size)))
        }
    }
}

/// What a server says of a blob.
enum Asked {
    Has(Option<Stored>),
    /// It refuses to be asked, and may give it all the same.
    DoesNotSay,
}

async fn ask(repository: &Repository, want: &Expect) -> Result<Asked> {
    let Some(digest) = &want.digest else { return Ok(Asked::Has(None)) };
    let doing = format!("looking for blob {digest} in");
    let call = repository.call(Method::HEAD, &format!("blobs/{digest}"), &doing).await?;
    let fetched = repository.fetch(&call, 0).await?;
    match fetched.status.as_u16() {
        404 | 410 => Ok(Asked::Has(None)),
        // What stands between may say the length of the answer to HEAD, which is nothing.
        200..=299 => {
            let said = fetched.header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
            let found = said.or(want.size).and_then(|size| want.of_size(size));
            Ok(found.map_or(Asked::DoesNotSay, |it| Asked::Has(Some(it))))
        }
        _ => Ok(Asked::DoesNotSay),
    }
}

/// Mounts a blob of another repository. Where that may not be read, or nothing be mounted, the blob is sent.
pub(crate) async fn mount(
    repository: &Repository,
    digest: &Digest,
    from: &str,
) -> Result<Option<Mounted>> {
    match Session::mount(repository, digest, from).await {
        Ok(mounted) => Ok(Some(mounted)),
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(_) => Ok(None),
    }
}
