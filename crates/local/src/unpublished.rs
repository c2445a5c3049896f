//! [`Unpublished`]: what is being written and does not show yet.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use transship_core::{Cancel, Result, Shows, cancelled, run_blocking};

/// How many values in this process are being written or wait for the end of a step that still has them.
static UNFINISHED: AtomicUsize = AtomicUsize::new(0);

/// How many values in this process are neither published nor dropped. A program that was interrupted waits for this to be 0
/// before it exits: then nothing of what it gave up is left behind.
pub fn unfinished_writes() -> usize {
    UNFINISHED.load(Ordering::SeqCst)
}

/// A value that counts as long as it is there.
#[derive(Debug)]
struct Counted<T> {
    // Dropped before it is not counted any more.
    value: T,
    _count: Count,
}

#[derive(Debug)]
struct Count;

impl Count {
    fn new() -> Self {
        UNFINISHED.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        UNFINISHED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What is being written and does not show yet, such as staged files. Steps on blocking threads share it; the last step
/// has it alone, and publishes it. When that fails, it can be done again.
///
/// Dropping this waits for nothing, so that it is safe in every runtime: a step that still runs, because its future was
/// dropped in the middle, may need an async task of the same thread to come to its end. The value is dropped at once
/// where no step has it, else at the end of the last step that has it. Dropping a step's future cancels it.
#[derive(Debug)]
pub struct Unpublished<T> {
    /// `None` while the last step has it, and when that has succeeded. Locked for moments only.
    value: Mutex<Option<Arc<Counted<T>>>>,
    /// Notified when a step ends.
    ended: Arc<Notify>,
}

/// A share of what is being written; the last step waits for it to be dropped.
#[derive(Debug)]
pub struct Share<T> {
    // Dropped before the end is notified.
    value: Arc<Counted<T>>,
    _end: NotifyEnd,
}

#[derive(Debug)]
struct NotifyEnd(Arc<Notify>);

impl<T: Send + Sync + 'static> Unpublished<T> {
    /// What is to be written to in steps.
    pub fn new(value: T) -> Self {
        let counted = Counted { value, _count: Count::new() };
        Self { value: Mutex::new(Some(Arc::new(counted))), ended: Arc::default() }
    }

    /// A share, for a short look or for a step of one's own.
    ///
    /// # Errors
    /// `Cancelled` when the last step has begun.
    pub fn hold(&self) -> Result<Share<T>> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let value = value.ok_or_else(cancelled)?;
        Ok(Share { value, _end: NotifyEnd(Arc::clone(&self.ended)) })
    }

    /// Does a step on a blocking thread. Steps may run at once.
    ///
    /// # Errors
    /// Those of the step; `Cancelled` when the last one has begun.
    pub async fn step<R: Send + 'static>(
        &self,
        work: impl FnOnce(&T, &Cancel) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let held = self.hold()?;
        run_blocking(move |cancel| {
            // It may have been given up before it began.
            cancel.check()?;
            work(&held, cancel)
        })
        .await
    }

    /// Does the last step on a blocking thread. It waits, without a thread, for all others to end, also for those whose
    /// futures were dropped. The value is dropped where it succeeds, or where its future was dropped.
    ///
    /// # Errors
    /// Those of the step, after which steps and a last one are possible as before; `Cancelled` when the last one has begun
    /// already.
    pub async fn last_step<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T, &Cancel) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let taken = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut shared = taken.ok_or_else(cancelled)?;
        let value = loop {
            // From here on no end of a step is missed.
            let ended = self.ended.notified();
            match Arc::try_unwrap(shared) {
                Ok(value) => break value,
                Err(held) => shared = held,
            }
            ended.await;
        };
        let mut value = value;
        let done = run_blocking(move |cancel| {
            let done = cancel.check().and_then(|()| work(&mut value.value, cancel));
            let left = done.is_err().then_some(value);
            Ok((done, left))
        });
        let (done, left) = done.await?;
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = left.map(Arc::new);
        done
    }

    /// Records an image in a step. One that shows with its commit is published in the same step, which is the last.
    ///
    /// # Errors
    /// Those of the functions; as [`last_step`](Self::last_step).
    pub async fn commit<R: Send + 'static>(
        &self,
        shows: Shows,
        record: impl FnOnce(&T, &Cancel) -> Result<R> + Send + 'static,
        publish: impl FnOnce(&mut T, &Cancel) -> Result<()> + Send + 'static,
    ) -> Result<R> {
        if shows != Shows::AtCommit {
            return self.step(record).await;
        }
        self.last_step(move |value, cancel| {
            let recorded = record(value, cancel)?;
            publish(value, cancel)?;
            Ok(recorded)
        })
        .await
    }
}

