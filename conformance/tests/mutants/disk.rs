//! Files that are written without care.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use transship_core::{
    Body, Descriptor, Error, Expect, ImageDestination, Manifest, MediaType, Reference, Result,
};

use crate::fault::Fault;
use crate::transport::{Mutant, folder};

/// Adds bytes to a file that never shrinks.
pub fn add_to_pages(folder: &Path, bytes: Bytes) -> Result<Body> {
    let path = folder.join("pages");
    let file = File::options().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(&bytes));
    written.map_err(|e| Error::io("writing", &path, e))?;
    Ok(Body::from_bytes(bytes))
}

/// Whether it has a file for each blob, too.
pub fn keeps_blobs(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::FilesAreBelieved
            | Fault::StoredBlobsAreBelieved
            | Fault::WrongOnDiskIsUnexpected
            | Fault::OldBlobsStay
            | Fault::OldBlobsAreNotCollected
            | Fault::DeletionLeavesBlobs
            | Fault::HasLooksAtTheBeginning
            | Fault::LongDigestsAreBelieved
            | Fault::TakesWhatIsDamaged
    )
}

/// Writes a file for a manifest.
pub fn keep_manifest(of: &Mutant, at: &Reference, manifest: &Manifest) -> Result<()> {
    let keeps = matches!(
        of.fault,
        Fault::ManifestsAreBelieved
            | Fault::StoredManifestsAreBelieved
            | Fault::UnreadableNeedsNothing
            | Fault::TakesMoreThanItSays
    );
    if !keeps {
        return Ok(());
    }
    let path = folder(at).unwrap().join(manifest.descriptor().digest.encoded());
    std::fs::write(&path, manifest.bytes()).map_err(|e| Error::io("writing", &path, e))
}

/// Whether the file of a blob is seen to hold other bytes.
pub async fn is_damaged(
    fault: Fault,
    of: &dyn ImageDestination,
    at: &Reference,
    want: &Expect,
) -> Result<bool> {
    let long = want.digest.as_ref().is_some_and(|digest| digest.as_ref().starts_with("sha512:"));
    let looked_at = match fault {
        Fault::HasLooksAtTheBeginning => 16,
        Fault::LongDigestsAreBelieved if !long => usize::MAX,
        _ => return Ok(false),
    };
    let Some(found) = of.has(want).await? else { return Ok(false) };
    let stored = std::fs::read(folder(at).unwrap().join(found.digest.encoded()));
    let blob = Descriptor::new(MediaType::ImageLayer, found.digest, found.size);
    let Some(body) = of.contents().unwrap().read(&blob).await? else { return Ok(true) };
    let blob = body.bytes(found.size).await?;
    let is_same = |stored: Vec<u8>| stored.iter().take(looked_at).eq(blob.iter().take(looked_at));
    Ok(!stored.is_ok_and(is_same))
}

/// Blocks, of which the first says how many there are, in the file of a place.
pub fn write_blocks(at: &Reference) -> Result<()> {
    let path = Path::new(at.locator());
    std::fs::write(path, [b'b'; 8 * 512]).map_err(|e| Error::io("writing", path, e))
}

/// Whether such a file ends within a block.
pub fn ends_in_a_block(at: &Reference) -> bool {
    std::fs::metadata(at.locator()).is_ok_and(|file| file.len() % 512 != 0)
}

/// Stages two files beside a place.
pub fn stage_two(folder: &Path) -> Result<()> {
    for name in ["staged-1", "staged-2"] {
        let path = folder.join(name);
        std::fs::write(&path, b"staged").map_err(|e| Error::io("writing", &path, e))?;
    }
    Ok(())
}

/// Moves them to where they show.
pub fn move_two(folder: &Path) -> Result<()> {
    for (from, to) in [("staged-1", "shown-1"), ("staged-2", "shown-2")] {
        let to = folder.join(to);
        std::fs::rename(folder.join(from), &to).map_err(|e| Error::io("writing", &to, e))?;
    }
    Ok(())
}

/// Writes a file as a transport on a disk would, but for one step.
pub fn store_carelessly(fault: Fault, folder: &Path) -> std::io::Result<()> {
    let sync = |path: &Path| File::open(path)?.sync_all();
    match fault {
        Fault::ForgetsToSyncAFile => {
            std::fs::write(folder.join("index"), b"index")?;
            sync(folder)
        }
        Fault::ForgetsToSyncTheFolder => {
            std::fs::write(folder.join("index"), b"index")?;
            sync(&folder.join("index"))
        }
        Fault::ForgetsToSyncTheFolderAbove => {
            let made = folder.join("made");
            std::fs::create_dir_all(&made)?;
            std::fs::write(made.join("index"), b"index")?;
            sync(&made.join("index"))?;
            sync(&made)
        }
        Fault::ForgetsToSyncTheRemoval => {
            let (journal, index) = (folder.join("journal"), folder.join("index"));
            std::fs::write(&journal, b"what was")?;
            sync(&journal)?;
            std::fs::write(&index, b"index")?;
            sync(&index)?;
            sync(folder)?;
            std::fs::remove_file(journal)
        }
        _ => {
            std::fs::write(folder.join("new"), b"index")?;
            std::fs::rename(folder.join("new"), folder.join("index"))?;
            sync(&folder.join("index"))?;
            sync(folder)
        }
    }
}
