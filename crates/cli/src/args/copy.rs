//! The arguments of `transship copy`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use transship::{Compress, Platform, Rename};

use super::skopeo::{MultiArch, Overrides};
use super::{Common, Output, SignArgs, TagArgs, TrustArgs};
use crate::values;

const SHORT_NOTES: &str = "\
`--help` explains more, and lists the options for transports: --src-creds,
--dest-creds, --src-tls-verify, --dest-tls-verify, ...";

const NOTES: &str = "\
If the destination exists: an oci: layout gets the images in addition, a dir:
image is overwritten, and an archive is refused unless --append or --replace is
given.

Names: an image gets the name in DESTINATION, in --name or in its line of LIST.
Without one, it keeps its names, changed by --rename:
    --rename 'docker.io/*=registry.local/mirror/*'

Options for transports: --src-KEY is for the sources, --dest-KEY for the
destination, and --KEY for both.";

#[derive(Debug, Args)]
#[command(
    after_help = SHORT_NOTES,
    after_long_help = NOTES,
    override_usage = "transship copy [OPTIONS] <SOURCE>... <DESTINATION>\n       transship copy [OPTIONS] --from-file <LIST> [SOURCE]... <DESTINATION>",
)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub(crate) struct Copy {
    /// One or more sources, then the destination
    ///
    /// Each is a reference, TRANSPORT:PLACE; or a path that exists; or `-`, which is stdin or stdout. A source with several
    /// images needs the name of one of them, or --all-images.
    // One list: clap takes two only where no option stands between them.
    #[arg(required = true, value_name = "PLACE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) places: Vec<String>,

    /// Copy all images of each source
    ///
    /// Each keeps its own names. Of a source that names one image, that image is copied. The options that choose tags imply it.
    #[arg(long, alias = "all-tags")]
    pub(crate) all_images: bool,

    #[command(flatten)]
    pub(crate) tags: TagArgs,

    /// Also copy the images that a file lists
    ///
    /// One reference or image name a line, or `REFERENCE -> NAME` to give the image another name. Empty lines and lines that
    /// begin with `#` are ignored. `-` reads the list from stdin.
    #[arg(long = "from-file", value_name = "LIST", value_hint = clap::ValueHint::FilePath)]
    pub(crate) list: Option<PathBuf>,

    /// Copy only this one, as linux/arm64 or host
    ///
    /// May be repeated. A system or an architecture alone (`windows`, `arm64`) is completed from this machine. Without it,
    /// every platform that the source has is copied; a destination that holds single images gets the platform of this machine.
    #[arg(long = "platform", value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) platforms: Vec<Platform>,

    /// Copy every platform, and fail if one is missing
    #[arg(long, alias = "all", short_alias = 'a', conflicts_with = "platforms")]
    pub(crate) all_platforms: bool,

    /// How to write an index if platforms are left out
    ///
    /// `sparse` keeps the index and its digest as they are. `strip` rewrites it without the other platforms. By default, one
    /// platform is copied without its index; several keep their index, which is rewritten only if the destination rejects
    /// incomplete indexes.
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    pub(crate) subset: Option<Subset>,

    /// Also copy signatures, SBOMs and attestations
    ///
    /// These are the referrers of an image, manifests that have it as their subject, and cosign's tags beside it
    /// (sha256-HEX.sig, .att, .sbom). With --all-images and without a choice of tags, cosign's tags come without this.
    #[arg(long)]
    pub(crate) referrers: bool,

    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) sign: SignArgs,

    /// Do not copy signatures
    ///
    /// Neither the detached ones of a dir:, which without this are an error where the destination cannot hold them, nor those that
    /// --referrers would copy.
    #[arg(long, hide_short_help = true)]
    pub(crate) remove_signatures: bool,

    /// Make a delta: omit the blobs that this place has
    ///
    /// PLACE is a reference, LIST a file that `transship digests` wrote. May be repeated.
    #[arg(long, value_name = "PLACE|LIST", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) since: Vec<String>,

    /// Also copy layers that are marked as not distributable
    #[arg(long, alias = "allow-nondistributable-artifacts", hide_short_help = true)]
    pub(crate) include_nondistributable: bool,

    /// Layers: keep, none, gzip[:LEVEL] or zstd[:LEVEL]
    ///
    /// The compression of layers at the destination.
    /// By default layers stay as they are, unless the destination needs or prefers another form.
    #[arg(long, alias = "dest-compress-format", value_name = "FORM", value_parser = values::compress)]
    pub(crate) compress: Option<Compress>,

    /// Fail instead of changing a digest
    #[arg(long)]
    pub(crate) preserve_digests: bool,

    /// Convert manifests: oci or docker
    ///
    /// By default they stay as they are, if the destination accepts them.
    #[arg(long, short_alias = 'f', value_enum, value_name = "KIND", hide_possible_values = true)]
    pub(crate) format: Option<Format>,

    /// Rename images; * in FROM matches any text
    ///
    /// Each * in TO is the text that the * at the same position in FROM matched. May be repeated; the first FROM that matches
    /// a name is used.
    #[arg(long = "rename", value_name = "FROM=TO", value_parser = values::rename)]
    pub(crate) renames: Vec<Rename>,

    /// Give the image this name; may be repeated
    #[arg(long = "name", alias = "additional-tag", value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// Overwrite the destination
    #[arg(long)]
    pub(crate) replace: bool,

    /// Add to an existing archive
    ///
    /// Its images stay as they are, byte for byte. A name that is used again moves to the new image.
    #[arg(long, conflicts_with = "replace")]
    pub(crate) append: bool,

    /// Compress the archive: none, gzip[:LEVEL], zstd[:LEVEL]
    ///
    /// By default as its suffix says: .tar.gz, .tgz, .tar.zst or .tzst. Those of other compressions are refused.
    #[arg(long, value_name = "FORM", hide_short_help = true)]
    pub(crate) archive_compress: Option<String>,

    /// Leave manifest.json, which `docker load` reads, out of an oci-archive:
    #[arg(long, hide_short_help = true)]
    pub(crate) no_docker_manifest: bool,

    /// Continue after an image fails
    ///
    /// The exit code is that of the failures if all are of one kind, else 1.
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Ignore what is remembered from earlier copies
    ///
    /// Blobs at the destination are hashed again, and layers compressed again.
    #[arg(long, hide_short_help = true)]
    pub(crate) no_cache: bool,

    /// Show what would be copied, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Wait at most so long for another writer, as 90s
    ///
    /// By default, a copy waits until the other process has finished.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) lock_timeout: Option<Duration>,

    /// Copy this many blobs at the same time
    ///
    /// By default 8, or in place of one of them three of 1 MiB at most.
    #[arg(long, alias = "image-parallel-copies", value_name = "N", value_parser = values::jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Write the digests of the images to a file
    ///
    /// One a line, in the order of the images. `-` is stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) digestfile: Option<PathBuf>,

    /// As `skopeo copy --multi-arch`
    #[arg(long, value_enum, hide = true, conflicts_with_all = ["platforms", "all_platforms"])]
    pub(crate) multi_arch: Option<MultiArch>,

    #[command(flatten)]
    pub(crate) overrides: Overrides,
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

    /// The platforms to copy, in our words or skopeo's; empty for all that are present.
    pub(crate) fn only(&self) -> Vec<Platform> {
        if !self.platforms.is_empty()
            || self.all_platforms
            || self.multi_arch == Some(MultiArch::All)
        {
            return self.platforms.clone();
        }
        let host = (self.multi_arch == Some(MultiArch::System)).then(Platform::host);
        self.overrides.platform().or(host).into_iter().collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Manifests of the OCI image spec
    Oci,
    /// Manifests of docker, schema 2
    #[value(alias = "v2s2")]
    Docker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subset {
    /// The index is kept as it is
    Sparse,
    /// The index is rewritten without the others
    Strip,
}
