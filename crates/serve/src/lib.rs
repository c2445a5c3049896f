//! An OCI registry over places that hold images, for [transship](https://docs.rs/transship).
//!
//! [`Registry`] answers requests of the
//! [distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md) from any places that
//! transports can read. Nothing is unpacked, and nothing is written but to a place that is [writable](Place::writable). [`Server`] takes connections for it.
//!
//! | question | answer |
//! |---|---|
//! | which names | [`Registry::find`](Registry#names) |
//! | which blobs | those of the images, looked for in all places: a delta is served together with its base |
//! | what is checked | each blob, while it is sent: a wrong one is cut before its last byte |
//! | what changes | a layout, folder or archive that is changed or replaced is read again with the next request; what has no path, after 30 s |
//! | how much memory | three chunks of 128 KiB for each answer that is being sent, 16 MiB that were read last, which answers share, several MiB for each of up to 8 blobs that are no files, and the index of the images |
//!
//! [`protocol`] has the parts without a store behind them, for other registries.

mod blobs;
mod chunks;
mod credential;
mod current;
mod image;
mod index;
mod lists;
mod manifests;
mod names;
mod pace;
mod place;
pub mod protocol;
mod push;
mod registry;
mod reply;
mod sending;
mod server;
mod stalls;
mod tls;
mod verdict;
mod view;

pub use credential::Credential;
pub use place::Place;
pub use registry::{Registry, Repository};
pub use sending::Sending;
pub use server::{Server, ServerOptions};
pub use tls::Tls;
