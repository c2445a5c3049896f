//! [`Idle`]: how long nothing has happened. A large blob on a slow line takes hours and is fine; a minute of silence is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

/// A clock that is set back by whatever happens. Its clones are one clock.
#[derive(Clone, Debug)]
pub(crate) struct Idle(Arc<State>);

#[derive(Debug)]
struct State {
    born: Instant,
    limit: Duration,
    /// The limit once all has been sent, and only the answer is waited for.
    answer: Duration,
    sent: AtomicBool,
    /// Milliseconds after `born`.
    last: AtomicU64,
}

/// Nothing is expected of the other side: it waits for us.
const PAUSED: u64 = u64::MAX;

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self::patient(limit, limit)
    }

    /// With another limit for the answer, from [`sent`](Self::sent) on.
    pub(crate) fn patient(limit: Duration, answer: Duration) -> Self {
        Self(Arc::new(State {
            born: Instant::now(),
            limit,
            answer,
            sent: AtomicBool::new(false),
            last: AtomicU64::new(0),
        }))
    }

    /// All has been handed over: what is missing is the answer.
    pub(crate) fn sent(&self) {
        self.0.sent.store(true, Ordering::Relaxed);
    }

    /// Whether only the answer is missing.
    pub(crate) fn is_sent(&self) -> bool {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Whether nothing has happened for too long.
    pub(crate) fn has_expired(&self) -> bool {
        self.end().is_some_and(|end| Instant::now() >= end)
    }

    /// When it expires, if nothing happens; `None` where it is our turn.
    fn end(&self) -> Option<Instant> {
        let last = self.0.last.load(Ordering::Relaxed);
        let limit = if self.is_sent() { self.0.answer } else { self.0.limit };
        (last != PAUSED).then(|| self.0.born + Duration::from_millis(last) + limit)
    }

    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(PAUSED - 1);
        self.0.last.store(now, Ordering::Relaxed);
    }

    /// It is our turn: until the next [`touch`](Self::touch), time does not count.
    pub(crate) fn pause(&self) {
        self.0.last.store(PAUSED, Ordering::Relaxed);
    }

    /// What a future gives; `None` when nothing happened for too long before.
    pub(crate) async fn guard<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let (future, expired) = (std::pin::pin!(future), std::pin::pin!(self.expired()));
        match select(future, expired).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(((), _)) => None,
        }
    }

    async fn expired(&self) {
        loop {
            let Some(end) = self.end() else {
                sleep(self.0.limit).await;
                continue;
            };
            let now = Instant::now();
            if now >= end {
                return;
            }
            // All may be sent meanwhile; that lengthens the wait.
            sleep(end - now).await;
        }
    }
}
