//! Archives that get more images, and fewer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod append;
#[path = "../support/mod.rs"]
mod support;
