//! Emits the events of a transfer to its observer, each end once.

use std::sync::{Arc, Mutex, MutexGuard};

use transship_core::{Error, ErrorKind, Notice, Observer, Reference};

use crate::events::ledger::Ledger;
use crate::locked;
use crate::{
    BlobId, Event, EventKind, Events, ImageFailure, ImageId, Published, TransferId, TransferOptions,
};

/// Emits the events of one transfer, in one order for all, and none after the end.
///
/// Dropped without an end, it emits that the transfer was cancelled.
#[derive(Debug)]
pub(crate) struct TransferEvents(Arc<Channel>);

#[derive(Debug)]
struct Channel {
    transfer: TransferId,
    events: Events,
    published: Published,
    ledger: Mutex<Ledger>,
}

/// Emits events from any thread, until the transfer has ended.
#[derive(Clone, Debug)]
pub(crate) struct Emitter(Arc<Channel>);

impl TransferEvents {
    pub(crate) fn new(options: &TransferOptions) -> Self {
        Self(Arc::new(Channel {
            transfer: TransferId::next(),
            events: options.observer.clone(),
            published: options.published.clone(),
            ledger: Mutex::default(),
        }))
    }

    /// Events without an observer.
    pub(crate) fn silent() -> Self {
        Self::new(&TransferOptions::default())
    }

    pub(crate) fn emitter(&self) -> Emitter {
        Emitter(Arc::clone(&self.0))
    }

    pub(crate) fn end<T>(self, result: &Result<T, Error>) {
        self.0.emit(match result {
            Ok(_) => EventKind::Finished,
            Err(error) if error.kind() == ErrorKind::Cancelled => EventKind::Cancelled,
            Err(error) => {
                EventKind::Failed { kind: error.kind().to_string(), error: error.to_string() }
            }
        });
    }
}

impl Drop for TransferEvents {
    fn drop(&mut self) {
        self.0.emit(EventKind::Cancelled);
    }
}

impl Emitter {
    pub(crate) fn emit(&self, kind: EventKind) {
        self.0.emit(kind);
    }

    /// An image cannot be copied.
    pub(crate) fn image_failed(&self, failure: &ImageFailure, image: Option<ImageId>) {
        match (failure.kind, image) {
            (ErrorKind::Cancelled, None) => {}
            (ErrorKind::Cancelled, Some(image)) => self.emit(EventKind::ImageCancelled { image }),
            (kind, image) => {
                let (kind, error) = (kind.to_string(), failure.error.clone());
                self.emit(EventKind::ImageFailed { image, kind, error });
            }
        }
    }

    /// What a commit or the end of an archive does: until it has ended, whether its images show is not known.
    pub(crate) async fn publishing<T>(
        &self,
        to: Reference,
        work: impl Future<Output = transship_core::Result<T>>,
    ) -> transship_core::Result<T> {
        self.0.published.begin(to);
        let done = work.await;
        self.0.published.end(done.as_ref().err());
        done
    }

    /// Images show now.
    pub(crate) fn published(&self, references: &[Reference]) {
        self.0.published.add(references);
    }

    pub(crate) fn warn(&self, image: Option<ImageId>, text: impl Into<String>) {
        self.emit(EventKind::Warning { image, text: text.into() });
    }

    /// For a blob that was started and is now read from its beginning.
    pub(crate) fn reading(&self, blob: BlobId) -> Reading {
        let number = self.0.ledger().readings(blob);
        Reading { channel: Arc::clone(&self.0), blob, number }
    }

    /// An observer for transports, which know nothing of images by number.
    pub(crate) fn observer(&self) -> Observer {
        let channel = self.clone();
        Observer::new(move |notice| match notice {
            Notice::Retrying { what, why } => {
                channel.emit(EventKind::Retrying { what, why });
            }
            Notice::Warning(text) => channel.warn(None, text),
            Notice::Request(text) => channel.emit(EventKind::Request { text }),
            Notice::Publishing(reference) => channel.0.published.publishing(reference),
            Notice::Published(reference) => channel.published(&[reference]),
            Notice::GivenUp(reference) => channel.0.published.given_up(&reference),
            _ => {}
        })
    }
}

impl Channel {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    fn emit(&self, kind: EventKind) {
        // Held while the observer runs, so that nothing can come after an end.
        let mut ledger = self.ledger();
        for kind in ledger.enter(kind) {
            self.events.emit(&Event { transfer: self.transfer, kind });
        }
    }
}

/// One reading of a blob. It emits nothing when the next reading has begun, or the blob has ended.
#[derive(Debug)]
pub(crate) struct Reading {
    channel: Arc<Channel>,
    blob: BlobId,
    number: usize,
}

impl Reading {
    pub(crate) fn advanced(&self, bytes: u64) {
        let Self { channel, blob, number } = self;
        let mut ledger = channel.ledger();
        if let Some(kind) = ledger.advance(*blob, *number, bytes) {
            channel.events.emit(&Event { transfer: channel.transfer, kind });
        }
    }
}

/// A blob that was started. Dropped without an end, it emits that it was given up.
#[derive(Debug)]
pub(crate) struct OpenBlob<'t> {
    events: &'t Emitter,
    pub(crate) id: BlobId,
}

impl<'t> OpenBlob<'t> {
    pub(crate) fn new(events: &'t Emitter, id: BlobId) -> Self {
        Self { events, id }
    }

    pub(crate) fn failed(&self, error: &Error) {
        if error.kind() != ErrorKind::Cancelled {
            let (kind, error) = (error.kind().to_string(), error.to_string());
            self.events.emit(EventKind::BlobFailed { blob: self.id, kind, error });
        }
    }
}

impl Drop for OpenBlob<'_> {
    fn drop(&mut self) {
        self.events.emit(EventKind::BlobCancelled { blob: self.id });
    }
}
