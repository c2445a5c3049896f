//! [`EventQueue`]: events that wait for a reader who may be slow.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::locked;
use crate::{BlobId, Event, EventKind, Events, TransferId};

/// The other end of [`Events::queued`]: gives events in their order, from any thread, and never makes the transfer wait. Only
/// methods whose names say so block.
///
/// While nobody reads, bytes of one blob are added up in one [`Advanced`](EventKind::Advanced), and those of a stream in one
/// [`StreamAdvanced`](EventKind::StreamAdvanced), so that what waits is bounded by the number of images, blobs, warnings
/// and tries. Nothing is left out.
pub struct EventQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// For those who do not block.
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// How many were taken before the first that waits.
    taken: usize,
    /// The number of an event that waits and to which more bytes of its blob, or of the stream, can be added.
    advanced: HashMap<(TransferId, Option<BlobId>), usize>,
    closed: bool,
}

impl EventQueue {
    pub(crate) fn pair() -> (Events, Self) {
        let shared = Arc::new(Shared::default());
        let sender = QueueSender(Arc::clone(&shared));
        (Events::new(move |event| sender.0.emit(event)), Self(shared))
    }

    /// The next event, once there is one; `None` when all clones of the observer are gone. Dropped, it has taken none.
    pub async fn recv(&self) -> Option<Event> {
        loop {
            let changed = self.0.wake.notified();
            {
                let mut waiting = self.0.lock();
                if !waiting.events.is_empty() || waiting.closed {
                    return waiting.pop();
                }
            }
            changed.await;
        }
    }

    /// As [`recv`](Self::recv), for a thread that may wait.
    pub fn blocking_recv(&self) -> Option<Event> {
        self.wait().pop()
    }

    /// The next event, if one waits.
    pub fn try_recv(&self) -> Option<Event> {
        self.0.lock().pop()
    }

    /// Blocks until an event waits: `true`; or until none will come: `false`. Takes none.
    pub fn blocking_wait(&self) -> bool {
        !self.wait().events.is_empty()
    }

    fn wait(&self) -> MutexGuard<'_, Waiting> {
        let nothing = |waiting: &mut Waiting| waiting.events.is_empty() && !waiting.closed;
        let waited = self.0.changed.wait_while(self.0.lock(), nothing);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventQueue").field("waiting", &self.0.lock().events.len()).finish()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.waiting)
    }

    fn emit(&self, event: &Event) {
        self.lock().push(event);
        self.notify();
    }

    fn notify(&self) {
        self.changed.notify_all();
        self.wake.notify_waiters();
    }
}

impl Waiting {
    fn push(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Advanced { blob, bytes } => {
                return self.add(event, Some(*blob), *bytes);
            }
            EventKind::StreamAdvanced { bytes } => return self.add(event, None, *bytes),
            EventKind::Retried { blob, .. }
            | EventKind::ReadAgain { blob }
            | EventKind::LeftOut { blob, .. }
            | EventKind::Stored { blob, .. }
            | EventKind::BlobFailed { blob, .. }
            | EventKind::BlobCancelled { blob } => {
                self.advanced.remove(&(event.transfer, Some(*blob)));
            }
            _ => {}
        }
        self.events.push_back(event.clone());
    }

    /// Adds bytes to the event that waits with others of the same, or lets this one wait.
    fn add(&mut self, event: &Event, blob: Option<BlobId>, more: u64) {
        let of = (event.transfer, blob);
        let last = self.advanced.get(&of).and_then(|at| at.checked_sub(self.taken));
        let last = last.and_then(|at| self.events.get_mut(at)).map(|event| &mut event.kind);
        if let Some(EventKind::Advanced { bytes, .. } | EventKind::StreamAdvanced { bytes }) = last
        {
            *bytes = bytes.saturating_add(more);
            return;
        }
        self.advanced.insert(of, self.taken + self.events.len());
        self.events.push_back(event.clone());
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.taken += 1;
        Some(event)
    }
}

/// The sending end. When it is dropped, no event follows.
struct QueueSender(Arc<Shared>);

impl Drop for QueueSender {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_add_up_while_nobody_reads() {
        let (events, queue) = EventQueue::pair();
        let transfer = TransferId::next();
        let advanced = |blob, bytes| EventKind::Advanced { blob: BlobId(blob), bytes };
        let retried = EventKind::Retried { blob: BlobId(1), why: "so".to_owned() };
        let emit = |kind: EventKind| events.emit(&Event { transfer, kind });
        let read = || queue.blocking_recv().map(|event| event.kind);
        for kind in
            [advanced(1, 3), advanced(2, 1), advanced(1, 4), retried.clone(), advanced(1, 5)]
        {
            emit(kind);
        }
        assert_eq!(read(), Some(advanced(1, 7)));
        assert_eq!(read(), Some(advanced(2, 1)));
        emit(advanced(2, 8));
        emit(advanced(1, 1));
        assert_eq!(read(), Some(retried));
        assert_eq!(read(), Some(advanced(1, 6)));
        assert!(queue.blocking_wait());
        assert_eq!(read(), Some(advanced(2, 8)));
        assert!(queue.try_recv().is_none());
        for bytes in [2, 3] {
            emit(EventKind::StreamAdvanced { bytes });
        }
        assert_eq!(read(), Some(EventKind::StreamAdvanced { bytes: 5 }));
        drop(events);
        assert!(!queue.blocking_wait());
        assert_eq!(read(), None);
    }

    #[tokio::test]
    async fn a_task_waits_for_events_without_blocking() {
        let (events, queue) = EventQueue::pair();
        let transfer = TransferId::next();
        let kind = EventKind::StreamAdvanced { bytes: 1 };
        let event = Event { transfer, kind };
        // On one thread: a reader that blocked would wait for ever.
        let told = event.clone();
        let emit = async move {
            tokio::task::yield_now().await;
            events.emit(&told);
            tokio::task::yield_now().await;
            drop(events);
        };
        let read = async { (queue.recv().await, queue.recv().await) };
        let (read, ()) = futures_util::future::join(read, emit).await;
        assert_eq!(read.0.map(|event| event.kind), Some(event.kind));
        assert!(read.1.is_none());
    }
}
