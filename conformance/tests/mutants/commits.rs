//! Commits that take a step too many.

use transship_core::{
    Commit, Committed, Descriptor, Digest, Error, ErrorKind, Expect, ImageDestination, ImageName,
    Reference, Result, Transport, WriteMode, WriteOptions, is_index_type,
};

use crate::fault::Fault;
use crate::transport::{Mutant, place};

/// How many names come with the image itself.
pub fn names_at_first(fault: Fault) -> usize {
    match fault {
        Fault::CommitInTwoSteps => 0,
        Fault::NamesComeOneByOne => 1,
        _ => usize::MAX,
    }
}

/// The image, and then its names.
pub async fn in_two_steps(
    of: &Mutant,
    at: &Reference,
    names: &[ImageName],
    inner: Box<dyn ImageDestination + '_>,
    what: Commit<'_>,
) -> Result<Committed> {
    let committed = inner.commit(what).await?;
    tokio::task::yield_now().await;
    if names.is_empty() {
        return Ok(committed);
    }
    let mut how = WriteOptions::default();
    how.mode = Some(WriteMode::Append);
    how.names = names.to_vec();
    of.memory.destination(at, &how).await?.commit(what).await
}

/// Under a lock that only the end takes away.
pub async fn locked(
    of: &Mutant,
    at: &Reference,
    inner: Box<dyn ImageDestination + '_>,
    what: Commit<'_>,
) -> Result<Committed> {
    let place = place(&of.memory, at).to_string();
    {
        let mut locks = of.state.locks.lock().unwrap();
        if locks.contains(&place) {
            return Err(Error::new(ErrorKind::Unavailable, "it is locked"));
        }
        locks.push(place.clone());
    }
    tokio::task::yield_now().await;
    let committed = inner.commit(what).await;
    of.state.locks.lock().unwrap().retain(|lock| *lock != place);
    committed
}

/// A blob that was not put.
pub async fn lacks(of: &dyn ImageDestination, parts: &[Descriptor]) -> Result<Option<Digest>> {
    for part in parts {
        let blob = is_index_type(&part.media_type).is_none();
        if blob && of.has(&Expect::from(part)).await?.is_none() {
            return Ok(Some(part.digest.clone()));
        }
    }
    Ok(None)
}
