//! [`Event`]: what happens in a transfer, while it happens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use transship_core::{Digest, MediaType, Reference};

use crate::{EventQueue, text};

/// Which transfer of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TransferId(u64);

/// Which image of a transfer, from 0, in the order of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ImageId(pub usize);

/// Which blob of a transfer, from 0, in the order of the plan; those that have to be copied again come after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BlobId(pub usize);

impl TransferId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Something that happened in a transfer.
///
/// What was started ends once, whatever happens:
///
/// - A transfer with `Finished`, `Failed` or `Cancelled`, after which nothing of it comes.
/// - An image with `Committed`, `ImageFailed` or `ImageCancelled`.
/// - A blob with `Stored`, `Reused`, `LeftOut`, `BlobFailed` or `BlobCancelled`. It is not started where nothing of it
///   has to be read. No number is used twice: a blob that is copied again for a second image has another.
///
/// This also holds when the transfer's future is dropped: what was still open is then cancelled, blobs first, and the
/// transfer at last.
///
/// For a bar of the whole, `Planned::bytes` is its end. `Advanced` and the sizes of `Reused` count towards it; `Retried` and
/// `ReadAgain` take back what their blob had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// In which transfer.
    pub transfer: TransferId,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. In JSON the field `event` says which, in `snake_case`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// It is known what has to be done.
    Planned {
        /// How many images.
        images: usize,
        /// How many different blobs will be needed, those that are there already among them.
        blobs: usize,
        /// Their size at the source, in bytes.
        bytes: u64,
    },
    /// A stream is read, in one pass, before it is known what has to be done.
    StreamStarted {
        /// Which.
        #[serde(serialize_with = "text::one")]
        source: Reference,
        /// Why its blobs are put into a temporary file first; `None` where they go to the destination as they pass.
        spooled: Option<String>,
    },
    /// Bytes of a blob of a stream went to the destination.
    StreamAdvanced {
        /// How many more.
        bytes: u64,
    },
    /// The first blob of an image is next, or the destination shows the image already.
    ImageStarted {
        /// Which.
        image: ImageId,
        /// Where it comes from.
        #[serde(serialize_with = "text::one")]
        source: Reference,
        /// Where it goes.
        #[serde(serialize_with = "text::one")]
        destination: Reference,
        /// The platforms that are copied. Empty where they are not known or nothing has to be done.
        platforms: Vec<String>,
        /// Whether the destination is known to show the same already: nothing of it is copied.
        unchanged: bool,
    },
    /// The copy of a blob begins.
    BlobStarted {
        /// Which.
        blob: BlobId,
        /// The first image that needs it.
        image: ImageId,
        /// Its digest at the source.
        digest: Digest,
        /// Its type at the source.
        media_type: MediaType,
        /// Its size at the source, in bytes.
        size: u64,
    },
    /// Bytes of a blob were read.
    Advanced {
        /// Which.
        blob: BlobId,
        /// How many bytes more; after [`Retried`](Self::Retried) and [`ReadAgain`](Self::ReadAgain) they count from 0
        /// again. Together they are at most its size, and exactly that when it is stored.
        bytes: u64,
    },
    /// The copy of a blob failed in a way that may pass, and is tried again.
    Retried {
        /// Which.
        blob: BlobId,
        /// Why it failed.
        why: String,
    },
    /// A blob that changes form was read to see what it becomes. The receiver of the delta does not have that, so the blob is
    /// read once more and copied.
    ReadAgain {
        /// Which.
        blob: BlobId,
    },
    /// A blob was at the destination already.
    Reused {
        /// Which.
        blob: BlobId,
        /// The first image that needs it.
        image: ImageId,
        /// Its digest there.
        digest: Digest,
        /// Its size there, in bytes.
        size: u64,
    },
    /// A blob is left out of a delta: the receiver has it. One that changes form was read to find that out.
    LeftOut {
        /// Which.
        blob: BlobId,
        /// The first image that needs it.
        image: ImageId,
        /// Its digest there.
        digest: Digest,
        /// Its size there, in bytes.
        size: u64,
    },
    /// A blob cannot be copied.
    BlobFailed {
        /// Which.
        blob: BlobId,
        /// The error's kind.
        kind: String,
        /// The error, in one line.
        error: String,
    },
    /// A blob was given up half way, because something else failed or was cancelled.
    BlobCancelled {
        /// Which.
        blob: BlobId,
    },
    /// A blob is at the destination. A blob of a stream got there before it was planned, and its bytes were counted as those
    /// of the stream.
    Stored {
        /// Which.
        blob: BlobId,
        /// Its digest there: another than before, if it changed form.
        digest: Digest,
        /// Its size there, in bytes.
        size: u64,
    },
    /// An image is complete. In an archive that shows its images together it shows with the end of the transfer.
    Committed {
        /// Which.
        image: ImageId,
        /// The digest of its root there.
        digest: Digest,
        /// References that open it.
        #[serde(serialize_with = "text::many")]
        references: Vec<Reference>,
    },
    /// An image cannot be copied. The others go on, if they were to.
    ImageFailed {
        /// Which; `None` for a source that could not be opened.
        image: Option<ImageId>,
        /// The error's kind.
        kind: String,
        /// The error, in one line.
        error: String,
    },
    /// An image was given up, because something else failed or was cancelled.
    ImageCancelled {
        /// Which.
        image: ImageId,
    },
    /// A transport tries something again that may pass, such as a request to a registry.
    Retrying {
        /// What.
        what: String,
        /// Why the last try failed.
        why: String,
    },
    /// A transport sent a request to a server and got an answer.
    Request {
        /// Both, in one line without secrets.
        text: String,
    },
    /// Something that the caller should know, and that stops nothing.
    Warning {
        /// Of which image, where it is of one.
        image: Option<ImageId>,
        /// What.
        text: String,
    },
    /// The end: all is there, but for images that failed where the others were to go on.
    Finished,
    /// The end: an error, which is also the result of the transfer.
    Failed {
        /// The error's kind.
        kind: String,
        /// The error, in one line.
        error: String,
    },
    /// The end: it was given up, or its future was dropped.
    Cancelled,
}

impl EventKind {
    /// Whether it is the last of its transfer.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Finished | Self::Failed { .. } | Self::Cancelled)
    }
}

/// An observer of [`Event`]s. It must return at once: it is called from the middle of the work, from several threads.
#[derive(Clone, Default)]
pub struct Events(Option<Arc<Callback>>);

type Callback = dyn Fn(&Event) + Send + Sync;

impl Events {
    /// An observer that calls a function.
    pub fn new(f: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    /// An observer that keeps events for a reader, which may be slow, block or stop reading: no transfer waits for it.
    ///
    /// ```
    /// # use transship_transfer::Events;
    /// let (observer, queue) = Events::queued();
    /// let shown = std::thread::spawn(move || {
    ///     while let Some(event) = queue.blocking_recv() {
    ///         println!("{event:?}");
    ///     }
    /// });
    /// // Goes to `TransferOptions::observer`; when the transfer is over, it is dropped, and the thread ends.
    /// drop(observer);
    /// shown.join().unwrap();
    /// ```
    pub fn queued() -> (Self, EventQueue) {
        EventQueue::pair()
    }

    pub(crate) fn emit(&self, event: &Event) {
        if let Some(f) = &self.0 {
            f(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Events(set)" } else { "Events(none)" })
    }
}
