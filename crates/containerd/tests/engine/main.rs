//! A real containerd, started in a folder of its own. It needs root, and tests are skipped by name without it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(unix)]

mod cri;
mod cut;
mod errors;
mod kit;
mod lease;
mod old;
mod proxy;
mod real;
mod sample;
mod server;
