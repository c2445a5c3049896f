//! The arguments of `transship copy`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use transship::{Compress, Platform, Rename};

use super::{Common, Output};
use crate::values;

const COPY_NOTES: &str = "\
What is there already: an oci: layout is joined, a dir: image is replaced, an
archive is refused unless --append or --replace is given. Where neither
DESTINATION, --name nor a line of LIST gives a name, an image keeps its names, as
--rename maps them:
    --rename 'docker.io/*=registry.local/mirror/*'
Each * in REPLACEMENT is what the same * in PATTERN stood for.

Every option KEY of a transport is also --src-KEY and --dest-KEY, for one side
alone; what is about writing has no --src-KEY.";

#[derive(Debug, Args)]
#[command(
    after_help = COPY_NOTES,
    override_usage = "transship copy [OPTIONS] <SOURCE>... <DESTINATION>\n       transship copy [OPTIONS] --from-file <LIST> [SOURCE]... <DESTINATION>",
)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub(crate) struct Copy {
    /// Where the images are, one or more, and last where they shall be
    // One list: clap takes two only where no option stands between them.
    #[arg(required = true, value_name = "PLACE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) places: Vec<String>,

    /// Copy all images of each SOURCE that names none, each under its own names
    #[arg(long)]
    pub(crate) all_images: bool,

    /// Copy what a list says, too: a reference a line, or `REFERENCE -> NAME`; `-` is standard input
    #[arg(long = "from-file", value_name = "LIST", value_hint = clap::ValueHint::FilePath)]
    pub(crate) list: Option<PathBuf>,

    /// Copy only this platform, e.g. linux/arm64, or host; may be repeated [default: all that are present]
    #[arg(long = "platform", value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) platforms: Vec<Platform>,

    /// Copy every platform, and fail if one is absent
    #[arg(long, conflicts_with = "platforms")]
    pub(crate) all_platforms: bool,

    /// What becomes of an index of which a part stays behind: sparse keeps it as it is, strip takes the others
    /// out of it [default: one image goes alone, several stay in a sparse index, if DESTINATION takes that]
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    pub(crate) subset: Option<Subset>,

    /// Copy what is about the images, too: signatures, SBOMs and attestations whose subject they are
    #[arg(long)]
    pub(crate) referrers: bool,

    /// Copy no detached signatures; without it, those that DESTINATION cannot hold are refused
    #[arg(long)]
    pub(crate) remove_signatures: bool,

    /// Make a delta: leave out what this place holds, or this list of `transship digests`; may be repeated
    #[arg(long, value_name = "PLACE|LIST", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) since: Vec<String>,

    /// Copy layers that are not to be distributed, too
    #[arg(long, alias = "allow-nondistributable-artifacts")]
    pub(crate) include_nondistributable: bool,

    /// The form of layers: keep, none, gzip[:LEVEL] or zstd[:LEVEL] [default: what DESTINATION needs or prefers]
    #[arg(long, value_name = "FORM", value_parser = values::compress)]
    pub(crate) compress: Option<Compress>,

    /// Fail rather than change a digest
    #[arg(long)]
    pub(crate) preserve_digests: bool,

    /// The kind of manifests: oci or docker [default: as they are, if DESTINATION takes them]
    #[arg(long, value_enum, value_name = "KIND", hide_possible_values = true)]
    pub(crate) format: Option<Format>,

    /// Map the names that images have; in PATTERN, * is any text; may be repeated, the first that fits counts
    #[arg(long = "rename", value_name = "PATTERN=REPLACEMENT", value_parser = values::rename)]
    pub(crate) renames: Vec<Rename>,

    /// A name for the image; may be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// Replace what is there as a whole
    #[arg(long)]
    pub(crate) replace: bool,

    /// Join what is there: its images stay, byte for byte, and names that are given again move
    #[arg(long, conflicts_with = "replace")]
    pub(crate) append: bool,

    /// The compression around an archive: none, gzip[:LEVEL] or zstd[:LEVEL] [default: as its suffix says: .tar.gz,
    /// .tgz, .tar.zst or .tzst]
    #[arg(long, value_name = "FORM")]
    pub(crate) archive_compress: Option<String>,

    /// Write no manifest.json for docker into an oci-archive:
    #[arg(long)]
    pub(crate) no_docker_manifest: bool,

    /// Copy the other images when one fails; the exit code tells
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Read again what is there, and compress again what was compressed, though it is known from earlier copies
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Give up when another process still writes there after this time, e.g. 90s [default: wait for it]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) lock_timeout: Option<Duration>,

    /// How many blobs are copied at once [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,

    /// Write the digests of the images to a file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) digestfile: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Copy {
    /// The sources and the destination; `None` when there is only one place.
    pub(crate) fn places(&self) -> Option<(&[String], &str)> {
        let (destination, sources) = self.places.split_last()?;
        (!sources.is_empty() || self.list.is_some()).then_some((sources, destination))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Manifests of the OCI image spec
    Oci,
    /// Manifests of docker, schema 2
    Docker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subset {
    /// The index is kept as it is
    Sparse,
    /// The index is rewritten without the others
    Strip,
}
