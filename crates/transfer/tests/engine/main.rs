//! The engine between places in memory.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::wildcard_imports,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod failures;
mod faults;
mod formats;
mod forms;
mod history;
mod images;
mod indexes;
mod many;
mod memory;
mod names;
mod once;
mod order;
mod random;
mod referrers;
mod remember;
mod shown;
mod subsets;

use transship_core::Result;
use transship_transfer::{Plan, Report, Source, Transfer, TransferOptions};

use memory::Memory;

/// Options as a test wants them.
pub fn options(change: impl FnOnce(&mut TransferOptions)) -> TransferOptions {
    let mut options = TransferOptions::default();
    change(&mut options);
    options
}

pub fn transfer(from: &Memory, to: &Memory, options: TransferOptions) -> Transfer {
    Transfer::new(from.at("box"), to.at("box"))
        .from_transports(from.alone())
        .to_transports(to.alone())
        .options(options)
}

pub async fn copy(from: &Memory, to: &Memory, options: TransferOptions) -> Result<Report> {
    let report = transfer(from, to, options).run().await;
    assert_eq!(to.state().open, 0, "a destination was left open");
    report
}

pub async fn plan(from: &Memory, to: &Memory, options: TransferOptions) -> Result<Plan> {
    let plan = transfer(from, to, options).plan().await;
    assert!(to.state().log.is_empty(), "planning writes nothing");
    plan
}

/// Copies one of several images.
pub async fn copy_at(
    from: &Memory,
    at: &str,
    to: &Memory,
    options: TransferOptions,
) -> Result<Report> {
    Transfer::many([Source::from(from.at(at))], to.at("box"))
        .from_transports(from.alone())
        .to_transports(to.alone())
        .options(options)
        .run()
        .await
}
