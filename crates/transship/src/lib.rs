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
//!
//! # Progress, errors, lists
//!
//! [`Events`] say what happens while it happens, and [`Error::kind`] is what to match on. A place that may hold several images is
//! listed by the [`archives`](transport::Transport::archives) of its transport. A [`Transfer`] opens places with transports of its own,
//! without settings, unless it is given those that have them:
//!
//! ```
//! use transship::{ErrorKind, EventKind, Events, Images, ReadOptions, Result};
//! use transship::{Transfer, TransferOptions, Transports};
//!
//! async fn copy_and_list(transports: &Transports, from: &str, to: &str) -> Result<()> {
//!     let (from, to) = (transports.parse(from)?, transports.parse(to)?);
//!     // It is called from several threads, and must return at once.
//!     let events = Events::new(|event| match &event.kind {
//!         EventKind::Planned { bytes, .. } => println!("{bytes} bytes in all"),
//!         EventKind::Advanced { bytes, .. } | EventKind::Reused { size: bytes, .. } => println!("{bytes} more"),
//!         EventKind::Warning { text, .. } => println!("warning: {text}"),
//!         _ => {}
//!     });
//!     let options = TransferOptions::default().with_images(Images::All).with_observer(events);
//!     let transfer = Transfer::new(&from, &to)
//!         .options(options)
//!         .from_transports(transports.clone())
//!         .to_transports(transports.clone());
//!     match transfer.run().await {
//!         Ok(report) => println!("{} images", report.images.len()),
//!         Err(error) if error.kind() == ErrorKind::NotFound => println!("it is not there: {error}"),
//!         Err(error) if error.retryable() => println!("later it may succeed: {error}"),
//!         Err(error) => return Err(error),
//!     }
//!     // `None` where places hold single images.
//!     let Some(archives) = transports.of(&to)?.archives() else { return Ok(()) };
//!     for entry in archives.read(&to, &ReadOptions::default()).await?.entries() {
//!         println!("{} {:?}", entry.reference, entry.names); // the reference opens that image
//!     }
//!     Ok(())
//! }
//! # let folder = std::env::temp_dir().join(format!("transship-lists-{}", std::process::id()));
//! # let from = concat!("docker-archive:", env!("CARGO_MANIFEST_DIR"), "/../../examples/data/hello.tar");
//! # let to = format!("oci:{}", folder.display());
//! # let transports = Transports::linked(&transship::Settings::new())?;
//! # let copied = tokio::runtime::Runtime::new()?.block_on(copy_and_list(&transports, from, &to));
//! # copied?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

pub use transship_core::register_transport;
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
