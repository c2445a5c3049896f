//! [`Pace`]: how fast bytes pass.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a rate looks.
const WINDOW: Duration = Duration::from_secs(6);

/// A rate is shown after this time.
const LEAST: Duration = Duration::from_millis(400);

/// Bytes that passed, noted now and then.
#[derive(Debug)]
pub(super) struct Pace {
    passed: u64,
    /// When, and how many had passed by then.
    noted: VecDeque<(Instant, u64)>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { passed: 0, noted: VecDeque::from([(now, 0)]) }
    }

    pub(super) fn pass(&mut self, bytes: u64) {
        self.passed = self.passed.saturating_add(bytes);
    }

    /// Notes where it is. Of what is older than the window, one note stays: the window's start.
    pub(super) fn note(&mut self, now: Instant) {
        self.noted.push_back((now, self.passed));
        while let Some((second, _)) = self.noted.get(1)
            && now.saturating_duration_since(*second) >= WINDOW
        {
            self.noted.pop_front();
        }
    }

    /// Bytes per second, of the last seconds.
    pub(super) fn rate(&self) -> Option<u64> {
        let ((begun, first), (now, last)) = (self.noted.front()?, self.noted.back()?);
        let time = now.saturating_duration_since(*begun);
        if time < LEAST {
            return None;
        }
        let rate = u128::from(last.saturating_sub(*first)) * 1000 / time.as_millis().max(1);
        u64::try_from(rate).ok()
    }

    /// How long so many bytes will take, if it goes on like this.
    pub(super) fn time_for(&self, bytes: u64) -> Option<Duration> {
        let rate = self.rate().filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(bytes.div_ceil(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_seconds() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut pace = Pace::new(begun);
        pace.pass(1000);
        pace.note(at(100));
        assert_eq!(pace.rate(), None, "too early to tell");
        pace.note(at(1000));
        assert_eq!(pace.rate(), Some(1000));
        assert_eq!(pace.time_for(2500), Some(Duration::from_secs(3)));
        for tenth in 11..=100 {
            pace.pass(50);
            pace.note(at(tenth * 100));
        }
        assert_eq!(pace.rate(), Some(500));
        assert!(pace.noted.len() < 70);
        pace.note(at(60_000));
        pace.note(at(70_000));
        assert_eq!(pace.rate(), Some(0));
        assert_eq!(pace.time_for(1), None, "nothing moves");
    }
}
