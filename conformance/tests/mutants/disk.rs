//! Files that are written without care.

use std::fs::File;
use std::path::Path;

use crate::fault::Fault;

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
