//! `oci:` and `oci-archive:`: images in [OCI layouts](https://github.com/opencontainers/image-spec/blob/main/image-layout.md),
//! in a folder or in a tar.
//!
//! # Grammar
//!
//! `oci:PATH[:NAME|:@INDEX|@DIGEST]`, and the same behind `oci-archive:`.
//!
//! - `PATH` ends at the first colon. A colon in it is written `\:`; a backslash before a colon or a backslash is an escape.
//!   The colon of `C:\` and `C:/` is none. Nothing behind the colon is the same as no colon.
//!   For `oci-archive:`, `-` is the standard input or output.
//! - `NAME` is `component("/"component)*`, where a component is alphanumerics joined by one of `- . _ : @ +` or by `--`; or
//!   a docker name.
//! - `@INDEX` is the position of an entry in `index.json`, from 0; for reading only.
//! - `@DIGEST` is `@sha256:` or `@sha512:` and all the digest's digits: a manifest or index anywhere below `index.json`;
//!   for reading only. Behind a name, it belongs to the name.
//! - With none of them, the layout must hold one image.
//!
//! # Names
//!
//! An entry's name is its annotation `io.containerd.image.name`, or else `org.opencontainers.image.ref.name`, which beside
//! the first is an alias that images may share. Names are looked up as they stand, then among the aliases, then as docker
//! means them. Entries with one digest are one image with several names. Entries without names whose platforms all differ
//! are together one multi-platform image, unless `manifest.json` lists the config of each, as in a `docker save`. Entries whose manifest has a `subject` are about other images, and no images.
//! Neither are those whose name is a tag of cosign, `sha256-HEX.sig`, `.att` or `.sbom`: they stand beside the image with that
//! digest, and come and go with it. Such an entry is opened by its name all the same. In a layout that `cosign save` made, the
//! annotation `kind` says the same.
//!
//! An entry that is malformed hides itself only. It is listed by its position, with a warning; opening it fails, and so does a
//! name that stands in it, because other readers may take it for that image. It goes when that name is written, or is deleted by
//! its position. `null` is no value, as Go takes it. An entry with a known field in other letters hides all.
//! An `index.json` has at most 40,000 entries ([`ENTRIES_LIMIT`](transship_archive::layout::ENTRIES_LIMIT)) and 32 MiB.
//!
//! # Nested indexes
//!
//! They are followed 16 deep. Content that a descriptor carries in its `data` must be what its digest says; it is served
//! where the blob itself is not there.
//!
//! # Writing to a folder
//!
//! A layout that is there is joined; [`WriteMode::Replace`] replaces its `index.json`
//! by one with the new images alone, and leaves the blobs of the old ones, which others may be about to use, for a
//! collection of garbage. Blobs are staged inside the layout and put in place with the commit, in this order: blobs, folders,
//! `index.json`. A new layout is staged beside its place and renamed; a writer that finds that another was faster joins that one.
//! Locks are those of [`transship_local`]. What was in `index.json` stays there, field by field; a name that is taken over
//! takes the old entry with it.
//!
//! # Writing to a tar
//!
//! Blobs in the order in which they come, each once, then `index.json`, `manifest.json` and `oci-layout`, with times of 0:
//! the same images give the same bytes. `manifest.json` is for `docker load`: an entry for each image all of which is there,
//! of a multi-platform image for the platform that was asked for, else `linux/amd64`, else the first for Linux.
//!
//! A tar that is there is joined on demand, if it is a layout and not compressed as a whole. Its entries stay byte for byte,
//! but for `index.json` and `manifest.json`, which are written anew behind the new blobs. A blob that is there is used if its
//! bytes are true, and replaced if they are not.
//!
//! # Deleting and collecting
//!
//! By its name, an image loses that name, and goes with its last one; by position, digest or alone in its layout, it goes
//! with all of its names. What is about it alone, and has no name, goes too. In a folder, `index.json` changes, and the blobs
//! stay for a collection. A tar is written anew without the blobs that no image needs; what stays is kept byte for byte.
//!
//! A collection follows all documents from `index.json` on, and takes for needed whatever looks like a digest in one of them;
//! so are manifests that are listed nowhere, and about something that is needed. Where a document cannot be read, everything
//! stays. It holds the content lock, looks at `index.json` again before it deletes, and spares young blobs, for the sake of
//! tools that take no lock. Files that are no blobs stay. Blobs in a shared folder are not collected.
//!
//! # Settings
//!
//! | key | value |
//! |---|---|
//! | `oci.shared-blob-dir` | a folder that holds `ALGORITHM/ENCODED` of every blob, in place of the layout's `blobs` |
//! | `oci-archive.archive-compress` | the compression around what is written: `none`, `gzip[:LEVEL]`, `zstd[:LEVEL]`; without it, as the suffix says (`.gz`, `.tgz`, `.zst`, `.tzst`; those of other compressions are refused) |
//! | `oci-archive.docker-manifest` | `false` leaves `manifest.json` out |

mod archive;
mod beside;
mod collect;
mod delete;
mod destination;
mod layout;
mod names;
mod reference;
mod select;
mod source;
mod storage;
mod transport;
mod write;

pub use reference::{Locator, Selector};
pub use transport::{OciArchive, OciLayout};

use std::sync::Arc;

use transship_archive::COMPRESSOR_OPTION;
use transship_core::{Reference, Result, TransportOption, WriteMode, register_transport};

const SHARED_BLOB_DIR: TransportOption = TransportOption::value(
    "shared-blob-dir",
    "DIR",
    "Keep blobs in this folder, which layouts share, and not in the {side} layout",
);

const DOCKER_MANIFEST: TransportOption = TransportOption::flag(
    "docker-manifest",
    "Whether the archive gets a manifest.json, which `docker load` reads [default: true]",
)
.writing();

register_transport!("oci", [SHARED_BLOB_DIR], |settings| {
    Ok(Arc::new(OciLayout::with_settings(settings)))
});

register_transport!("oci-archive", [COMPRESSOR_OPTION, DOCKER_MANIFEST], |settings| {
    Ok(Arc::new(OciArchive::with_settings(settings)?))
});

/// Where a layout's files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    Tar,
}

impl Kind {
    fn scheme(self) -> &'static str {
        match self {
            Self::Folder => "oci",
            Self::Tar => "oci-archive",
        }
    }

    fn default_mode(self) -> WriteMode {
        match self {
            Self::Folder => WriteMode::Append,
            Self::Tar => WriteMode::Create,
        }
    }

    fn reference(self, locator: &Locator) -> Reference {
        Reference::new(self.scheme(), locator.to_string())
    }

    fn place(self, at: &Reference) -> Result<Locator> {
        Locator::of_place(at.locator_in(self.scheme())?)
    }
}
