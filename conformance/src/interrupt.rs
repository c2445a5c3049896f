//! Futures that are dropped at one of their await points.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// At more await points than these no operation is dropped.
pub(crate) const MOST_POLLS: usize = 8;

/// Polls a future so many times at most, and drops it then. `None` if it did not end before.
///
/// Between the last poll and the drop some time passes, so that blocking work that it began is met at various points.
pub(crate) async fn dropped_after<F: Future>(
    future: F,
    polls: usize,
    linger: Duration,
) -> Option<F::Output> {
    let done = {
        let limited = Limited { future: pin!(future), left: polls };
        let done = limited.await;
        if done.is_none() && !linger.is_zero() {
            // Blocking on purpose: nothing else in this runtime has to go on.
            std::thread::sleep(linger);
        }
        done
    };
    // The future is dropped here.
    done
}

struct Limited<'a, F> {
    future: Pin<&'a mut F>,
    left: usize,
}

impl<F: Future> Future for Limited<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
