//! Every ordered pair of linked transports: golden archives of real tools, generated images and archives of them, deltas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(all(feature = "docker-archive", feature = "oci-layout", feature = "directory"))]

#[cfg(feature = "registry")]
mod apart;
mod archives;
#[cfg(feature = "registry")]
mod beside;
#[cfg(feature = "registry")]
mod costs;
#[cfg(feature = "registry")]
mod damage;
mod deltas;
mod generated;
mod goldens;
mod lab;
#[cfg(feature = "registry")]
mod registry;
