//! `dir:` — one image in a plain folder, as `skopeo copy ... dir:PATH` keeps it.
//!
//! # Grammar
//!
//! `dir:PATH`. All of it is the path, colons too; relative paths stay relative. The canonical text is the text.
//!
//! # Format
//!
//! | file | holds |
//! |---|---|
//! | `version` | `Directory Transport Version: 1.1`, or `1.2` where a digest is not sha256, and a newline |
//! | `manifest.json` | the root: a manifest or an index, of any type |
//! | `<name>.manifest.json` | a manifest below the index, or a referrer |
//! | `<name>` | a blob |
//! | `signature-1`, `<name>.signature-1` and so on | detached signatures of the root, of another manifest |
//!
//! Signatures are read when they are asked for: 1 MiB of them in all, less than 1000 of a manifest.
//!
//! `<name>` is the encoded part of a sha256 digest; for other algorithms `<algorithm>-<encoded>` (read without the
//! algorithm, too, as older tools write it). A folder without `version` is read; one of another version is refused.
//!
//! # Writing
//!
//! The image is staged beside the folder and takes its place with the commit, at once; what was there is gone then, other
//! files too. A mount point gets its new content inside (see [`transship_local`]); a `.transship-swap` that was not left
//! there by such a write, but came out of an archive, is refused: other tools do not look into it. A folder that is not empty and is no
//! image is refused and stays as it is. There are no names.

mod destination;
mod format;
mod reference;
mod source;
mod stage;
mod transport;

pub use transport::Directory;

/// What stands before the colon.
pub const SCHEME: &str = "dir";
