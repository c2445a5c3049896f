//! What can be typed. Help, completions and manual pages are made from these definitions.

mod change;
mod copy;
#[cfg(feature = "registry")]
mod login;
#[cfg(feature = "serve")]
mod serve;
mod sign;
mod skopeo;
mod sync;
mod tags;
mod trust;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::Serialize;
use transship::Platform;

use crate::{exit, output, values};

pub(crate) use change::{Delete, Gc};
pub(crate) use copy::{Copy, Format, Subset};
#[cfg(feature = "registry")]
pub(crate) use login::{Login, Logout};
#[cfg(feature = "serve")]
pub(crate) use serve::Serve;
pub(crate) use sign::{Sign, SignArgs, SignatureForm};
pub(crate) use sync::Sync;
pub(crate) use tags::TagArgs;
pub(crate) use trust::TrustArgs;

pub(crate) use skopeo::{MultiArch, advised, translated, transport_tip};

use skopeo::Overrides;

const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    any other failure
  2    the command line or a reference is wrong, or does not say which image
  3    an image, blob or place was not found
  4    data is corrupt, malformed or over a limit
  5    the policy on trust rejects an image
  129  stopped by SIGHUP
  130  stopped by SIGINT (Ctrl-C)
  143  stopped by SIGTERM";

const REFERENCES: &str = "\
References:
  A reference is TRANSPORT:PLACE, as docker://alpine:3 or oci:DIR:NAME;
  `transship transports` lists the forms. For a path that exists, the
  transport is detected. `-` is stdin or stdout.";

const EXAMPLES: &str = "\
Examples:
  transship copy docker://alpine:3 docker-archive:alpine.tar
  transship copy --all-images images.tar docker://registry.local/mirror/
  transship copy --all-images docker-archive:images.tar oci:layout
  transship copy docker-daemon:app:1 docker://registry.local/app:1
  transship copy --all-images images.tar containerd:k8s.io//
  transship list images.tar
  transship inspect --json oci:layout:alpine:3
  transship verify oci:layout";

/// Copies container images between registries, `docker save` archives, OCI layouts and their archives, directories, and the
/// engines docker, podman and containerd
#[derive(Debug, Parser)]
#[command(
    name = "transship",
    bin_name = "transship",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = notes(),
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn notes() -> String {
    format!("{REFERENCES}\n\n{EXIT_CODES}\n\n{EXAMPLES}")
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made, and it runs")]
pub(crate) enum Command {
    /// Copy images from one place to another
    #[command(alias = "cp")]
    Copy(Copy),
    /// List the images in an archive, layout or repository
    #[command(aliases = ["ls", "tags", "list-tags"])]
    List(List),
    /// Show the manifest, config, layers and digest of an image
    Inspect(Inspect),
    /// Read images and check all digests, sizes and diff IDs
    #[command(aliases = ["validate", "check"])]
    Verify(Verify),
    /// Sign an image where it is
    Sign(Sign),
    /// Print the digests of all blobs and manifests, for `copy --since`
    Digests(Digests),
    /// Log in to a registry; podman and skopeo use the same file
    #[cfg(feature = "registry")]
    Login(Login),
    /// Remove the password for a registry
    #[cfg(feature = "registry")]
    Logout(Logout),
    /// Delete images or tags
    #[command(aliases = ["rm", "rmi"])]
    Delete(Delete),
    /// Bring repositories, layouts and archives up to date, as a file says
    Sync(Sync),
    /// List or delete unreferenced blobs of a layout
    Gc(Gc),
    /// Serve images as a registry, from where they are
    #[cfg(feature = "serve")]
    Serve(Serve),
    /// Check a reference and print its canonical form
    Reference(Reference),
    /// List the transports with their references and options
    Transports(Transports),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Write the manual pages
    Man(Man),
}

impl Command {
    /// The options that all commands have that open something.
    pub(crate) fn common(&self) -> Option<&Common> {
        match self {
            Self::Copy(copy) => Some(&copy.common),
            Self::List(list) => Some(&list.common),
            Self::Inspect(inspect) => Some(&inspect.common),
            Self::Verify(verify) => Some(&verify.common),
            Self::Sign(sign) => Some(&sign.common),
            Self::Digests(digests) => Some(&digests.common),
            #[cfg(feature = "registry")]
            Self::Login(_) | Self::Logout(_) => None,
            Self::Delete(delete) => Some(&delete.common),
            Self::Sync(sync) => Some(&sync.common),
            Self::Gc(gc) => Some(&gc.common),
            #[cfg(feature = "serve")]
            Self::Serve(serve) => Some(&serve.common),
            Self::Reference(_) | Self::Transports(_) | Self::Completions(_) | Self::Man(_) => None,
        }
    }
}

/// Options of all commands that open something.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print only errors, and what was left out
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Show each request to a registry, without secrets
    #[arg(short, long, alias = "debug", conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Progress: auto, bars, plain, json or none
    ///
    /// `auto` shows bars on a terminal, else `plain`, which is a line for each image and one now and then. `json` prints one
    /// event a line. `none` leaves warnings and results. All of it goes to stderr.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Progress::Auto, hide_possible_values = true)]
    pub(crate) progress: Progress,

    /// Give up after this time, as 90s, 5m or 1h30m
    #[arg(long, alias = "command-timeout", value_name = "TIME", value_parser = values::duration)]
    pub(crate) deadline: Option<Duration>,

    /// Folder for temporary files
    ///
    /// By default $TMPDIR, else /var/tmp.
    #[arg(long, value_name = "DIR")]
    pub(crate) tmpdir: Option<PathBuf>,

    /// Set SCHEME.KEY=VALUE, as oci.shared-blob-dir=/blobs
    ///
    /// It sets an option of a transport for all sides. `transship transports` lists the options.
    #[arg(short = 'o', long = "option", value_name = "OPTION")]
    pub(crate) options: Vec<String>,

    /// Ignore policy.json
    ///
    /// Images are copied whatever the files of the user and of the system say. Commands that enforce no policy accept the
    /// flag, as skopeo does.
    #[arg(long, hide_short_help = true)]
    pub(crate) insecure_policy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, plain lines otherwise
    Auto,
    /// Bars
    Bars,
    /// Plain lines
    Plain,
    /// Events as JSON, one a line
    Json,
    /// Warnings and results only
    None,
}

