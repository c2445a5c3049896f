//! What the transports that keep images in a tar share.
//!
//! Everything here blocks; callers are inside [`run_blocking`](transship_core::run_blocking).
//!
//! | to | there is |
//! |---|---|
//! | open an archive, from a file or a pipe, compressed or not | [`ArchiveFile`] |
//! | find its entries, once, and read them by position | [`TarIndex`] |
//! | write a tar, the same bytes for the same images | [`ArchiveOutput`], [`TarWriter`] |
//! | read and write the documents of `docker save` | [`docker_save`] |
//! | read and write the documents of OCI layouts | [`layout`] |

mod document;
mod file;
mod index;
mod open;
mod outer;
mod output;
mod pipe;
mod writer;

pub mod docker_save;
pub mod layout;

pub use index::{ENTRY_LIMIT, Entry, EntryKind, NAMES_LIMIT, TarIndex};
pub use open::{ArchiveFile, STDIO};
pub use outer::{Outer, RATIO_FREE, RATIO_LIMIT};
pub use output::ArchiveOutput;
pub use writer::{Fate, Put, TarWriter};
