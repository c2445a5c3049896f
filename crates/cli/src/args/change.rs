//! The arguments of the commands that change a place: `transship delete` and `transship gc`.

use std::time::Duration;

use clap::Args;
use transship::transport::{DeleteMode, DeleteOptions, DeletedNames};

use super::{Common, Output, TagArgs};
use crate::values;

const DELETE_NOTES: &str = "\
Deleting by name removes that name; the image goes with its last name. Deleting
by @INDEX or digest removes the image with all its names. With --tags and its
like, REFERENCE is an archive, layout or repository, and the names that they choose
are deleted.

A registry deletes a tag alone, or, where it cannot, the image if no other tag
shows it; else it says which do, and needs --all-tags. It keeps the blobs, the
images of an index and what is about an image, until it collects its garbage.

An archive is rewritten without the blobs that only this image used. A layout
keeps the blobs until `transship gc --delete`.

Deleting stops at the first failure; --json then prints what was deleted before.";

const GC_NOTES: &str = "\
Without --delete, unreferenced blobs are listed and nothing changes. If a document
cannot be read, everything is kept. Blobs younger than --min-age are kept, because
other tools write blobs before the manifests that refer to them. Copies into the
layout that are running are waited for.";

#[derive(Debug, Args)]
#[command(after_help = DELETE_NOTES)]
pub(crate) struct Delete {
    /// The images; those given by @INDEX are deleted first, from the last to the first
    #[arg(required = true, value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) references: Vec<String>,

    /// Delete each image with all its names or tags
    #[arg(long, alias = "all-names")]
    all_tags: bool,

    /// Change nothing; say what would be deleted
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    pub(crate) tags: TagArgs,

    /// Wait at most so long for another writer, as 90s
    ///
    /// By default, the command waits until the other process has finished.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    lock_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Delete {
    /// What is asked of each deletion.
    pub(crate) fn options(&self) -> DeleteOptions {
        let names = if self.all_tags { DeletedNames::All } else { DeletedNames::Given };
        let mode = if self.dry_run { DeleteMode::Look } else { DeleteMode::Delete };
        DeleteOptions::default()
            .with_lock_timeout(self.lock_timeout)
            .with_names(names)
            .with_mode(mode)
    }
}

#[derive(Debug, Args)]
#[command(after_help = GC_NOTES)]
pub(crate) struct Gc {
    /// The layout
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    /// Delete the unreferenced blobs
    #[arg(long)]
    pub(crate) delete: bool,

    /// Keep blobs that are younger than this; 0 keeps none
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = values::age)]
    pub(crate) min_age: Duration,

    /// Wait at most so long for another writer, as 90s
    ///
    /// By default, the command waits until the other process has finished.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) lock_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}
