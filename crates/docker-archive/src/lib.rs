//! `docker-archive:`: images in the archives that `docker save` writes.
//!
//! # References
//!
//! `docker-archive:PATH[:NAME|:@INDEX|@DIGEST]`
//!
//! | text | means |
//! |---|---|
//! | `PATH` | the only image of an archive; when writing, an image without a name |
//! | `PATH:NAME` | the image of a docker name; `x` is `docker.io/library/x:latest`, on both sides |
//! | `PATH:@INDEX` | the image at a position in `manifest.json`, from 0; for reading only |
//! | `PATH@sha256:HEX` | the image of an image ID, which is the digest of its config; for reading only |
//!
//! The path ends at the first colon. One that belongs to it is written `\:`, and a backslash before a colon or a
//! backslash `\\`; the colon of a drive (`C:\`, `C:/`) is a part of the path. The path `-` is standard input or output.
//!
//! # Reading
//!
//! The archives of docker (before and since release 25), podman, skopeo, buildah, containerd, crane, ko, jib, bazel,
//! kaniko and nix, plain or compressed as a whole. The headers of the tar are read once, by
//! [`TarIndex`](transship_archive::TarIndex); files are then read by position, links resolved within the archive.
//!
//! - `manifest.json` lists the images. An image without a stored manifest gets one that is made of its config and
//!   layers, the same each time. Where the same tar is an OCI layout, too, and has a manifest for the config with all
//!   of its blobs, that one is served.
//! - **Each layer is checked against its diff ID in the config**, each time it is read. A plain layer is served under its diff
//!   ID. One that is compressed by gzip or zstd is served as it is, and decompressed on the side to be checked; its
//!   digest is computed when the manifest is first asked for. OCI has no name for other compressions: such layers are
//!   served plain.
//! - The image ID is the digest of the config's bytes, whatever the file is called.
//! - An image with an invalid tag, or with a tag that another image has too, can be selected by index or ID.
//! - Archives of docker before 1.10, which have no `manifest.json`, are refused.
//!
//! # Writing
//!
//! `<diff ID>.tar` for each layer, once, and for each image `<image ID>.json` and the `<id>/` folders that docker before
//! 1.10 read; then `manifest.json` and `repositories`. Images come in the order of their commits; images with one config
//! are one entry with all of their names; a name that was given to an earlier image moves to the later one.
//! The same images give the same bytes. Layers that are staged stand in the order in which they came.
//!
//! # Appending
//!
//! With [`WriteMode::Append`](transship_core::WriteMode::Append), an archive of any of those tools that is not compressed as a
//! whole. Every entry stays where it is, byte for byte, but for `manifest.json`, `repositories` and `index.json`, which are
//! written anew behind the new entries; fields of theirs that are not known stay. A layer that is there, under whatever
//! name, is used, once its bytes are found true. Where the same tar is an OCI layout, too, as docker since 25 writes it, new
//! images become a part of that: `blobs/`, a manifest, an entry in `index.json`. An image that is appended again gets what of it is
//! damaged or missing, a manifest in the layout too; where that cannot be done in place, the copy fails. An image whose name is taken over stays,
//! without it.
//!
//! # Deleting
//!
//! By its name, an image loses that name, and goes with its last one; by position, ID or alone in its archive, it goes with
//! all of its names. What only it needs goes with it: config, layers, legacy folders, and in a layout in the same tar its
//! entries and their blobs. All other entries stay byte for byte. An archive that is compressed as a whole cannot be changed.
//!
//! # Publishing
//!
//! The archive is written beside its target and put in its place when it is complete; one that was there stays as it is
//! until then. Manifests are not kept: readers make them, of OCI types, so that an image has another manifest digest
//! than where it came from, and the same image ID.
//!
//! # Settings
//!
//! | key | value |
//! |---|---|
//! | `docker-archive.archive-compress` | the compression around what is written: `none`, `gzip[:LEVEL]`, `zstd[:LEVEL]`; without it, as the suffix says (`.gz`, `.tgz`, `.zst`, `.tzst`; those of other compressions are refused) |

mod archive;
mod choose;
mod commit;
mod commits;
mod config;
mod contents;
mod delete;
mod destination;
mod diff_check;
mod existing;
mod form;
mod image;
mod layer;
mod legacy;
mod named_layout;
mod reference;
mod shape;
mod source;
mod staging;
mod stored;
mod table;
mod transport;
mod writing;

pub use reference::{Locator, Selector};
pub use transport::DockerArchive;

/// What stands before the colon.
pub const SCHEME: &str = "docker-archive";
