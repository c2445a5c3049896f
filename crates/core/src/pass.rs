//! [`OnePass`] and [`Staging`]: reading an archive that comes once, and keeping its blobs before it is known what they
//! are for.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Body, FileRange, ReadOptions, Reference, Result, Stored};

/// The ability to read an archive that comes once, from a pipe, in one pass: its members in order, each blob put where
/// it is going while it passes. What lists the images is often the last of it, and decides at the end.
///
/// To read one: [`pass`](Self::pass), then [`Transport::source`](crate::Transport::source) or
/// [`Archives::read`](crate::Archives::read) with the result in [`ReadOptions::passed`].
#[async_trait]
pub trait OnePass: Send + Sync {
    /// Whether what is there comes in one pass, and not at random: a pipe, which can be read only once, or what an engine saves,
    /// which is sent anew for each reader. What cannot be looked at comes not once: opening it says why.
    ///
    /// - Reads nothing of it.
    async fn comes_once(&self, at: &Reference) -> bool;

    /// Looks whether one image is chosen, as far as that shows before a pass: in the list of an engine, and not in a pipe. To be asked
    /// where one image is to be read.
    ///
    /// - `Ambiguous`, before anything passes, where several images are listed and none is chosen.
    async fn chosen(&self, at: &Reference) -> Result<()> {
        let _ = at;
        Ok(())
    }

    /// Reads it to its end. What the reference says beyond the archive's place is not looked at.
    ///
    /// - Opened with the result of its pass, it has the images, documents and blobs that it has when it is read at random, and is
    ///   refused for the same faults.
    /// - What has 1 MiB or more, does not look like JSON and has a sha256 digest is staged, in order, one after the other. Documents
    ///   and what has another digest are kept aside; without staging all is.
    /// - `Corrupt`, saying where, when it ends early. A tar that ends between two entries may lack its end mark alone: it may be read as
    ///   a whole one where all of its images are listed, and may be `NotFound` where none is.
    async fn pass(
        &self,
        at: &Reference,
        how: &ReadOptions,
        into: Option<&dyn Staging>,
    ) -> Result<Passed>;
}

/// The result of a pass, for [`ReadOptions::passed`]. Only transports of the same format can read it.
#[derive(Clone)]
pub struct Passed(Arc<dyn Any + Send + Sync>);

impl Passed {
    /// Of what a transport has to know to open it.
    pub fn new<T: Any + Send + Sync>(what: T) -> Self {
        Self(Arc::new(what))
    }

    /// The same again, if it is of that type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passed")
    }
}

/// The ability to keep blobs before it is known which image they are for, or whether any.
#[async_trait]
pub trait Staging: Send + Sync {
    /// Keeps a blob under its sha256 digest.
    ///
    /// - Every image that is written there has it: [`has`](crate::ImageDestination::has) says so.
    /// - What no image refers to is gone when the images show.
    /// - A body that fails midway fails with that cause, and nothing is kept.
    async fn stage(&self, body: Body) -> Result<Staged>;
}

/// A blob that was kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Staged {
    /// Digest and size.
    pub stored: Stored,
    /// Its bytes, which can be read until the images show.
    pub bytes: FileRange,
}

impl Staged {
    /// What was kept, and where.
    pub fn new(stored: Stored, bytes: FileRange) -> Self {
        Self { stored, bytes }
    }
}
