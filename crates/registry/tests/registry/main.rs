//! `docker://` against a registry in the test's own process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod answers;
mod auth;
mod catalog;
mod common;
mod cuts;
mod delete;
mod differ;
mod ends;
mod hostile;
mod hosts;
mod many;
mod mirrors;
mod pieces;
mod pull;
mod push;
mod rate;
mod real;
mod referrers;
mod tls;
mod trouble;
