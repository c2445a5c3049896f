//! What can be typed. Help, completions and manual pages are made from these definitions.

mod change;
mod copy;
#[cfg(feature = "registry")]
mod login;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use transship::Platform;

use crate::values;

pub(crate) use change::{Delete, Gc};
pub(crate) use copy::{Copy, Format, Subset};
#[cfg(feature = "registry")]
pub(crate) use login::{Login, Logout};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed
  2    the command line or a reference is wrong
  3    an image, blob or place was not found
  4    something read is corrupt, malformed or over a limit
  130  interrupted by Ctrl-C";

const REFERENCES: &str = "\
References:
  A reference is TRANSPORT:PLACE; `transship transports` shows the grammars.
  A path that exists may stand without a transport: it is looked at. `-` is
  standard input or output.";

const EXAMPLES: &str = "\
Examples:
  transship copy --all-images docker-archive:images.tar oci:layout
  transship copy images.tar:alpine:3 oci:layout:alpine:3
  transship copy oci:layout:alpine:3 docker-archive:- | docker load
  transship list images.tar
  transship inspect --json oci:layout:alpine:3
  transship verify oci:layout";

/// Copies container images between registries, docker-save archives, OCI layouts and their tars, and directories.
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
pub(crate) enum Command {
    /// Copy images from one place to another
    Copy(Copy),
    /// List the images that a place holds
    List(List),
    /// Show what an image is made of
    Inspect(Inspect),
    /// Read images again and check everything: digests, sizes, diff IDs, counts
    Verify(Verify),
    /// List the digests of all that places hold, for copy --since
    Digests(Digests),
    /// Log in to a registry: check a password, and keep it where podman and skopeo find it too
    #[cfg(feature = "registry")]
    Login(Login),
    /// Forget the password for a registry
    #[cfg(feature = "registry")]
    Logout(Logout),
    /// Delete images, or names of images
    Delete(Delete),
    /// Find blobs in a layout that no image needs, and delete them
    Gc(Gc),
    /// Check a reference and show its canonical form, without opening anything
    Reference(Reference),
    /// List the transports with their grammars and options
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
            Self::Digests(digests) => Some(&digests.common),
            #[cfg(feature = "registry")]
            Self::Login(_) | Self::Logout(_) => None,
            Self::Delete(delete) => Some(&delete.common),
            Self::Gc(gc) => Some(&gc.common),
            Self::Reference(_) | Self::Transports(_) | Self::Completions(_) | Self::Man(_) => None,
        }
    }
}

/// What all commands take that open something.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Say nothing but errors, and what of an image was left out unasked
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// How to show on stderr what goes on: auto, bars, plain, json (one event a line), none
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Progress::Auto, hide_possible_values = true)]
    pub(crate) progress: Progress,

    /// Give up after this time, e.g. 90s, 5m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) deadline: Option<Duration>,

    /// The folder for temporary files [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR")]
    pub(crate) tmpdir: Option<PathBuf>,

    /// Set an option of a transport, e.g. oci.shared-blob-dir=/blobs
    #[arg(short = 'o', long = "option", value_name = "SCHEME.KEY=VALUE")]
    pub(crate) options: Vec<String>,
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
    /// None, but warnings and results
    None,
}

/// How the result is printed.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print one JSON value on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The place
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    /// Read the manifests of a registry's images too, which it may count as pulls
    #[arg(long)]
    pub(crate) details: bool,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
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

    /// Of an index, look at the image for this platform
    #[arg(long, value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) platform: Option<Platform>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The images; a place stands for all that it holds
    #[arg(required = true, value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) references: Vec<String>,

    /// How many blobs are checked at once [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Digests {
    /// The images; a place stands for all that it holds
    #[arg(required = true, value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) references: Vec<String>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Reference {
    /// The text
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
    /// Write one file for each command into this folder [default: the main page, on stdout]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
