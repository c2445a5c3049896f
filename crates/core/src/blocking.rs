//! Blocking work in bounded chunks, which stops when its future is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::{Error, ErrorKind, Result};

/// Tells blocking work that nobody waits for it any more. Looked at once per chunk.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    set: AtomicBool,
    wake: Notify,
}

impl Cancel {
    /// One that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it, for good.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::Release);
        self.0.wake.notify_waiters();
    }

    /// Whether it is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// # Errors
    /// `Cancelled`, when it is set.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Waits until it is set.
    pub async fn cancelled(&self) {
        loop {
            let notified = self.0.wake.notified();
            if self.is_cancelled() {
                return;
            }
            notified.await;
        }
    }
}

/// The error of work that was given up.
pub fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled")
}

/// Runs blocking work on a blocking thread. When the future is dropped, the [`Cancel`] that the work was given is set.
///
/// The work goes on until it next looks at it, so what it uses must be shared or moved in. Must be called within a
/// tokio runtime.
///
/// # Errors
/// Those of the work. A panic in it is carried on.
pub async fn run_blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Cancel) -> Result<T> + Send + 'static,
{
    let cancel = Cancel::new();
    let guard = CancelOnDrop(cancel.clone());
    let result = tokio::task::spawn_blocking(move || work(&cancel)).await;
    drop(guard);
    match result {
        Ok(result) => result,
        Err(join) if join.is_panic() => std::panic::resume_unwind(join.into_panic()),
        Err(_) => Err(cancelled()),
    }
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn dropping_the_future_stops_the_work() {
        let (started, has_started) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let work = tokio::spawn(run_blocking(move |cancel| {
            started.send(()).unwrap();
            while !cancel.is_cancelled() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            cancel.check()
        }));
        tokio::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
        tokio::task::spawn_blocking(move || has_ended.recv().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn waiting_for_a_cancel_that_is_set_already_returns() {
        let cancel = Cancel::new();
        cancel.cancel();
        cancel.cancelled().await;
        assert_eq!(cancel.check().unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
