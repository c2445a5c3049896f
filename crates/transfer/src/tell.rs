//! Tells an observer what happens, and one end of it.

use std::sync::{Arc, Mutex, PoisonError};

use transship_core::{Error, ErrorKind, Notice, Observer};

use crate::{Event, EventKind, Events, ImageId, TransferId};

/// Tells the events of one transfer, in an order that all see, and none after the end.
///
/// Dropped without an end, it tells that the transfer was cancelled.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Told>);

#[derive(Debug)]
struct Told {
    transfer: TransferId,
    events: Events,
    ended: Mutex<bool>,
}

/// Tells events from elsewhere, as long as the transfer lasts.
#[derive(Clone, Debug)]
pub(crate) struct Tell(Arc<Told>);

impl Teller {
    pub(crate) fn new(events: Events) -> Self {
        let transfer = TransferId::next();
        Self(Arc::new(Told { transfer, events, ended: Mutex::new(false) }))
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

    /// An observer for transports, which know nothing of images by number.
    pub(crate) fn observer(&self) -> Observer {
        let told = self.clone();
        Observer::new(move |notice| match notice {
            Notice::Retrying { what, why } => {
                told.warn(None, format!("trying {what} again: {why}"));
            }
            Notice::Warning(text) => told.warn(None, text),
            _ => {}
        })
    }
}

impl Told {
    fn tell(&self, kind: EventKind) {
        // Held while the observer runs, so that nothing can come after the end.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if !*ended {
            *ended = kind.is_end();
            self.events.tell(&Event { transfer: self.transfer, kind });
        }
    }
}
