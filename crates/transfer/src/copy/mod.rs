//! Copies the blobs of a plan: each once, with bounded concurrency.

pub(crate) mod ahead;
pub(crate) mod blob;
pub(crate) mod cache;
pub(crate) mod recompress;
pub(crate) mod run;
pub(crate) mod schedule;
