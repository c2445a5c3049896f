//! [`Transport`]: a way to keep images.

use std::fmt;

use async_trait::async_trait;

use crate::{
    Archives, Cancel, Candidate, Collection, DeleteOptions, Digest, Error, ErrorKind, Identity,
    ImageDestination, ImageSource, ReadOptions, Recognized, Reference, Result, WriteMode,
    WriteOptions,
};

/// A way to keep images. Configuration belongs to the value (see [`Registration`](crate::Registration)), not to each
/// call.
///
/// - Methods that are `async` are called within a tokio runtime, which may have a single thread, and do not block it: blocking
///   work goes through [`run_blocking`](crate::run_blocking).
/// - They need no particular runtime: the next call may come from another one, when the first has ended.
///
/// Any of their futures may be dropped at any time.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// What stands before the first colon of a reference.
    fn scheme(&self) -> &'static str;

    /// The grammar of a locator on one line, for help: `PATH[:NAME|:@INDEX|@DIGEST]`.
    fn syntax(&self) -> &'static str;

    /// What writing to an archive that is there already means when the caller does not say.
    ///
    /// - Writing without a mode does just that.
    fn default_mode(&self) -> WriteMode;

    /// Checks and canonicalizes a locator.
    ///
    /// - It does no I/O and never panics.
    /// - For every `r` that it returns, `parse(r.locator())` equals `r`.
    /// - What cannot be expressed is refused with `InvalidInput` and the reason, never turned into something else.
    /// - A path is taken as it is written: nothing in it is decoded, trimmed or folded.
    fn parse(&self, locator: &str) -> Result<Reference>;

    /// Whether what is at a path, or comes on the standard input, is a place of this transport: for people who give a path
    /// without a transport. It blocks. The locator that it gives is that of the place: a path that is not UTF-8 has none, and
    /// `-` has one only where the transport reads the standard input. By default, nothing is recognized.
    ///
    /// - What it recognizes can be read by the locator that it gives, and with what it opened.
    /// - It changes nothing, and recognizes no empty file, no empty folder and no text.
    ///
    /// Look at [`head`](Candidate::head) first. A transport that has to open the place for it uses
    /// [`open_once`](Candidate::open_once), and gives what it opened in [`Recognized::opened`].
    fn recognize(&self, found: &Candidate, cancel: &Cancel) -> Result<Option<Recognized>> {
        let _ = (found, cancel);
        Ok(None)
    }

    /// Opens one image for reading.
    ///
    /// - `NotFound` when the archive or the image is not there; the error lists the names that are.
    /// - `Ambiguous` when several images fit, or none is chosen of several.
    /// - Equal references open equal images: by any value of the transport, what another one wrote too.
    async fn source(&self, at: &Reference, how: &ReadOptions) -> Result<Box<dyn ImageSource>>;

    /// What policies on trust call an image: its scopes and its name. It may read the file system, and blocks. By default, its
    /// scopes are unknown, so that a policy with scopes for this transport is not met.
    fn identity(&self, at: &Reference) -> Identity {
        let _ = at;
        Identity::with_unknown_scopes()
    }

    /// Whether a place holds indexes. Where not, one image of an index is copied, and it is known which one before the place is
    /// opened. Engines are asked.
    ///
    /// - It says what [`Accepts`](crate::Accepts) of its destinations says.
    async fn holds_indexes(&self, at: &Reference) -> Result<bool> {
        let _ = at;
        Ok(true)
    }

    /// Whether the descriptor of a root costs less than the root, as in a registry, where a HEAD request is enough and is not counted as
    /// a pull. Then sources follow [`ReadOptions::compare`], and destinations answer
    /// [`shows`](crate::ImageDestination::shows): an image that is there already is not read.
    ///
    /// - Where it does, an image that is opened to be compared gives its root's descriptor.
    fn compares_roots(&self) -> bool {
        false
    }

    /// Opens a place for one image.
    ///
    /// - Nothing changes that shows.
    /// - The image's names are fixed here: the one in the reference and those of the options. Names beyond what
    ///   [`Accepts`](crate::Accepts) says are refused with `Unsupported`.
    /// - The image is the one that the reference names afterwards, where it names one.
    /// - `AlreadyExists` when the mode is [`Create`](WriteMode::Create) and the archive is there.
    /// - Any number may append to one archive at once; none loses another's image.
    async fn destination(
        &self,
        at: &Reference,
        how: &WriteOptions,
    ) -> Result<Box<dyn ImageDestination>>;

    /// The ability to hold several images in one archive.
    ///
    /// - It is there if, and only if, a place holds several images.
    fn archives(&self) -> Option<&dyn Archives> {
        None
    }

    /// The ability to delete.
    fn deletion(&self) -> Option<&dyn Deletion> {
        None
    }

    /// The ability to remove what no image needs.
    fn collection(&self) -> Option<&dyn Collection> {
        None
    }
}

/// The ability to delete images.
#[async_trait]
pub trait Deletion: Send + Sync {
    /// Deletes that image and nothing else: its names go, blobs that others use stay.
    ///
    /// - By one of several names, that name goes, and the image stays under the others.
    /// - Chosen otherwise, the image goes with all of its names.
    /// - Asked for [all names](crate::DeletedNames::All), it deletes the image with all of them, by whichever it is chosen.
    /// - What only it needed goes with it, or with the next [collection](Transport::collection) where there is one.
    /// - `NotFound` and `Ambiguous` as in opening it; then nothing has changed.
    /// - It is durable, and all or nothing, also when its future is dropped.
    /// - What others commit meanwhile stays, whole. A commit that counted on what went with the image may fail with `Conflict`.
    /// - Where what is there cannot be read, it fails, and nothing has changed.
    /// - Told to [look](crate::DeleteMode::Look), it changes nothing, and does not find what deleting would not find.
    ///
    /// Where a name cannot go without the others, as in some registries, it is `Unsupported`, and nothing has changed; unless
    /// all of these are to go [as well](DeleteOptions::also).
    async fn delete(&self, at: &Reference, how: &DeleteOptions) -> Result<()>;

    /// [Deletes](Self::delete) that image if its root has this digest.
    ///
    /// - Another root is a `Conflict`, and nothing has changed. Nobody comes between the look and the deletion.
    ///
    /// By default it is `Unsupported`: the place cannot do both in one step.
    async fn delete_if(&self, at: &Reference, root: &Digest, how: &DeleteOptions) -> Result<()> {
        let _ = (root, how);
        let message = "it cannot be looked at and deleted in one step";
        Err(Error::new(ErrorKind::Unsupported, message).context(at))
    }
}
