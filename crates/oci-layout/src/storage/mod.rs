//! The seam between the logic of layouts and where their files are: a folder, an indexed tar.

mod folder;
mod tar;

use std::fmt;

use transship_core::{Digest, FileRange, Result};

pub(crate) use folder::{FolderStorage, blob_root};
pub(crate) use tar::TarStorage;

/// Where a layout's files are read from. Methods block.
pub(crate) trait Storage: fmt::Debug + Send + Sync {
    /// A file of the layout itself; `None` when it is not there, `LimitExceeded` beyond a limit.
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// The bytes of a blob, unchecked; `None` when it is not there.
    fn blob(&self, digest: &Digest) -> Result<Option<FileRange>>;
}
