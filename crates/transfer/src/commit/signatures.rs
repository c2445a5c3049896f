//! Detached signatures: they stay with manifests that keep their digest, and would not be true of others.

use bytes::Bytes;
use transship_core::{
    Digest, Error, ErrorKind, Hint, ImageDestination, ImageSource, PutSignatures, Result,
};

use crate::DetachedSignatures;
use crate::commit::manifests::Built;
use crate::commit::sign::{Files, Made};
use crate::plan::nodes::ImagePlan;

/// Refuses a plan that loses signatures, unless they are to be removed.
pub(crate) async fn check(
    source: &dyn ImageSource,
    destination: &dyn ImageDestination,
    plan: &ImagePlan,
) -> Result<()> {
    let Some(from) = source.signatures() else { return Ok(()) };
    if plan.signatures == DetachedSignatures::Remove {
        return Ok(());
    }
    for (at, (digest, kept)) in plan.root.digests().into_iter().enumerate() {
        let of = (at > 0 || is_alone(plan)).then_some(&digest);
        let count = from.signatures(of).await?.len();
        let why = match destination.signatures() {
            _ if count == 0 => continue,
            Some(_) if kept => continue,
            Some(_) => "its digest would change".to_owned(),
            None => format!("{} cannot hold them", destination.reference()),
        };
        let message = format!("{count} signatures of {digest} would be lost: {why}");
        return Err(Error::new(ErrorKind::Unsupported, message).hint(Hint::RemoveSignatures));
    }
    Ok(())
}

/// Brings the signatures of manifests that keep their digest, and those that were made.
pub(crate) async fn copy(
    source: &dyn ImageSource,
    image: &dyn ImageDestination,
    built: &Built,
    alone: Option<&Digest>,
    mut made: Files,
) -> Result<()> {
    let (Some(from), Some(place)) = (source.signatures(), image.signatures()) else {
        return put_made(image, built, made).await;
    };
    let made_of_root = made.remove(&built.root.descriptor().digest);
    put(place, from.signatures(alone).await?, made_of_root, None).await?;
    for (old, manifest) in &built.below {
        let digest = &manifest.descriptor().digest;
        let kept = if old == digest { from.signatures(Some(old)).await? } else { Vec::new() };
        put(place, kept, made.remove(digest), Some(digest)).await?;
    }
    Ok(())
}

/// Puts the signatures that were made.
pub(crate) async fn put_made(
    image: &dyn ImageDestination,
    built: &Built,
    mut made: Files,
) -> Result<()> {
    let Some(place) = image.signatures() else { return Ok(()) };
    let made_of_root = made.remove(&built.root.descriptor().digest);
    put(place, Vec::new(), made_of_root, None).await?;
    for digest in built.below.iter().map(|(_, below)| &below.descriptor().digest) {
        put(place, Vec::new(), made.remove(digest), Some(digest)).await?;
    }
    Ok(())
}

async fn put(
    place: &dyn PutSignatures,
    mut signatures: Vec<Bytes>,
    made: Option<Made>,
    of: Option<&Digest>,
) -> Result<()> {
    if let Some(made) = made {
        made.add_to(&mut signatures);
    }
    if signatures.is_empty() { Ok(()) } else { place.put_signatures(of, signatures).await }
}

/// Whether the root was taken out of an index.
pub(crate) fn is_alone(plan: &ImagePlan) -> bool {
    plan.source.digest != plan.root.manifest().descriptor().digest
}
