//! Detached signatures: they stay with manifests that keep their digest, and would not be true of others.

use transship_core::{
    Digest, Error, ErrorKind, ImageDestination, ImageSource, PutSignatures, Result, Signatures,
};

use crate::DetachedSignatures;
use crate::commit::manifests::Built;
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
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("copy it as it is to a dir:, or ask for signatures to be removed"));
    }
    Ok(())
}

/// Brings the signatures of manifests that keep their digest.
pub(crate) async fn copy(
    source: &dyn ImageSource,
    image: &dyn ImageDestination,
    built: &Built,
    alone: Option<&Digest>,
) -> Result<()> {
    let (Some(from), Some(place)) = (source.signatures(), image.signatures()) else {
        return Ok(());
    };
    put(from, place, alone, None).await?;
    for (old, manifest) in &built.below {
        let digest = &manifest.descriptor().digest;
        if old == digest {
            put(from, place, Some(old), Some(digest)).await?;
        }
    }
    Ok(())
}

async fn put(
    from: &dyn Signatures,
    place: &dyn PutSignatures,
    of: Option<&Digest>,
    to: Option<&Digest>,
) -> Result<()> {
    let signatures = from.signatures(of).await?;
    if signatures.is_empty() { Ok(()) } else { place.put_signatures(to, signatures).await }
}

/// Whether the root was taken out of an index.
pub(crate) fn is_alone(plan: &ImagePlan) -> bool {
    plan.source.digest != plan.root.manifest().descriptor().digest
}
