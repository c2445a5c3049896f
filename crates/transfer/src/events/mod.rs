//! Events of a transfer: emitted once each, in order, and queued for slow readers.

pub(crate) mod emit;
pub(crate) mod event;
pub(crate) mod ledger;
pub(crate) mod queue;
