//! `docker://` against a registry in the test's own process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod auth;
mod common;
mod cuts;
mod differ;
mod ends;
mod hostile;
mod many;
mod mirrors;
mod pieces;
mod pull;
mod push;
mod referrers;
mod trouble;