/// How the result is printed.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print the result as one JSON value on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

impl Output {
    /// Prints the result in that form, or as text.
    pub(crate) fn print(
        &self,
        result: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> exit::Result<()> {
        if self.json { output::print_json(result) } else { output::print(&text()) }
    }
}

/// What `-h` says about options of transports.
const SHORT_NOTES: &str =
    "`--help` also lists the options for transports: --creds, --tls-verify, ...";

#[derive(Debug, Args)]
#[command(after_help = SHORT_NOTES, after_long_help = "")]
pub(crate) struct List {
    /// The archive, layout or repository; or a registry, to list its repositories
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    /// Read the manifest of each image in a registry, too
    ///
    /// A registry may count each as a pull. Without it, only the list of tags is read.
    #[arg(long)]
    pub(crate) details: bool,

    #[command(flatten)]
    pub(crate) tags: TagArgs,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = SHORT_NOTES, after_long_help = "")]
pub(crate) struct Inspect {
    /// The image
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    /// Print the manifest, byte for byte
    #[arg(long, conflicts_with_all = ["config", "json"])]
    pub(crate) raw: bool,

    /// Print the config, byte for byte
    #[arg(long, conflicts_with = "json")]
    pub(crate) config: bool,

    /// Print the digest and nothing else
    #[arg(long, conflicts_with_all = ["config", "json", "raw"])]
    pub(crate) digest: bool,

    /// Show the image of an index for this platform
    #[arg(long, value_name = "PLATFORM", value_parser = values::platform)]
    platform: Option<Platform>,

    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Inspect {
    pub(crate) fn platform(&self) -> Option<Platform> {
        self.platform.clone().or_else(|| self.overrides.platform())
    }
}

#[derive(Debug, Args)]
#[command(after_help = SHORT_NOTES, after_long_help = "")]
pub(crate) struct Verify {
    /// The images; an archive, layout or repository means all of its images
    #[arg(required = true, value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) references: Vec<String>,

    /// Also check that this public key signed each image
    ///
    /// In PEM. Several may be given: one of them must have signed each image, or the index that lists it.
    #[arg(long = "key", value_name = "KEY", value_hint = clap::ValueHint::FilePath)]
    pub(crate) keys: Vec<PathBuf>,

    /// Check this many blobs at once [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = SHORT_NOTES, after_long_help = "")]
pub(crate) struct Digests {
    /// The images; an archive, layout or repository means all of its images
    #[arg(required = true, value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) references: Vec<String>,

    #[command(flatten)]
    pub(crate) tags: TagArgs,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// The reference
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Transports {
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command to this folder [default: the main page, to stdout]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
