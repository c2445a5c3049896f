//! [`Current`]: all images as they are now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use transship_core::{Cancel, Observer, Result, ResultExt, run_blocking};

use crate::place::{Place, ReadPlace};
use crate::view::View;

/// How long requests wait for a place on another machine that is being listed again. Then they are answered from the last list.
const PATIENCE: Duration = Duration::from_secs(3);

/// The places, and what they had when they were last read. Nothing is locked while another machine is asked.
#[derive(Debug)]
pub(crate) struct Current {
    places: Arc<[Place]>,
    known: Mutex<Known>,
    /// One task reads a place at a time.
    turns: Vec<tokio::sync::Mutex<()>>,
    /// Of places on other machines.
    listing: Vec<Mutex<Option<Listing>>>,
    observer: Observer,
}

#[derive(Debug)]
struct Known {
    view: Arc<View>,
    read: Vec<Arc<ReadPlace>>,
}

/// A place that is being listed.
#[derive(Clone, Debug)]
struct Listing {
    /// How long requests wait for it.
    until: Instant,
    /// It is closed at the end.
    done: watch::Receiver<()>,
}

impl Current {
    /// Reads all places for the first time.
    pub(crate) async fn open(places: Arc<[Place]>, observer: Observer) -> Result<Arc<Self>> {
        let mut read = Vec::new();
        for place in &*places {
            read.push(Arc::new(place.read(None).await.context(|| &place.reference)?));
        }
        let view =
            Arc::new(View::new(Arc::clone(&places), &read, Arc::default(), observer.clone()));
        let turns = places.iter().map(|_| tokio::sync::Mutex::default()).collect();
        let listing = places.iter().map(|_| Mutex::default()).collect();
        let known = Mutex::new(Known { view, read });
        Ok(Arc::new(Self { places, known, turns, listing, observer }))
    }

    /// All images: those of files as they are now, those of other machines as they were listed not long ago.
    pub(crate) async fn view(self: &Arc<Self>) -> Arc<View> {
        for at in self.changed().await {
            if self.places[at].is_path() {
                self.read(at).await;
            } else {
                self.list(at).await;
            }
        }
        Arc::clone(&self.known().view)
    }

    /// Lists a place on another machine, once for all who ask, and waits for that as long as it may take.
    async fn list(self: &Arc<Self>, at: usize) {
        let Listing { until, mut done } = self.begin(at);
        // Nothing is sent but the end.
        let _ = timeout_at(until, done.changed()).await;
    }

    fn begin(self: &Arc<Self>, at: usize) -> Listing {
        let mut listing = lock(&self.listing[at]);
        if let Some(running) = &*listing
            && running.done.has_changed().is_ok()
        {
            return running.clone();
        }
        let (end, done) = watch::channel(());
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.read(at).await;
            drop(end);
        });
        listing.insert(Listing { until: Instant::now() + PATIENCE, done }).clone()
    }

    /// Reads a place again, unless another task just did.
    async fn read(&self, at: usize) {
        let _turn = self.turns[at].lock().await;
        if !self.changed().await.contains(&at) {
            return;
        }
        let (place, before) = (&self.places[at], Arc::clone(&self.known().read[at]));
        let read = match place.read(Some(&before)).await {
            Ok(read) => read,
            Err(error) => {
                self.observer.warn(format!("{}: {error}", place.reference));
                if place.is_path() {
                    // It may be half written. The next request looks again.
                    return;
                }
                before.still()
            }
        };
        let mut known = self.known();
        known.read[at] = Arc::new(read);
        let (places, observer) = (Arc::clone(&self.places), self.observer.clone());
        let chunks = Arc::clone(&known.view.chunks);
        known.view = Arc::new(View::new(places, &known.read, chunks, observer));
    }

    /// The positions of the places that have changed, or may have.
    async fn changed(&self) -> Vec<usize> {
        let (places, read) = (Arc::clone(&self.places), self.known().read.clone());
        let look = move |_: &Cancel| {
            let places = places.iter().zip(&read).enumerate();
            Ok(places.filter(|(_, (p, read))| p.has_changed(read)).map(|(at, _)| at).collect())
        };
        run_blocking(look).await.unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
