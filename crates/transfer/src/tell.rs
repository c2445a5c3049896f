//! Tells an observer what happens, and one end of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transship_core::{Error, ErrorKind, Notice, Observer};

use crate::ledger::Ledger;
use crate::{BlobId, Event, EventKind, Events, ImageId, TransferId};

/// Tells the events of one transfer, in an order that all see, and none after the end.
///
/// Dropped without an end, it tells that the transfer was cancelled.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Told>);

#[derive(Debug)]
struct Told {
    transfer: TransferId,
    events: Events,
    ledger: Mutex<Ledger>,
}

/// Tells events from elsewhere, as long as the transfer lasts.
#[derive(Clone, Debug)]
pub(crate) struct Tell(Arc<Told>);

impl Teller {
    pub(crate) fn new(events: Events) -> Self {
        let transfer = TransferId::next();
        Self(Arc::new(Told { transfer, events, ledger: Mutex::default() }))
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

    pub(crate) fn warn(&self, image: Option<ImageId>, text: impl Into<String>) {
        self.tell(EventKind::Warning { image, text: text.into() });
    }

    /// Of a blob of so many bytes that is on its way and is read from its start now.
    pub(crate) fn reading(&self, blob: BlobId, size: u64) -> Reading {
        let number = self.0.ledger().readings(blob);
        Reading { told: Arc::clone(&self.0), blob, number, ahead: Arc::new(AtomicU64::new(size)) }
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
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    told: Arc<Told>,
    blob: BlobId,
    number: usize,
    /// Bytes that have not passed yet. A transport that goes on after a cut may read what has passed once more, and that
    /// counts once.
    ahead: Arc<AtomicU64>,
}

impl Reading {
    pub(crate) fn advanced(&self, bytes: u64) {
        let Self { told, blob, number, ahead } = self;
        let ledger = told.ledger();
        if ledger.counts(*blob, *number) {
            let left = ahead.load(Ordering::Relaxed);
            let bytes = bytes.min(left);
            ahead.store(left - bytes, Ordering::Relaxed);
            if bytes == 0 {
                return;
            }
            let kind = EventKind::Advanced { blob: *blob, bytes };
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

#[cfg(test)]
mod tests {
    use transship_core::{MediaType, sha256};

    use super::*;

    #[test]
    fn what_is_read_twice_counts_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let teller = Teller::new(Events::new(move |event| {
            if let EventKind::Advanced { bytes, .. } = event.kind {
                into.lock().unwrap().push(bytes);
            }
        }));
        let (tell, blob) = (teller.handle(), BlobId(0));
        tell.tell(EventKind::BlobStarted {
            blob,
            image: ImageId(0),
            digest: sha256(b"blob"),
            media_type: MediaType::ImageLayer,
            size: 10,
        });
        let reading = tell.reading(blob, 10);
        // A server lost what came after the first piece, and all is read again to get there.
        for bytes in [4, 4, 4, 4, 2] {
            reading.advanced(bytes);
        }
        assert_eq!(*seen.lock().unwrap(), [4, 4, 2]);
    }
}
