//! An image with names in several repositories: the others get it from the first.

use futures_util::stream::{self, TryStreamExt};
use transship_core::{Descriptor, Expect, Result};

use crate::AT_ONCE;
use crate::client::Repository;
use crate::pull;
use crate::push::{self, Mounted};

pub(crate) async fn replicate(
    from: &Repository,
    to: &Repository,
    blobs: &[Descriptor],
) -> Result<()> {
    let blobs = stream::iter(blobs.iter().map(Ok));
    blobs.try_for_each_concurrent(AT_ONCE, |blob| bring(from, to, blob)).await
}

/// Mounts a blob; where that does not work, its bytes pass here once more.
async fn bring(from: &Repository, to: &Repository, blob: &Descriptor) -> Result<()> {
    let want = Expect::digest(blob.digest.clone()).with_size(blob.size);
    if push::has(to, &want).await?.is_some() {
        return Ok(());
    }
    let begun = if from.host.is(&to.host) {
        push::mount(to, &blob.digest, &from.path).await?
    } else {
        None
    };
    let begun = match begun {
        Some(Mounted::There) => return Ok(()),
        Some(Mounted::Upload(session)) => Some(session),
        None => None,
    };
    let body = pull::open_blob(from, blob).await?;
    push::upload(to, &want, body, begun).await.map(|_| ())
}
