//! An image with names in several repositories: the others get it from the first.

use transship_core::{Descriptor, Expect, Manifest, Result};

use crate::client::Repository;
use crate::pull;
use crate::push::{self, Mounted};
use crate::reference::Wanted;
use crate::target::Target;

/// Brings blobs and manifests, in the order in which they were put.
pub(crate) async fn replicate(
    from: &Repository,
    target: &Target,
    blobs: &[Descriptor],
    manifests: &[Manifest],
) -> Result<()> {
    for blob in blobs {
        bring(from, &target.repository, blob).await?;
    }
    for manifest in manifests {
        let digest = &manifest.descriptor().digest;
        push::put_manifest(&target.repository, manifest, Wanted::Digest(digest)).await?;
    }
    Ok(())
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
