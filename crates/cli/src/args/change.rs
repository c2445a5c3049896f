//! The arguments of the commands that change a place: `transship delete` and `transship gc`.

use std::time::Duration;

use clap::Args;

use super::{Common, Output};
use crate::values;

const DELETE_NOTES: &str = "\
An image that is chosen by a name loses that name, and goes with its last one.
Chosen by @INDEX or digest, or alone in its place, it goes with all its names.

An archive is written anew, at once, without the blobs that only the image
needed. A layout loses the image, and `transship gc` removes its blobs.

The first failure ends it. --json then says what was deleted before.";

const GC_NOTES: &str = "\
Nothing is deleted without --delete. What might be needed stays: everything,
where a document cannot be read; blobs younger than --min-age, because other
tools write theirs before what needs them. Copies into the layout are waited for.";

#[derive(Debug, Args)]
#[command(after_help = DELETE_NOTES)]
pub(crate) struct Delete {
    /// The images; those that are chosen by @INDEX go first, the last one of them before the others
    #[arg(required = true, value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) references: Vec<String>,

    /// Give up when another process still writes there after this time, e.g. 90s [default: wait for it]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) lock_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = GC_NOTES)]
pub(crate) struct Gc {
    /// The layout
    #[arg(value_name = "REFERENCE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) reference: String,

    /// Delete what is found, instead of listing it
    #[arg(long)]
    pub(crate) delete: bool,

    /// Spare what is younger than this; 0 spares nothing
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = values::age)]
    pub(crate) min_age: Duration,

    /// Give up when another process still writes there after this time, e.g. 90s [default: wait for it]
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) lock_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) common: Common,
}
