//! The vocabulary and the traits of [transship](https://docs.rs/transship).
//!
//! | word | meaning | here |
//! |---|---|---|
//! | image | a manifest, its config and its layers | [`ImageSource`], [`ImageDestination`] |
//! | index | a manifest that lists manifests, one per platform | [`Manifest`], [`IndexDocument`] |
//! | blob | bytes with a digest: a config or a layer | [`Body`], [`Descriptor`] |
//! | transport | a way to keep images | [`Transport`] |
//! | reference | `scheme:locator`, where one image is | [`Reference`] |
//! | archive | a place that holds several images | [`Archives`] |
//! | image name | the text an image is stored under in its archive | [`ImageName`], [`DockerName`] |
//!
//! To add a transport, implement [`Transport`], [`ImageSource`] and [`ImageDestination`], and
//! [`Archives`] where a place holds several images. Each bullet in their docs is a promise that callers build on, and a law of
//! the kit `transship-conformance`. The manual of the crate `transship` has a chapter that does it step by step.
//!
//! Facts, hints and results are three types: a [`Descriptor`] is a fact, an [`Expect`] a hint, a [`Stored`] a result.
//! Bytes have one door, [`Body`], which checks them.

mod archive;
mod beside;
mod blocking;
mod body;
mod cache;
mod collection;
mod complete;
mod config;
mod descriptor;
mod destination;
mod details;
mod digest;
mod error;
mod few;
pub mod fields;
mod hasher;
mod hint;
mod identity;
mod layer_type;
mod manifest;
mod media_type;
mod name;
mod once;
mod options;
mod pass;
mod platform;
mod recognize;
mod reference;
mod small_file;
mod source;
mod to_end;
mod transport;
mod transport_option;
mod transports;
mod walk;
mod without_password;
mod wrap;

pub use archive::{ArchiveEntry, ArchiveReader, ArchiveWriter, Archives};
pub use beside::{subject_of_tag, tag_beside, tags_beside};
pub use blocking::{Cancel, cancelled, run_blocking};
pub use body::{Body, BodyReader, ByteStream, Chunks, Expect, FileRange, Stored};
pub use cache::{Cache, Memo};
pub use collection::{CollectMode, CollectOptions, Collected, Collection, Garbage, Kept};
pub use complete::{Available, Complete};
pub use config::{ImageConfig, chain_id};
pub use descriptor::Descriptor;
pub use destination::{
    Accepts, AcceptsLayers, AcceptsManifests, AcceptsNameless, AcceptsNames, AcceptsOrder,
    AcceptsReferrers, Artifacts, Commit, Committed, Contents, Deltas, ImageDestination, LayerForm,
    PutBeside, PutSignatures, Shows, Sparse, TagsMove, WithoutBeside,
};
pub use details::{ConfigPlatforms, EntryDetails};
pub use digest::{Digest, DigestAlgorithm, DigestError, EMPTY_JSON_DIGEST, parse_digest};
pub use error::{Error, ErrorKind, Escaped, Result, ResultExt};
pub use few::few;
pub use hasher::{Hasher, sha256};
pub use hint::Hint;
pub use identity::Identity;
pub use layer_type::{Format, LayerType};
pub use manifest::{
    CONFIG_LIMIT, Document, ImageDocument, IndexDocument, MANIFEST_LIMIT, Manifest, is_index_type,
    media_types,
};
pub use media_type::MediaType;
pub use name::{DockerName, ImageName, without_repeats};
pub use once::OncePer;
pub use options::{
    DeleteMode, DeleteOptions, DeletedNames, Notice, Observer, ReadOptions, Settings, WriteMode,
    WriteOptions, spool_folder,
};
pub use pass::{OnePass, Passed, Staged, Staging};
pub use platform::Platform;
pub use recognize::{Candidate, Recognized};
pub use reference::Reference;
pub use small_file::small_file;
pub use source::{ImageSource, Referrers, Signatures, needed_blob};
pub use to_end::{settled, spawn_to_end};
pub use transport::{Deletion, Transport};
pub use transport_option::{OptionSide, TransportOption};
pub use transports::{Registration, Transports};
pub use walk::{
    INDEX_DEPTH, Listed, MANIFESTS_LIMIT, Visit, Visitor, walk, walk_from, walk_listed,
};
pub use without_password::without_password;
pub use wrap::{
    WrapArchives, WrapCollection, WrapContents, WrapDeletion, WrapDestination, WrapOnePass,
    WrapReader, WrapReferrers, WrapSource, WrapTransport, WrapWriter,
};

#[doc(hidden)]
pub use inventory;
