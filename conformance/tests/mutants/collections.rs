//! Deletions and collections that take, or say, what they should not.

use std::time::Duration;

use transship_core::{
    CollectMode, CollectOptions, Collected, DeleteOptions, Digest, Error, ErrorKind, Garbage, Kept,
    ReadOptions, Reference, Result, Transport, WriteMode, sha256,
};

use crate::fault::Fault;
use crate::table::check_table;
use crate::transport::{Mutant, folder, place};

/// So long a change takes: others write meanwhile.
pub const MEANWHILE: Duration = Duration::from_millis(20);

/// The roots of the images that are there, in their order.
async fn roots(of: &Mutant, at: &Reference) -> Vec<Digest> {
    let archives = of.memory.archives().unwrap();
    let reader = archives.read(&place(&of.memory, at), &ReadOptions::default()).await;
    let Ok(reader) = reader else { return Vec::new() };
    let mut roots = Vec::new();
    for entry in reader.entries() {
        let root = reader.open(entry).await.unwrap().root().await.unwrap();
        roots.push(root.descriptor().digest.clone());
    }
    roots
}

/// Deletes all images but these.
async fn keep_only(of: &Mutant, at: &Reference, keep: &[Digest]) -> Result<()> {
    let (there, all) = (roots(of, at).await, place(&of.memory, at));
    for number in (0..there.len()).rev().filter(|number| !keep.contains(&there[*number])) {
        let at = of.memory.parse(&format!("{}#{number}", all.locator()))?;
        of.memory.deletion().unwrap().delete(&at, &DeleteOptions::default()).await?;
    }
    Ok(())
}

/// Makes a change that takes some time, and writes what was there when it began: what came meanwhile is lost.
pub async fn loses_what_came(
    of: &Mutant,
    at: &Reference,
    change: impl Future<Output = Result<()>> + Send,
) -> Result<()> {
    let before = roots(of, at).await;
    tokio::time::sleep(MEANWHILE).await;
    change.await?;
    keep_only(of, at, &before).await
}

/// Of an image whose manifest cannot be read, nothing is known to be needed.
pub async fn takes_unreadable(of: &Mutant, at: &Reference) -> Result<()> {
    let Some(folder) = folder(at) else { return Ok(()) };
    let mut whole = roots(of, at).await;
    whole.retain(|root| {
        let stored = std::fs::read(folder.join(root.encoded()));
        stored.is_ok_and(|bytes| sha256(&bytes) == *root)
    });
    keep_only(of, at, &whole).await
}

/// Takes the files of roots that are not listed, and says nothing of it.
pub async fn takes_silently(of: &Mutant, at: &Reference) -> Result<()> {
    let Some(folder) = folder(at) else { return Ok(()) };
    let needed = roots(of, at).await;
    for entry in std::fs::read_dir(&folder).map_err(|e| Error::io("listing", &folder, e))? {
        let path = entry.map_err(|e| Error::io("listing", &folder, e))?.path();
        if !needed.iter().any(|root| path.ends_with(root.encoded())) {
            std::fs::remove_file(&path).map_err(|e| Error::io("removing", &path, e))?;
        }
    }
    Ok(())
}

/// Whether it was deleted in a way that the other mistakes do not have.
pub async fn deletes_otherwise(of: &Mutant, at: &Reference, how: &DeleteOptions) -> Result<bool> {
    check_table(of, at)?;
    leave(of, at).await?;
    let delete = of.memory.deletion().unwrap().delete(at, how);
    match of.fault {
        Fault::TheOnlyImageStays => {
            of.memory.source(at, &ReadOptions::default()).await?;
        }
        Fault::DeletedPlaceIsNotFree => {
            delete.await?;
            of.state.locks.lock().unwrap().push(place(&of.memory, at).to_string());
        }
        Fault::DeletionWritesWhatItRead => loses_what_came(of, at, delete).await?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Fails to create where something was deleted.
pub fn check_free(of: &Mutant, at: &Reference, mode: Option<WriteMode>) -> Result<()> {
    let here = place(&of.memory, at).to_string();
    let fails = of.fault == Fault::DeletedPlaceIsNotFree && mode == Some(WriteMode::Create);
    if fails && of.state.locks.lock().unwrap().contains(&here) {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("{at} is there already")));
    }
    Ok(())
}

/// What a deletion leaves for the next collection: the manifest.
async fn leave(of: &Mutant, at: &Reference) -> Result<()> {
    if !matches!(of.fault, Fault::YoungAreNotTold | Fault::GarbageHasNoSize) {
        return Ok(());
    }
    let root = of.memory.source(at, &ReadOptions::default()).await?.root().await?;
    let (digest, size) = (root.descriptor().digest.clone(), root.descriptor().size);
    let size = if of.fault == Fault::GarbageHasNoSize { 0 } else { size };
    let left = (place(&of.memory, at).to_string(), Garbage::new(digest, size));
    of.state.left.lock().unwrap().push(left);
    Ok(())
}

/// What is said of what was left.
pub async fn say(of: &Mutant, at: &Reference, how: &CollectOptions, collected: &mut Collected) {
    if of.fault == Fault::KeepsWhatIsNeeded {
        let needed = roots(of, at).await;
        let kept = needed.iter().map(|root| Kept::new(root.to_string(), "it may be needed"));
        collected.kept.extend(kept);
    }
    let here = place(&of.memory, at).to_string();
    let mut left = of.state.left.lock().unwrap();
    let found = left.iter().filter(|(place, _)| *place == here).map(|(_, left)| left.clone());
    let found: Vec<Garbage> = found.collect();
    if how.min_age.is_zero() {
        if how.mode == CollectMode::Delete {
            left.retain(|(place, _)| *place != here);
        }
        collected.garbage.extend(found);
    } else if of.fault != Fault::YoungAreNotTold {
        let young = found.iter().map(|left| Kept::new(left.digest.to_string(), "it is young"));
        collected.kept.extend(young);
    }
}
