#![doc = include_str!("../README.md")]

mod image;

pub use image::{Artifact, Config, Image, ImageWriter, Layer};
pub use transship_core::*;
pub use transship_transfer::*;

// A crate that is only named in Cargo.toml is not linked, and registers nothing. `tests/linked.rs` holds this list to
// the features.
#[cfg(feature = "directory")]
pub use transship_directory as directory;
#[cfg(feature = "docker-archive")]
pub use transship_docker_archive as docker_archive;
#[cfg(feature = "oci-layout")]
pub use transship_oci_layout as oci_layout;
#[cfg(feature = "registry")]
pub use transship_registry as registry;

/// What a transport of your own that keeps images on a disk can share with those that are here.
pub use transship_local as local;

pub mod manual;
