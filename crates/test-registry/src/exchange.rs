//! What was asked and answered.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Request;
use hyper::body::Incoming;

/// One request and what became of it, as far as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// `GET`, `PUT`, ..
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// What follows `?`, as sent; empty if nothing does.
    pub query: String,
    /// All headers in the order sent, with lowercase names.
    pub headers: Vec<(String, String)>,
    /// The status of the answer; `None`: there was none (yet).
    pub status: Option<u16>,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// Bytes of the answer's body that were handed to the connection.
    pub sent: u64,
    /// Whether a [`Fault`](super::Fault) was applied.
    pub faulty: bool,
    /// Whether the client showed a certificate.
    pub client_certificate: bool,
    /// The length of the longest chain of requests that ends with this one, each of which came after the answer to the one before. With
    /// [`Fault::Late`](super::Fault::Late) each time, a client waits so often for the registry.
    pub round: usize,
}

impl Exchange {
    /// The first header of a name (lowercase).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    list: Vec<Arc<Entry>>,
    /// The largest `round` of those that were answered. To look for it in a list of many requests would take most of the time.
    longest_round: Arc<AtomicUsize>,
}

/// One of them, while it goes on.
#[derive(Debug)]
pub(super) struct Entry {
    asked: Exchange,
    status: AtomicU16,
    received: AtomicU64,
    sent: AtomicU64,
    faulty: AtomicBool,
    longest_round: Arc<AtomicUsize>,
}

impl Log {
    pub(super) fn begin(&self, request: &Request<Incoming>, certificate: bool) -> Arc<Entry> {
        let headers = request.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let mut asked = Exchange {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: headers.collect(),
            status: None,
            received: 0,
            sent: 0,
            faulty: false,
            client_certificate: certificate,
            round: 1,
        };
        let mut entries = self.entries();
        asked.round += entries.longest_round.load(Ordering::Relaxed);
        let entry = Arc::new(Entry {
            asked,
            status: AtomicU16::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            faulty: AtomicBool::new(false),
            longest_round: Arc::clone(&entries.longest_round),
        });
        entries.list.push(Arc::clone(&entry));
        entry
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.entries().list.iter().map(|entry| entry.exchange()).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.entries().list.len()
    }

    pub(super) fn clear(&self) {
        *self.entries() = Entries::default();
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
        self.longest_round.fetch_max(self.asked.round, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn faulty(&self) {
        self.faulty.store(true, Ordering::Relaxed);
    }

    fn exchange(&self) -> Exchange {
        let mut exchange = self.asked.clone();
        exchange.status = Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0);
        exchange.received = self.received.load(Ordering::Relaxed);
        exchange.sent = self.sent.load(Ordering::Relaxed);
        exchange.faulty = self.faulty.load(Ordering::Relaxed);
        exchange
    }
}
