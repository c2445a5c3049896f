//! Work that goes on when what began it is dropped: [`spawn_to_end`], and [`settled`], which waits for it.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How much of it there is now, in the whole process.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Wakes waiters when one ends.
static ENDED: Notify = Notify::const_new();

/// Spawns work that goes on when what began it is dropped: it removes what would be left at a remote place, or is a last step
/// that is done whole or not at all. Must be called within a tokio runtime.
pub fn spawn_to_end<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let counted = Counted::begin();
    tokio::spawn(async move {
        let _counted = counted;
        work.await
    })
}

/// Waits until no such work goes on any more, in the whole process.
///
/// A copy that is dropped leaves some: an upload is cancelled at its registry, an engine removes an image that gets no name. A
/// program that ends its runtime after such a drop awaits this before, with a limit of its own: an engine may take long.
pub async fn settled() {
    loop {
        let mut ended = pin!(ENDED.notified());
        // From here on nothing is missed.
        ended.as_mut().enable();
        if UNDER_WAY.load(Ordering::SeqCst) == 0 {
            return;
        }
        ended.await;
    }
}

/// Lives as long as its work.
#[derive(Debug)]
struct Counted(());

impl Counted {
    fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
        ENDED.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_is_waited_for_when_nobody_holds_it() {
        let (done, has_done) = tokio::sync::oneshot::channel::<()>();
        drop(spawn_to_end(has_done));
        let waits = tokio::time::timeout(Duration::from_millis(50), settled()).await;
        waits.expect_err("it has not ended");
        done.send(()).unwrap();
        settled().await;
        // Neither what fails nor a runtime that ends is waited for forever.
        let failed: JoinHandle<()> = spawn_to_end(async { panic!("a mistake") });
        failed.await.unwrap_err();
        let endless = spawn_to_end(std::future::pending::<()>());
        endless.abort();
        settled().await;
    }
}
