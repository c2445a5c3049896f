//! A layout in a folder.

use std::path::{Path, PathBuf};

use transship_archive::layout::BLOBS;
use transship_core::{Digest, ErrorKind, FileRange, Result};
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
    root.join(digest.algorithm().as_ref()).join(digest.digest())
}

/// The folder that holds `ALGORITHM/ENCODED` of each blob of a layout.
pub(crate) fn blob_root(folder: &Path, shared: Option<&Path>) -> PathBuf {
    shared.map_or_else(|| folder.join(BLOBS), Path::to_owned)
}

impl FolderStorage {
    pub(crate) fn new(folder: &Path, shared: Option<&Path>) -> Self {
        Self { folder: folder.to_owned(), blobs: blob_root(folder, shared) }
    }
}

impl Storage for FolderStorage {
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        if_there(read_document(&self.folder.join(name), limit, "the document"))
    }

    fn blob(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let path = blob_file(&self.blobs, digest);
        let Some(file) = if_there(open_regular(&path))? else { return Ok(None) };
        FileRange::whole(file, path).map(Some)
    }
}

/// What is not there is no error here.
fn if_there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
