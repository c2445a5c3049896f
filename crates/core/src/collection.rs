//! [`Collection`]: removing what no image needs.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Digest, Observer, Reference, Result};

/// The ability to remove what no image in an archive needs.
#[async_trait]
pub trait Collection: Send + Sync {
    /// Finds what no image needs and, in [`CollectMode::Delete`], deletes it.
    ///
    /// - Every image stays whole, and so does what is about it.
    /// - Told to look, it changes nothing.
    /// - Told to delete, it leaves nothing that it would find again.
    /// - What is younger than [`min_age`](CollectOptions::min_age) stays, because other tools write blobs before the
    ///   manifests that need them.
    /// - Writers of ours are waited for, or what they have found and put stays: each commit finds its blobs.
    /// - What might be needed stays: where a document cannot be read, everything does, and the result says so.
    async fn collect(&self, at: &Reference, how: &CollectOptions) -> Result<Collected>;
}

/// How to collect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CollectOptions {
    /// Whether to delete.
    pub mode: CollectMode,
    /// What is younger stays.
    pub min_age: Duration,
    /// Hears warnings.
    pub observer: Observer,
    /// As in [`WriteOptions::lock_timeout`](crate::WriteOptions::lock_timeout).
    pub lock_timeout: Option<Duration>,
}

impl CollectOptions {
    /// The age below which nothing is deleted by default: an hour.
    pub const MIN_AGE: Duration = Duration::from_secs(3600);

    /// In a mode, with [`MIN_AGE`](Self::MIN_AGE).
    pub fn new(mode: CollectMode) -> Self {
        Self { mode, min_age: Self::MIN_AGE, observer: Observer::default(), lock_timeout: None }
    }

    crate::setters! {
        with_min_age(min_age: Duration)
        with_observer(observer: Observer)
        with_lock_timeout(lock_timeout: Option<Duration>)
    }
}

/// Whether to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CollectMode {
    /// Find what would go, and change nothing.
    Look,
    /// Delete it.
    Delete,
}

/// What was found, or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// What no image needs, sorted. In [`CollectMode::Delete`] it is deleted.
    pub garbage: Vec<Garbage>,
    /// What stays although no image is known to need it, and why.
    pub kept: Vec<Kept>,
}

/// A blob that no image needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Garbage {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

impl Garbage {
    /// A blob of a size.
    pub fn new(digest: Digest, size: u64) -> Self {
        Self { digest, size }
    }
}

/// What stays although no image is known to need it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// A digest or a path.
    pub what: String,
    /// Why it stays.
    pub why: String,
}

impl Kept {
    /// Something, and why it stays.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl Collected {
    /// The bytes of the garbage.
    pub fn bytes(&self) -> u64 {
        self.garbage.iter().map(|garbage| garbage.size).fold(0, u64::saturating_add)
    }
}
