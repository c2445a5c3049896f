//! A file that stands for the list of a place's images.

use std::path::Path;

use transship_core::{
    Error, ErrorKind, Manifest, ReadOptions, Reference, Result, Transport, WriteMode,
};

use crate::collections::check_free;
use crate::disk::keep_manifest;
use crate::fault::Fault;
use crate::transport::{Mutant, make_empty, place};

const TABLE: &[u8] = b"a list of images, and nothing else";

fn has_table(of: &Mutant) -> bool {
    matches!(of.fault, Fault::DamagedIsEmpty | Fault::TextIsJoined)
}

/// Fails where it cannot be read.
pub fn check_table(of: &Mutant, at: &Reference) -> Result<()> {
    let place = place(&of.memory, at);
    let path = Path::new(place.locator());
    if !has_table(of) || !path.exists() || std::fs::read(path).is_ok_and(|found| found == TABLE) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corrupt, format!("{place} holds no list of images")))
}

/// Looks at it before something is written.
pub async fn before_writing(of: &Mutant, at: &Reference, mode: Option<WriteMode>) -> Result<()> {
    check_free(of, at, mode)?;
    let Err(e) = check_table(of, at) else { return Ok(()) };
    let joins = mode.unwrap_or(WriteMode::Append) == WriteMode::Append;
    let is_place = is_there(of, at).await;
    match of.fault {
        _ if mode == Some(WriteMode::Replace) => Ok(()),
        Fault::DamagedIsEmpty if joins && is_place => make_empty(&of.memory, at).await,
        Fault::TextIsJoined if joins && !is_place => Ok(()),
        _ => Err(e),
    }
}

async fn is_there(of: &Mutant, at: &Reference) -> bool {
    let archives = of.memory.archives().unwrap();
    archives.read(&place(&of.memory, at), &ReadOptions::default()).await.is_ok()
}

/// Writes files that come with a commit, where there are some: the list, and the root.
pub fn keep_beside(of: &Mutant, at: &Reference, root: &Manifest) -> Result<()> {
    if matches!(of.fault, Fault::UnreadableNeedsNothing | Fault::TakesMoreThanItSays) {
        return keep_manifest(of, at, root);
    }
    if !has_table(of) {
        return Ok(());
    }
    let place = place(&of.memory, at);
    let path = Path::new(place.locator());
    std::fs::write(path, TABLE).map_err(|e| Error::io("writing", path, e))
}
