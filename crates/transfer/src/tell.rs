//! Tells an observer what happens, and one end of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transship_core::{Error, ErrorKind, Notice, Observer, Reference};

use crate::ledger::Ledger;
use crate::{BlobId, Event, EventKind, Events, ImageId, Published, TransferId};

/// Tells the events of one transfer, in an order that all see, and none after the end.
///
/// Dropped without an end, it tells that the transfer was cancelled.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Told>);

#[derive(Debug)]
struct Told {
    transfer: TransferId,
    events: Events,
    published: Published,
    ledger: Mutex<Ledger>,
}

/// Tells events from elsewhere, as long as the transfer lasts.
#[derive(Clone, Debug)]
pub(crate) struct Tell(Arc<Told>);

impl Teller {
    pub(crate) fn new(events: Events, published: Published) -> Self {
        let transfer = TransferId::next();
        Self(Arc::new(Told { transfer, events, published, ledger: Mutex::default() }))
    }

    pub(crate) fn handle(&self) -> Tell {
        Tell(Arc::clone(&self.0))
    }

    /// Tells the end.
    pub(crate) fn end<T>(self, result: &Result<T, Error>) {
        self.0.tell(match result {
            Ok(_) => EventKind::Finished,
            Err(error) if error.kind() == ErrorKind::Cancelled => EventKind::Cancelled,
            Err(error) => {
                EventKind::Failed { kind: error.kind().to_string(), error: error.to_string() }
            }
        });
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.tell(EventKind::Cancelled);
    }
}

impl Tell {
    pub(crate) fn tell(&self, kind: EventKind) {
        self.0.tell(kind);
    }

    /// Images show now.
    pub(crate) fn published(&self, references: &[Reference]) {
        self.0.published.add(references);
    }

    pub(crate) fn warn(&self, image: Option<ImageId>, text: impl Into<String>) {
        self.tell(EventKind::Warning { image, text: text.into() });
    }

    /// Of a blob that is on its way and is read from its start now.
    pub(crate) fn reading(&self, blob: BlobId) -> Reading {
        let number = self.0.ledger().readings(blob);
        Reading { told: Arc::clone(&self.0), blob, number }
    }

    /// An observer for transports, which know nothing of images by number.
    pub(crate) fn observer(&self) -> Observer {
        let told = self.clone();
        Observer::new(move |notice| match notice {
            Notice::Retrying { what, why } => {
                told.tell(EventKind::Retrying { what, why });
            }
            Notice::Warning(text) => told.warn(None, text),
            _ => {}
        })
    }
}

impl Told {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, kind: EventKind) {
        // Held while the observer runs, so that nothing can come after an end.
        let mut ledger = self.ledger();
        for kind in ledger.enter(kind) {
            self.events.tell(&Event { transfer: self.transfer, kind });
        }
    }
}

/// One reading of a blob. What it still has to say when the next has begun, or the blob has ended, nobody hears.
#[derive(Debug)]
pub(crate) struct Reading {
    told: Arc<Told>,
    blob: BlobId,
    number: usize,
}

impl Reading {
    pub(crate) fn advanced(&self, bytes: u64) {
        let Self { told, blob, number } = self;
        let mut ledger = told.ledger();
        if let Some(kind) = ledger.advance(*blob, *number, bytes) {
            told.events.tell(&Event { transfer: told.transfer, kind });
        }
    }
}

/// A blob on its way. Dropped without an end, it tells that it was given up.
#[derive(Debug)]
pub(crate) struct OnItsWay<'t> {
    tell: &'t Tell,
    pub(crate) id: BlobId,
}

impl<'t> OnItsWay<'t> {
    pub(crate) fn new(tell: &'t Tell, id: BlobId) -> Self {
        Self { tell, id }
    }

    pub(crate) fn failed(&self, error: &Error) {
        if error.kind() != ErrorKind::Cancelled {
            let (kind, error) = (error.kind().to_string(), error.to_string());
            self.tell.tell(EventKind::BlobFailed { blob: self.id, kind, error });
        }
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.tell.tell(EventKind::BlobCancelled { blob: self.id });
    }
}
