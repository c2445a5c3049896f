//! [`Rate`]: how many bytes a second may pass, over all connections.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::idle::Idle;
use crate::locked;

/// The most bytes that go at once.
const LARGEST_STEP: u64 = 64 << 10;

/// A bucket of tokens, one for each byte. It holds none: who takes bytes waits until their time has passed, so that connections
/// take turns.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_second: u64,
    /// When all that was taken so far has had its time.
    free: Mutex<Instant>,
}

impl Rate {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), free: Mutex::new(Instant::now()) }
    }

    /// How many bytes go at once: of more, a slow line would be silent for long.
    pub(crate) fn step(&self) -> u64 {
        (self.bytes_per_second / 4).clamp(1, LARGEST_STEP)
    }

    /// Waits for the time that bytes take. Meanwhile the other side is not to blame.
    pub(crate) async fn pass(&self, bytes: usize, idle: &Idle) {
        idle.pause();
        sleep(self.take(bytes, Instant::now())).await;
        idle.touch();
    }

    fn take(&self, bytes: usize, now: Instant) -> Duration {
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_second);
        let time = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut free = locked(&self.free);
        *free = (*free).max(now) + time;
        *free - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_what_there_is() {
        let (rate, now) = (Rate::new(1000), Instant::now());
        *locked(&rate.free) = now;
        let second = Duration::from_secs(1);
        assert_eq!(rate.take(500, now), second / 2);
        assert_eq!(rate.take(500, now), second);
        assert_eq!(rate.take(1000, now + second), second);
        // What was not used is gone.
        assert_eq!(rate.take(1000, now + 10 * second), second);
    }
}
