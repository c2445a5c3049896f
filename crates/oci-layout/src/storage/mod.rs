//! The seams between the logic of layouts and where their files are: a folder, a tar.

mod folder;
mod folder_store;
mod tar;
mod tar_store;

use std::fmt;

use transship_core::{Body, Cancel, Digest, Expect, FileRange, Result, Stored};

use crate::layout::Layout;
use crate::write::NewImage;

pub(crate) use folder::{FolderStorage, refuse_links};
pub(crate) use folder_store::FolderStore;
pub(crate) use tar::TarStorage;
pub(crate) use tar_store::{TarStore, docker_entries, layout_of};

/// Where a layout's files are read from. Methods block.
pub(crate) trait Storage: fmt::Debug + Send + Sync {
    /// A file of the layout itself; `None` when it is not there, `LimitExceeded` beyond a limit.
    fn document(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// The bytes of a blob, unchecked; `None` when it is not there.
    fn blob(&self, digest: &Digest) -> Result<Option<FileRange>>;
}

/// Where a layout's files are written to. Methods block, and may run concurrently. Nothing shows before
/// [`publish`](Self::publish); dropped without it, it leaves no trace.
pub(crate) trait Store: fmt::Debug + Send + Sync {
    /// The blob, if it was put, or is in place and true.
    fn has(&self, want: &Expect, cancel: &Cancel) -> Result<Option<Stored>>;

    /// Keeps a blob for [`publish`](Self::publish).
    fn put(&self, body: Body, cancel: &Cancel) -> Result<Stored>;

    /// Whether blobs that turn out not to be needed can be taken out again.
    fn stages(&self) -> bool;

    /// Keeps a blob that [`publish`](Self::publish) takes out again if no image needs it. Gives where its bytes are until then.
    fn stage(&self, body: Body, cancel: &Cancel) -> Result<(Stored, Option<FileRange>)>;

    /// The bytes of a blob that [`has`](Self::has) knows. `None` for layers that have gone out to a pipe.
    fn read(&self, digest: &Digest) -> Result<Option<FileRange>>;

    /// The layout that is joined, as it is now.
    fn joined(&self, cancel: &Cancel) -> Result<Option<Layout>>;

    /// Shows images: all of them at once, durably, or none; then it can be called again.
    fn publish(&mut self, images: &[NewImage], cancel: &Cancel) -> Result<()>;
}
