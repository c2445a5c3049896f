//! [`settled`]: uploads that are being cancelled, by tasks that outlive what began them.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many uploads are being cancelled now.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Wakes waiters when one ends.
static ENDED: Notify = Notify::const_new();

/// Waits until no upload is being cancelled any more, in the whole process.
///
/// When an upload is dropped, a task cancels it at the server, which would otherwise keep the part that it has until it
/// expires. A program that ends its runtime after such a drop awaits this before, with a limit of its own if it likes: a
/// server that does not answer is waited for 5 s.
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

/// Lives as long as one upload is being cancelled.
#[derive(Debug)]
pub(super) struct GivingUp(());

impl GivingUp {
    pub(super) fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for GivingUp {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
        ENDED.notify_waiters();
    }
}
