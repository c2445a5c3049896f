//! Mistakes with what is about an image.

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, ImageDestination, Manifest, ReadOptions, Reference,
    Result, Transport,
};

use crate::commits::lacks;
use crate::fault::Fault;
use crate::manifests::children;
use crate::transport::{Mutant, folder, place};

/// Whether a manifest that is about another one is left out.
pub async fn referrer_is_lost(
    of: &Mutant,
    at: &Reference,
    inner: &dyn ImageDestination,
    manifest: &Manifest,
) -> Result<bool> {
    match of.fault {
        Fault::ReferrersAreLost => return Ok(true),
        Fault::ReferrersMayLack => return Ok(lacks(inner, &children(manifest)).await?.is_some()),
        Fault::ReferrersAreHollow | Fault::CollectsWhatReferrersNeed => {
            let mut asked = of.state.asked.lock().unwrap();
            let parts = children(manifest).into_iter();
            asked.extend(parts.map(|part| (format!("about {}", part.digest), 1)));
        }
        Fault::ReferrersOutliveTheirImage => {
            let path = folder(at).unwrap().join(manifest.descriptor().digest.encoded());
            std::fs::write(&path, b"about").map_err(|e| Error::io("writing", &path, e))?;
        }
        _ => {}
    }
    Ok(false)
}

/// Fails for what was put for something about an image, and is lost.
pub fn is_kept(of: &Mutant, part: &Descriptor) -> Result<()> {
    let is_lost = match of.fault {
        Fault::ReferrersAreHollow => true,
        Fault::CollectsWhatReferrersNeed => is_done(of),
        _ => false,
    };
    let is_part = || of.state.asked.lock().unwrap().contains_key(&format!("about {}", part.digest));
    if is_lost && is_part() {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no {}", part.digest)));
    }
    Ok(())
}

/// Whether nothing is about an image of this root any more.
pub fn forgets(of: &Mutant, at: &Reference, root: Option<&Descriptor>) -> bool {
    let is_last = || last(of, at).as_ref() == root.map(|root| &root.digest);
    match of.fault {
        Fault::CollectsReferrers | Fault::DeletionTakesReferrers => is_done(of),
        Fault::AppendForgetsReferrers => !is_last(),
        Fault::CollectsOldReferrers => is_done(of) && !is_last(),
        _ => false,
    }
}

/// Whether it was collected, or something was deleted.
fn is_done(of: &Mutant) -> bool {
    of.state.counter.load(Ordering::Relaxed) == 1
}

/// The root of the image that came last. In memory nothing has to be waited for.
fn last(of: &Mutant, at: &Reference) -> Option<Digest> {
    let (at, how) = (place(&of.memory, at), ReadOptions::default());
    let reader = of.memory.archives()?.read(&at, &how).now_or_never()?.ok()?;
    let source = reader.open(reader.entries().last()?).now_or_never()?.ok()?;
    source.root_descriptor().map(|root| root.digest.clone())
}
