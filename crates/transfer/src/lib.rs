//! The engine of [transship](https://docs.rs/transship): [`Transfer`] copies images from where they are to where they
//! should be. It names no transport; what a source and a destination can do decides what happens.
//!
//! ```no_run
//! use transship_core::{Settings, Transports};
//! use transship_transfer::Transfer;
//!
//! # async fn example() -> transship_core::Result<()> {
//! // Those whose crates the program links.
//! let transports = Transports::linked(&Settings::new())?;
//! let from = transports.parse("docker-archive:images.tar:alpine:3")?;
//! let to = transports.parse("oci:layout")?;
//! let report = Transfer::new(from, to).run().await?;
//! println!("{} blobs moved", report.blobs_moved);
//! # Ok(())
//! # }
//! ```
//!
//! The stages, each a module: *open* the sources (*stream* those that come once), *target* the destination; *prepare* plans each image: *tree* reads its
//! documents, *select* chooses platforms, *planner* says what becomes of each manifest and, with *forms*, of each layer;
//! *many* holds the images of a container against each other (*survey*) and sends them off; *execute* moves blobs with
//! bounded concurrency, *recompress* changing some on the way; *build* and *convert* make the new manifests; *finish*
//! commits and reports. *select*, *planner*, *forms*, *rename*, *build* and *convert* are pure.
//!
//! What holds for all of them:
//!
//! - What need not change keeps its bytes and its digest; the bytes of a config never change.
//! - What is made anew depends on the source and the options alone, not on the machine or the number of jobs.
//! - Each blob moves once, however many images and platforms share it.
//! - All images are one future each; nothing is spawned, so dropping the transfer stops all of it.

mod ahead;
mod base;
mod build;
mod convert;
mod delta;
mod dry_run;
mod event;
mod execute;
mod finish;
mod forms;
mod layer;
mod ledger;
mod look;
mod many;
mod open;
mod options;
mod plan;
mod planner;
mod prepare;
mod published;
mod queue;
mod recompress;
mod referrers;
mod remember;
mod rename;
mod report;
mod run;
mod select;
mod signatures;
mod since;
mod source;
mod stream;
mod survey;
mod target;
mod tell;
mod text;
mod transfer;
mod tree;
mod verify;

pub use event::{BlobId, Event, EventKind, Events, ImageId, TransferId};
pub use options::{
    Attached, Compress, DetachedSignatures, Digests, Failures, Format, Images, Nondistributable,
    Platforms, Subset, TransferOptions,
};
pub use published::Published;
pub use queue::EventQueue;
pub use rename::Rename;
pub use report::{
    BlobFate, ImageFailure, ImageReport, Plan, PlanTotals, PlannedBlob, PlannedImage,
    PlatformsReport, Report, Sum,
};
pub use since::{Since, digests};
pub use source::Source;
pub use transfer::{Destination, Transfer};
pub use transship_compression as codec;
pub use verify::{Checked, Findings, Problem, Verifier};
