//! Archives that get more images, and fewer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod append;
mod damaged;
mod delete;
#[path = "../support/mod.rs"]
mod support;
