//! The registry in the kit, asked by a client that writes its requests byte by byte.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod client;

mod auth;
mod blobs;
mod faults;
mod lists;
mod manifests;
mod tls;
mod uploads;

use transship_test_registry::{Options, Registry};

/// A registry that differs from the default in something.
fn registry(change: impl FnOnce(&mut Options)) -> Registry {
    let mut options = Options::default();
    change(&mut options);
    Registry::start(options).unwrap()
}
