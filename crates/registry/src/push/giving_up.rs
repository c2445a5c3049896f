//! [`settled`]: uploads that are being given up, by tasks that outlive what began them.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many uploads are being given up now.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Told of each that ends.
static ENDED: Notify = Notify::const_new();

/// Waits until no upload is being given up any more, in the whole process.
///
/// What is dropped while it sends a blob leaves a task that tells the server so, which would otherwise keep the part that
/// came until it expires. A program that ends its runtime after such a drop awaits this before, and not for longer than
/// it likes: a server that does not answer is waited for 5 s.
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

/// Lives as long as one upload is being given up.
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
