#![doc = include_str!("../README.md")]
//!
//! # What is where
//!
//! | for | |
//! |---|---|
//! | applications | here: references, [`Transfer`], [`Image`], [`Artifact`], [`Verifier`], events, errors |
//! | all options, reports and events of a transfer | [`transfer`] |
//! | which images are trusted, and signing | [`trust`] |
//! | authors of transports | [`transport`], and [`local`] for those that keep images on a disk |
//! | the transports themselves | [`containerd`], [`containers_storage`], [`docker_archive`], [`docker_daemon`], [`oci_layout`], [`directory`], [`registry`] |
//! | a registry over any of them | [`serve`] |
//! | reading | [`manual`] |

pub mod image;
#[cfg(feature = "registry")]
mod lookaside;
pub mod manual;

// Where images are, and what they are made of.
pub use transship_core::{
    Body, BodyReader, Descriptor, Digest, DockerName, Document, ImageName, Manifest, MediaType,
    Platform, Reference, Settings, Transports, media_types,
};

// Reads parts of images, and writes images and artifacts.
pub use image::{Artifact, Image, ImageWriter, Layer};

// Copies and checks.
pub use transship_transfer::{
    Compress, Destination, Event, EventKind, EventQueue, Events, Findings, Format, Images, Plan,
    Platforms, Rename, Report, Source, Tags, Transfer, TransferOptions, Verifier,
};

// What all of them take and give.
pub use transship_core::{
    Error, ErrorKind, Hint, Notice, Observer, ReadOptions, Result, WriteMode, WriteOptions,
};

/// All that a transport is made of: the traits, the types that they speak in, and helpers that each transport needs.
pub mod transport {
    pub use transship_core::*;
}

/// All of the engine: each option, what reports and plans say, each event.
pub mod transfer {
    pub use transship_transfer::*;
}

/// Policies, signatures and keys.
pub mod trust {
    pub use transship_trust::*;

    #[cfg(feature = "registry")]
    pub use crate::lookaside::LookasideServers;
}

pub use transship_core::{oci_spec, register_transport};
pub use transship_transfer::codec;

// A crate that is only named in Cargo.toml is not linked, and registers nothing. `tests/linked.rs` holds this list to
// the features.
#[cfg(feature = "containerd")]
pub use transship_containerd as containerd;
#[cfg(feature = "containers-storage")]
pub use transship_containers_storage as containers_storage;
#[cfg(feature = "directory")]
pub use transship_directory as directory;
#[cfg(feature = "docker-archive")]
pub use transship_docker_archive as docker_archive;
#[cfg(feature = "docker-daemon")]
pub use transship_docker_daemon as docker_daemon;
#[cfg(feature = "oci-layout")]
pub use transship_oci_layout as oci_layout;
#[cfg(feature = "registry")]
pub use transship_registry as registry;
#[cfg(feature = "serve")]
pub use transship_serve as serve;

/// What a transport of your own that keeps images on a disk can share with those that are here.
pub use transship_local as local;
