//! [`Pace`]: whether a client goes on fast enough.

use std::time::Duration;

use tokio::time::Instant;

/// The time of waiting after which is looked at what came of it.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// The least bytes in such a time: 4 KiB a second.
pub(crate) const LEAST: u64 = 240 << 10;

/// How fast the other end of a connection takes or sends bytes. Only the time counts in which it is waited for: what this side is
/// slow to give is not its fault.
#[derive(Debug)]
pub(crate) struct Pace {
    window: Duration,
    moved: u64,
    waited: Duration,
    since: Option<Instant>,
}

/// What to do about a client that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// To wait, until then.
    Until(Instant),
    /// It is too slow.
    Over,
}

impl Pace {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, moved: 0, waited: Duration::ZERO, since: None }
    }

    /// Bytes moved: the wait is over.
    pub(crate) fn moved(&mut self, bytes: u64, now: Instant) {
        self.waited += self.since.take().map_or(Duration::ZERO, |since| now - since);
        self.moved = self.moved.saturating_add(bytes);
    }

    /// It is waited for now, or still.
    pub(crate) fn wait(&mut self, now: Instant) -> Patience {
        let since = *self.since.get_or_insert(now);
        let until = since + self.window.saturating_sub(self.waited);
        if now < until {
            return Patience::Until(until);
        }
        if self.moved < LEAST {
            return Patience::Over;
        }
        *self = Self { since: Some(now), ..Self::new(self.window) };
        Patience::Until(now + self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds until a client that moves so many bytes in each second is given up.
    fn given_up_after(bytes: u64) -> Option<u64> {
        let (mut pace, mut now) = (Pace::new(WINDOW), Instant::now());
        for second in 0..1000 {
            if pace.wait(now) == Patience::Over {
                return Some(second);
            }
            now += SECOND;
            if bytes > 0 {
                pace.moved(bytes, now);
            }
        }
        None
    }

    #[test]
    fn the_slow_are_given_up_and_others_are_not() {
        for slow in [0, 1, 4095] {
            assert_eq!(given_up_after(slow), Some(60), "{slow}");
        }
        assert_eq!(given_up_after(4096), None);
    }

    #[test]
    fn time_in_which_nobody_waits_for_it_does_not_count() {
        let (mut pace, mut now) = (Pace::new(WINDOW), Instant::now());
        for _ in 0..100 {
            assert_eq!(pace.wait(now), Patience::Until(now + WINDOW));
            pace.moved(1, now);
            now += 100 * SECOND;
        }
    }

    #[test]
    fn fast_at_first_and_then_not_at_all() {
        let (mut pace, now) = (Pace::new(WINDOW), Instant::now());
        pace.moved(1 << 30, now);
        assert_eq!(pace.wait(now), Patience::Until(now + WINDOW));
        assert_eq!(pace.wait(now + WINDOW), Patience::Until(now + 2 * WINDOW));
        assert_eq!(pace.wait(now + 2 * WINDOW), Patience::Over);
    }
}
