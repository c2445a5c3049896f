//! [`Limit`]: how many requests a host gets at once. Fewer when it says that they are too many, and then slowly more.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::locked;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Several answers in a row are about one overload.
const ONE_OVERLOAD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Limit {
    most: f64,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    room: f64,
    used: u32,
    shrunk: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Permit(Arc<Limit>);

impl Limit {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let most = f64::from(u32::try_from(most).unwrap_or(u32::MAX));
        let state = Mutex::new(State { room: most, used: 0, shrunk: None });
        Arc::new(Self { most, state, freed: Notify::new() })
    }

    pub(crate) async fn acquire(self: &Arc<Self>) -> Permit {
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if f64::from(state.used) < state.room.floor() {
                    state.used += 1;
                    return Permit(Arc::clone(self));
                }
            }
            freed.await;
        }
    }

    /// The host says that it is too much.
    pub(crate) fn shrink(&self) {
        let mut state = self.state();
        if state.shrunk.is_none_or(|at| at.elapsed() >= ONE_OVERLOAD) {
            state.shrunk = Some(Instant::now());
            state.room = (state.room / 2.0).max(1.0);
        }
    }

    /// A request went well: after as many as there is room for, there is room for one more.
    pub(crate) fn grow(&self) {
        let mut state = self.state();
        if state.room < self.most {
            state.room = (state.room + 1.0 / state.room).min(self.most);
            self.freed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().used -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn it_shrinks_and_grows_back() {
        let limit = Limit::new(4);
        let permits: Vec<_> = (0..4).map(|_| limit.acquire().now_or_never().unwrap()).collect();
        assert!(limit.acquire().now_or_never().is_none());
        limit.shrink();
        limit.shrink();
        drop(permits);
        let two: Vec<_> = (0..2).map(|_| limit.acquire().now_or_never().unwrap()).collect();
        assert!(limit.acquire().now_or_never().is_none(), "one overload halves once");
        for _ in 0..8 {
            limit.grow();
        }
        let _three = limit.acquire().now_or_never().unwrap();
        let _four = limit.acquire().now_or_never().unwrap();
        assert!(limit.acquire().now_or_never().is_none(), "never more than at first");
        drop(two);
    }
}