impl<T> Deref for Share<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value.value
    }
}

impl Drop for NotifyEnd {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;
    use transship_core::ErrorKind;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(20);

    /// Tells when it is dropped.
    struct Staged(Sender<()>);

    impl Drop for Staged {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }

    fn staged() -> (Unpublished<Staged>, Receiver<()>) {
        let (dropped, was_dropped) = channel();
        (Unpublished::new(Staged(dropped)), was_dropped)
    }

    fn runtimes() -> [Runtime; 2] {
        [Builder::new_current_thread(), Builder::new_multi_thread()]
            .map(|mut builder| builder.enable_time().build().unwrap())
    }

    /// A step that ends when an async task says so, given up before that. Gives what tells the task to go on.
    async fn given_up(of: &Unpublished<Staged>) -> tokio::sync::oneshot::Sender<()> {
        let (go, goes) = tokio::sync::oneshot::channel();
        let (say, said) = channel();
        tokio::spawn(async move {
            goes.await.unwrap();
            say.send(()).unwrap();
        });
        let step = of.step(move |_, cancel| {
            said.recv().unwrap();
            cancel.check()
        });
        assert!(timeout(SOON, step).await.is_err());
        go
    }

    #[test]
    fn dropping_waits_for_no_step_and_the_end_of_the_step_drops_what_was_staged() {
        for runtime in runtimes() {
            runtime.block_on(async {
                let (unpublished, was_dropped) = staged();
                let go = given_up(&unpublished).await;
                drop(unpublished);
                assert!(was_dropped.try_recv().is_err(), "the step has it still");
                go.send(()).unwrap();
                let dropped = move || was_dropped.recv_timeout(LONG).unwrap();
                tokio::task::spawn_blocking(dropped).await.unwrap();
            });
        }
    }

    #[test]
    fn where_no_step_runs_the_drop_itself_drops_what_was_staged() {
        let (unpublished, was_dropped) = staged();
        drop(unpublished);
        was_dropped.try_recv().unwrap();
    }

    #[test]
    fn the_last_step_waits_for_those_that_were_given_up_and_none_comes_after_it() {
        for runtime in runtimes() {
            runtime.block_on(async {
                let (unpublished, was_dropped) = staged();
                let go = given_up(&unpublished).await;
                let last = unpublished.last_step(|_, _| Ok(()));
                let mut last = Box::pin(last);
                assert!(timeout(SOON, &mut last).await.is_err());
                assert!(was_dropped.try_recv().is_err());
                let next = unpublished.step(|_, _| Ok(())).await;
                assert_eq!(next.unwrap_err().kind(), ErrorKind::Cancelled);
                go.send(()).unwrap();
                last.await.unwrap();
                was_dropped.try_recv().unwrap();
            });
        }
    }

    #[test]
    fn a_last_step_that_failed_is_done_again() {
        for runtime in runtimes() {
            runtime.block_on(async {
                let (unpublished, was_dropped) = staged();
                let failed = unpublished.last_step(|_, _| Err::<(), _>(cancelled())).await;
                failed.unwrap_err();
                assert!(was_dropped.try_recv().is_err(), "it is needed still");
                unpublished.step(|_, _| Ok(())).await.unwrap();
                unpublished.last_step(|_, _| Ok(())).await.unwrap();
                was_dropped.try_recv().unwrap();
            });
        }
    }

    #[test]
    fn the_end_of_the_runtime_drops_what_was_staged() {
        for runtime in runtimes() {
            let (unpublished, was_dropped) = staged();
            let (say, said) = channel::<()>();
            runtime.block_on(async {
                // The task goes with the runtime, and what it would say with it.
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(say);
                });
                let step = unpublished.step(move |_, _| {
                    let _ = said.recv();
                    Ok(())
                });
                assert!(timeout(SOON, step).await.is_err());
            });
            drop(unpublished);
            drop(runtime);
            was_dropped.try_recv().unwrap();
        }
    }
}
