//! The arguments of `transship sync`.

use std::path::PathBuf;

use clap::Args;

use super::{Common, Output, TrustArgs};

const NOTES: &str = "\
A TOML file:
    [defaults]                         # for all entries
    prune = true
    [registries.\"registry.local\"]      # options of docker: for this host
    creds-env = \"MIRROR_CREDENTIALS\"
    [[sync]]
    from = \"docker://quay.io/org/app\"  # a repository, a prefix (/ at its end), any place
    to = \"docker://registry.local/org/app\"
    tags = [\"1.*\", \"2.*\"]              # also not-tags, semver, newest
    platforms = [\"linux/amd64\"]        # default: all
    referrers = true                   # signatures, SBOMs, attestations
    backup = \"old-*\"                   # what a tag is kept as before it moves

A file whose name ends in .yaml or .yml is one of `skopeo sync`, and needs
DESTINATION: docker://HOST/PREFIX/, below which each repository gets its last
component, or an oci: layout.

An entry that fails does not stop the others; the exit code is that of the
failures if all are of one kind, else 1. What was interrupted is finished by the
next run.";

#[derive(Debug, Args)]
#[command(after_help = super::SHORT_NOTES, after_long_help = NOTES)]
pub(crate) struct Sync {
    /// What to bring up to date: TOML, or the YAML of `skopeo sync`
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Where images go if the file does not say so
    #[arg(value_name = "DESTINATION", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) destination: Option<String>,

    /// Delete tags at the destination that the source no longer has, for all entries
    ///
    /// Of the repositories that an entry writes, the tags that its patterns choose and that no entry brings. Where something
    /// failed, nothing is deleted. Tags of signatures and of `backup` stay.
    #[arg(long)]
    pub(crate) prune: bool,

    /// Show what would be copied and deleted, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}
