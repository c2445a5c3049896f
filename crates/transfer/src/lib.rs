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
//! The stages, each a folder, in the order in which an image passes them: `open` (sources and destination become a batch),
//! `plan` (documents in, a plan out; what it decides it decides without I/O), `copy` (each blob once, with bounded concurrency),
//! `commit` (new manifests, commits in order, the report). `events` go to an observer; `verify` reads images again.
//!
//! What holds for all of them:
//!
//! - What need not change keeps its bytes and its digest; the bytes of a config never change.
//! - What is made anew depends on the source and the options alone, not on the machine or the number of jobs.
//! - Each blob moves once, however many images and platforms share it.
//! - All images are one future each; nothing is spawned, so dropping the transfer stops all of it.

mod commit;
mod copy;
mod events;
mod open;
mod options;
mod plan;
mod text;
mod transfer;
mod turn;
mod verify;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use commit::published::Published;
pub use commit::report::{ImageFailure, ImageReport, LayerElsewhere, PlatformsReport, Report};
pub use commit::stay::by_digest;
pub use events::event::{BlobId, Event, EventKind, Events, ImageId, TransferId};
pub use events::queue::EventQueue;
pub use open::check_policy;
pub use open::rename::Rename;
pub use open::source::Source;
pub use open::tags::Tags;
pub use options::{
    Attached, Compare, Compress, DetachedSignatures, Digests, Failures, Images, Nondistributable,
    Platforms, Sign, SignatureForm, Subset, TransferOptions,
};
pub use plan::since::{Since, digests};
pub use plan::{BlobFate, Plan, PlanTotals, PlannedBlob, PlannedImage, Sum};
pub use transfer::{Destination, Transfer};
pub use transship_compression as codec;
pub use transship_core::Format;
pub use transship_trust as trust;
pub use verify::{Checked, Findings, Problem, Verifier};

/// What a mutex holds, also after a panic: no update here stops half way.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
