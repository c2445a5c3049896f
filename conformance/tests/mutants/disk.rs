//! Files that are written without care.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use transship_core::{Body, Error, Result};

use crate::fault::Fault;

/// Adds bytes to a file that never shrinks.
pub fn add_to_pages(folder: &Path, bytes: Bytes) -> Result<Body> {
    let path = folder.join("pages");
    let file = File::options().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(&bytes));
    written.map_err(|e| Error::io("writing", &path, e))?;
    Ok(Body::from_bytes(bytes))
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
