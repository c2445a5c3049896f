//! A layout in a folder.

use std::io;
use std::path::{Path, PathBuf};

use transship_archive::layout::{BLOBS, INDEX_FILE, LAYOUT_FILE};
use transship_core::{Digest, Error, ErrorKind, FileRange, Result, ResultExt};
use transship_local::{open_regular, read_document};

use super::Storage;

/// A layout in a folder; its blobs may be in another one.
#[derive(Debug)]
pub(crate) struct FolderStorage {
    folder: PathBuf,
    blobs: PathBuf,
}

/// The file of a blob below such a folder.
pub(crate) fn blob_file(root: &Path, digest: &Digest) -> PathBuf {
    root.join(digest.algorithm().as_ref()).join(digest.encoded())
}

/// The folder that holds `ALGORITHM/ENCODED` of each blob of a layout.
pub(crate) fn blob_root(folder: &Path, shared: Option<&Path>) -> PathBuf {
    shared.map_or_else(|| folder.join(BLOBS), Path::to_owned)
}

/// Below a layout's own folder no link is followed for writing or collecting: what it leads to may be another layout's, or no
/// layout's at all. Reading follows them. A shared folder of blobs is where the caller says, and may be a link itself.
pub(crate) fn refuse_links(folder: &Path, shared: Option<&Path>) -> Result<()> {
    let blobs = blob_root(folder, shared);
    let own = [LAYOUT_FILE, INDEX_FILE].map(|name| folder.join(name));
    let algorithms = ["sha256", "sha384", "sha512"].map(|algorithm| blobs.join(algorithm));
    let blobs = shared.is_none().then_some(blobs);
    for path in own.into_iter().chain(blobs).chain(algorithms) {
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                let message = format!("{} is a symbolic link", path.display());
                return Err(Error::new(ErrorKind::Unsupported, message).hint(
                    "links in a layout are followed to read it, and not to write to it or to collect its garbage: \
                     write to the layout that it leads to",
                ));
            }
            Err(e)
                if e.kind() != io::ErrorKind::NotFound
                    && e.kind() != io::ErrorKind::NotADirectory =>
            {
                return Err(Error::io("looking at", &path, e));
            }
            _ => {}
        }
    }
    Ok(())
}

impl FolderStorage {
    pub(crate) fn new(folder: &Path, shared: Option<&Path>) -> Self {
        Self { folder: folder.to_owned(), blobs: blob_root(folder, shared) }
    }
}

impl Storage for FolderStorage {
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        read_document(&self.folder.join(name), limit, "the document").if_found()
    }

    fn blob(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let path = blob_file(&self.blobs, digest);
        let Some(file) = open_regular(&path).if_found()? else { return Ok(None) };
        FileRange::whole(file, path).map(Some)
    }
}
