//! `transship serve` from outside: the specification's cases, real clients, faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(all(
    unix,
    feature = "serve",
    feature = "docker-archive",
    feature = "oci-layout",
    feature = "directory",
    feature = "registry"
))]

mod air_gap;
mod changes;
mod changing;
mod clients;
mod control;
mod faults;
mod full;
mod http;
mod layout;
#[cfg(target_os = "linux")]
#[path = "../cli/memory.rs"]
mod memory;
#[path = "../cli/nobody.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command")]
mod nobody;
mod places;
mod push;
#[path = "../../../docker-daemon/tests/engine/running.rs"]
#[allow(dead_code, reason = "shared with the tests of the transport")]
mod running;
mod serving;
#[path = "../cli/session.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command")]
mod session;
mod spec;
