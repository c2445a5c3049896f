//! What the transports that keep images on a disk share.
//!
//! Everything here blocks; callers are inside [`run_blocking`](transship_core::run_blocking).
//!
//! | to | there is |
//! |---|---|
//! | see what stands at a path before writing there | [`Target`] |
//! | open what is read | [`open_regular`], [`Folder`] |
//! | write a file that shows at once, whole | [`StagedFile`] |
//! | make a file anew from the one that is there, beside other processes | [`change_file`], [`replace_file`] |
//! | write a folder that shows at once, whole | [`StagedFolder`], [`settle`] |
//! | share what is staged between steps, and drop it safely | [`Unpublished`] |
//! | write or re-check a blob | [`write_body`], [`FileSink`], [`known_blob`] |
//! | not read again what is known to be true | [`FileCache`], [`known_blob`], [`note_new`] |
//! | keep other processes out | [`Lock`], [`LockWait`] |
//! | copy a part of a file, and see whether a file has changed | [`copy_range`], [`FileStamp`] |
//! | read a document of bounded size | [`read_document`], [`parse_json`], [`yaml`] |
//! | park bytes that come from a pipe | [`spool_file`] |
//! | read and write a reference with a path | [`Locator`], [`cut_path`], [`PathText`] |
//!
//! # Staging
//!
//! New content is written to a name of ours, `.transship-<12 letters or digits>.tmp`, beside what it will replace, made
//! durable, and renamed. While its writer lives, a staged file is held by an exclusive `flock`, and a staged folder by
//! one on the file `lock` in it. Staging whose lock is free was left by a writer that was killed; the next writer to the
//! same place removes it ([`clean_stale`]). Names that are not ours are never touched.
//!
//! A folder is published by `rename`, over an existing one by exchanging the two. Where that cannot be (a mount point, a
//! lower layer of an overlay, a filesystem that cannot exchange, the working folder), the new content is staged inside
//! the folder, and the commit is one rename to the name `.transship-swap`; see [`settle`] for what follows.
//!
//! # Locks on a layout
//!
//! This is a contract between processes and between releases. Locks are `flock`s (on Windows: `LockFileEx`), polled.
//!
//! 1. **The index lock**: exclusive, on the file `oci-layout`, which is never renamed once it is there. A process
//!    that changes `index.json` takes it, reads `index.json` again, changes its own entries, renames the new one in place,
//!    and gives it up. It is held for milliseconds, never while blobs are written.
//! 2. **The content lock**: shared, on the folder `blobs`, from the first blob that a writer finds or puts to the end of
//!    its commit. A deletion takes it exclusively, so that no writer's blob goes before its manifest shows.
//! 3. A process that needs both takes the content lock first.
//! 4. Readers take none: `index.json` is replaced by rename, blobs never change.
//!
//! # The lock on an archive
//!
//! To append or delete, a writer locks the old file exclusively, checks that it is unchanged, writes the new file beside it,
//! renames it, and unlocks. If another file has taken its place meanwhile, the writer starts over with that one. Readers take
//! no lock, and keep the file open that they have opened. [`change_file`] is all of this.

mod blob;
mod cache;
mod change_file;
mod copy;
mod folder;
mod json;
mod known;
mod locator;
mod lock;
mod path_text;
mod sink;
mod spool;
mod staged;
mod staged_folder;
mod stale;
mod stamp;
mod swap;
mod sys;
mod target;
mod unpublished;
pub mod yaml;

pub use blob::write_body;
pub use cache::FileCache;
pub use change_file::{Before, change_file, replace_file};
pub use copy::copy_range;
pub use folder::Folder;
pub use json::{parse_json, read_bounded, read_document};
pub use known::{KnownParts, NewFile, SETTLED, WORTH_SETTLING, known_blob, note_new};
pub use locator::{Grammar, Locator, Selector};
pub use lock::{Lock, LockWait};
pub use path_text::{PathText, cut_path};
pub use sink::FileSink;
pub use spool::spool_file;
pub use staged::{Publish, StagedFile, put_file, sync_folder};
pub use staged_folder::{CheckOld, StagedFolder, make_folder};
pub use stale::{clean_around, clean_stale, is_ours};
pub use stamp::FileStamp;
pub use swap::settle;
pub use sys::write_all_at;
pub use target::{Target, folder_of, list_folder, open_regular, shown};
pub use unpublished::{Share, Unpublished, unfinished_writes};
