//! The command from outside: exit codes, stdout, stderr, as snapshots of what a person sees.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(all(unix, feature = "docker-archive", feature = "oci-layout", feature = "directory"))]

#[cfg(feature = "registry")]
mod carried;
mod copy;
#[cfg(feature = "registry")]
mod delete;
#[cfg(feature = "docker-daemon")]
mod docker;
#[cfg(feature = "containerd")]
mod engines;
mod forms;
mod help;
#[cfg(feature = "registry")]
#[path = "../serve/http.rs"]
#[allow(dead_code, reason = "shared with the tests of serve")]
mod http;
#[cfg(feature = "registry")]
mod judged;
#[path = "../serve/layout.rs"]
#[allow(dead_code, reason = "shared with the tests of serve")]
mod layout;
#[cfg(feature = "registry")]
mod login;
#[cfg(feature = "registry")]
mod lookaside;
mod make;
mod many;
mod measure;
mod memory;
mod nobody;
#[cfg(feature = "registry")]
#[path = "../../../trust/tests/npm/ask.rs"]
mod npm;
mod places;
mod read;
#[cfg(feature = "registry")]
mod refusals;
#[cfg(feature = "registry")]
mod repositories;
#[cfg(feature = "registry")]
mod requests;
#[cfg(feature = "docker-daemon")]
#[path = "../../../docker-daemon/tests/engine/running.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "shared with the tests of the transport")]
mod running;
mod session;
#[cfg(feature = "registry")]
mod signing;
mod stop;
mod streams;
#[cfg(feature = "registry")]
mod sync;
#[cfg(feature = "registry")]
mod sync_file;
#[cfg(feature = "registry")]
mod trust;
#[cfg(all(feature = "containerd", feature = "containers-storage", feature = "docker-daemon"))]
mod variables;
mod wrong;
