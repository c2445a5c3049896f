//! What the transports that keep images in a tar share.
//!
//! Everything here blocks; callers are inside [`run_blocking`](transship_core::run_blocking).
//!
//! | to | there is |
//! |---|---|
//! | open an archive, from a file or a pipe, compressed or not | [`ArchiveFile`] |
//! | read one that comes once, in one pass | [`pass`], [`pass_reader`] |
//! | find its entries, once, and read them by position | [`TarIndex`] |
//! | write a tar, the same bytes for the same images, compressed or not | [`ArchiveOutput`], [`TarWriter`], [`Compressor`] |
//! | append entries to an archive, or remove entries | [`ArchiveOutput`], [`rewrite`] |
//! | find the blobs that documents refer to | [`Reachable`] |
//! | read and write the documents of `docker save` | [`docker_save`] |
//! | read and write the documents of OCI layouts | [`layout`] |
//!
//! # What is refused
//!
//! Readers of tars differ in what they make of headers that no honest tool writes. Such a difference is a security problem:
//! one reader checks an image, and another one runs a different image. So an archive that readers may take differently is
//! [`Corrupt`](transship_core::ErrorKind::Corrupt) as a whole, which is one that has
//!
//! - two entries with one name that are not the same, byte for byte (some readers take the first, some the last); a name
//!   that is a file or link and has others below it;
//! - a payload behind what is no file (some readers skip it, some read it as headers);
//! - PAX records that are malformed or there twice, names or sizes for all entries, a PAX size that the header
//!   contradicts, two long names for one entry, extensions that nothing follows;
//! - sparse files, and old types that change names or extents;
//! - names that are absolute or have a `..`;
//! - sizes that are negative, no number, or beyond the end of the file; wrong checksums;
//! - another header behind its end; one block of zeros, and then something else;
//! - bytes where only POSIX has a part of the name, in other formats; a mode of another type of file than the header's;
//! - `..` in a name that a document asks for, or in a link's target behind another part.
//!
//! Links are only checked when they are followed, and only inside the archive. Device nodes and entries of vendors' types are
//! ignored unless a document refers to them. An archive without an end mark is read, as by other readers; the error for an
//! entry that is missing then says that the archive was cut off.
//!
//! Limits: [`ENTRY_LIMIT`], [`NAMES_LIMIT`], names of 4096 bytes, 40 links to an entry, 1 MiB for an extension, and for a
//! compressed archive [`RATIO_LIMIT`].

mod compression;
mod compressor;
mod document;
mod draft;
mod embedded;
mod flow;
mod gaps;
mod index;
mod mentions;
mod open;
mod output;
mod pass;
mod pieces;
mod pipe;
mod plain_digest;
mod reachable;
mod rewrite;
mod saved;
mod writer;

pub mod docker_save;
pub mod layout;
mod layout_index;

pub use compression::{RATIO_FREE, RATIO_LIMIT, decoder, decompress, takes_too_much_memory};
pub use compressor::{COMPRESSOR_OPTION, Compressor};
pub use embedded::{check_content, embedded_content};
pub use gaps::Gaps;
pub use index::{ENTRY_LIMIT, Entry, EntryKind, Known, NAMES_LIMIT, TarIndex};
pub use open::{ArchiveFile, STDIO};
pub use output::{ArchiveOutput, Documents, OutputOptions};
pub use pass::{comes_once, pass, pass_reader};
pub use pieces::Pieces;
pub use plain_digest::PlainDigest;
pub use reachable::Reachable;
pub use rewrite::{Base, Rewritten, rewrite};
pub use transship_compression::{Compression, SNIFF_LEN, sniff};
pub use writer::{Decision, Put, TarWriter};
