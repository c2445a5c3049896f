//! Signatures under the tags of a registry stay there. A registry writes a tag without any condition: of two who sign an image
//! at the same moment, the later one replaces what the other one added. So each looks again, and adds what is gone.

use std::fmt::Display;
use std::time::{Duration, Instant};

use transship_core::{
    Commit, Descriptor, Digest, Error, ErrorKind, ImageDestination, Manifest, Reference, Result,
    ResultExt, Transports, WithoutBeside, WriteOptions, run_blocking,
};
use transship_trust::signatures_tag;

use super::sign::{Made, add};

/// How often what is gone is added again.
const TRIES: usize = 5;

/// How long after a write to look again: as long as another signer may take from reading to writing. The time that it took here
/// is the measure.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

/// An image by its digest, at the place where it has a name: what is written there moves no name. `at` where the place keeps no
/// other image.
///
/// # Errors
/// Those of the transport, where it cannot name it so.
pub fn by_digest(known: &Transports, at: &Reference, digest: impl Display) -> Result<Reference> {
    let transport = known.of(at)?;
    match transport.archives().and_then(|archives| archives.archive_of(at)) {
        Some(place) => transport.parse(&format!("{}@{digest}", place.locator())),
        None => Ok(at.clone()),
    }
}

/// An image that shows with signatures under tags.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(super) at: Reference,
    pub(super) root: Manifest,
    pub(super) absent: Vec<Descriptor>,
    /// By the manifest that each is of.
    pub(super) signatures: Vec<(Digest, Made)>,
    /// The time from reading the tags to writing them.
    pub(super) took: Duration,
    pub(super) written: Instant,
}

/// Looks whether the images have kept their signatures, and signs again those that have not.
///
/// # Errors
/// `Conflict` where another signer replaces them each time.
pub(super) async fn keep(to: &Transports, mut all: Vec<Signed>) -> Result<()> {
    for _ in 0..=TRIES {
        let Some(last) = all.iter().map(|signed| signed.written).max() else { return Ok(()) };
        let took = all.iter().map(|signed| signed.took).max().unwrap_or_default();
        let wait = took.saturating_mul(2).clamp(SHORTEST, LONGEST);
        sleep(wait.saturating_sub(last.elapsed())).await?;
        let mut gone = Vec::new();
        for signed in all {
            let at = signed.at.clone();
            gone.extend(again(to, signed).await.context(|| format!("the signatures of {at}"))?);
        }
        all = gone;
    }
    let Some(signed) = all.first() else { return Ok(()) };
    let message = format!(
        "{} may be without its signature: other signers replaced it {} times",
        signed.at,
        TRIES + 1
    );
    Err(Error::new(ErrorKind::Conflict, message).hint("sign it again"))
}

/// Signs an image again that lost signatures. `None` where it has all of them.
async fn again(to: &Transports, mut signed: Signed) -> Result<Option<Signed>> {
    // The commit below writes the root: a tag that another writer has moved stays where it is.
    let at = by_digest(to, &signed.at, &signed.root.descriptor().digest)?;
    let place = to.of(&at)?.destination(&at, &WriteOptions::default()).await?;
    let start = Instant::now();
    let mut gone = Vec::new();
    for (of, made) in &signed.signatures {
        if !is_there(&*place, of, made).await? {
            gone.push((of, made));
        }
    }
    if gone.is_empty() {
        return Ok(None);
    }
    for (of, made) in gone {
        add(&*place, of, made, None).await?;
    }
    let what = Commit::new(&signed.root)
        .without(&signed.absent)
        .where_beside_is_refused(WithoutBeside::Fails);
    place.commit(what).await?;
    (signed.took, signed.written) = (start.elapsed(), Instant::now());
    Ok(Some(signed))
}

async fn is_there(place: &dyn ImageDestination, of: &Digest, made: &Made) -> Result<bool> {
    let Some(able) = place.beside() else { return Ok(false) };
    let there = able.beside(&signatures_tag(of)).await?;
    Ok(there.iter().any(|list| made.is_in(list)))
}

/// In a thread that may wait: a runtime need not have a timer.
async fn sleep(time: Duration) -> Result<()> {
    const STEP: Duration = Duration::from_millis(20);
    run_blocking(move |cancel| {
        let end = Instant::now() + time;
        while Instant::now() < end {
            cancel.check()?;
            std::thread::sleep(STEP.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    })
    .await
}
