//! The engine of [transship](https://docs.rs/transship): [`Transfer`] copies images from where they are to where they
//! should be. It names no transport; what a source and a destination can do decides what happens.
//!
//! The stages, each a module: *select* which images and platforms; *plan* which blobs move, change form or are there
//! already; *execute* with bounded concurrency; *convert* the manifests; *commit* in order; *report*.

mod ahead;
mod build;
pub mod codec;
mod convert;
mod dry_run;
mod event;
mod execute;
mod finish;
mod forms;
mod layer;
mod look;
mod open;
mod options;
mod plan;
mod planner;
mod prepare;
mod recompress;
mod report;
mod run;
mod select;
mod target;
mod tell;
mod text;
mod transfer;
mod tree;
mod verify;

pub use event::{BlobId, Event, EventKind, Events, ImageId, TransferId};
pub use options::{
    Compress, Digests, Format, Images, Nondistributable, Platforms, TransferOptions,
};
pub use report::{BlobFate, ImageReport, Plan, PlannedBlob, PlannedImage, PlatformsReport, Report};
pub use transfer::{Destination, Source, Transfer};
pub use verify::{Checked, Findings, Problem, Verifier};
