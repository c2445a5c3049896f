//! [`Tries`]: how often, and after which wait, something is tried again.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::RegistryOptions;

/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(20);

/// The longest wait that a server may ask for. When it asks for more, that is an answer.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// A host that does not answer at all is given up earlier: mostly its name is wrong, or it is not running.
pub(crate) const UNREACHABLE: u32 = 2;

/// The tries of one thing, none of which has brought it forward.
#[derive(Clone, Debug)]
pub(crate) struct Tries {
    most: u32,
    made: u32,
    first: Duration,
    /// Whether only a server that says when to come again is asked again.
    only_when_asked: bool,
}

impl Tries {
    pub(crate) fn new(options: &RegistryOptions) -> Self {
        Self { most: options.retries, made: 0, first: options.first_wait, only_when_asked: false }
    }

    /// No more than so many.
    pub(crate) fn at_most(mut self, most: u32) -> Self {
        self.most = self.most.min(most);
        self
    }

    /// None but those that a server asks for.
    pub(crate) fn only_when_asked(mut self) -> Self {
        self.only_when_asked = true;
        self
    }

    /// There was progress: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.made = 0;
    }

    /// How long to wait before the next try, of which there are at most `most`; `None` when it is enough.
    pub(crate) fn next(&mut self, most: u32, asked: Option<Duration>) -> Option<Duration> {
        if self.only_when_asked && asked.is_none() {
            return None;
        }
        if self.made >= self.most.min(most) || asked.is_some_and(|asked| asked > LONGEST_ASKED) {
            return None;
        }
        let wait = self.first.saturating_mul(1 << self.made.min(16)).min(LONGEST);
        self.made += 1;
        // Between half and all of it, so that clients that failed together do not come back together.
        let wait = wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        Some(asked.map_or(wait, |asked| asked.max(wait.min(Duration::from_secs(1)))))
    }
}

/// What `Retry-After` asks for, in seconds or as a date.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        let headers = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            headers
        };
        assert_eq!(asked(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(asked(&headers("Thu, 01 Jan 1970 00:00:00 GMT")), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let soon = asked(&headers(&soon)).unwrap();
        assert!(soon > Duration::from_secs(90) && soon <= Duration::from_secs(100));
        assert_eq!(asked(&headers("soon")), None);
        assert_eq!(asked(&HeaderMap::new()), None);
    }

    #[test]
    fn waits_grow_and_end() {
        let first_wait = Duration::from_millis(100);
        let options = RegistryOptions { retries: 3, first_wait, ..RegistryOptions::default() };
        let mut tries = Tries::new(&options);
        for most in [100, 200, 400] {
            let wait = tries.next(9, None).unwrap();
            assert!(wait >= Duration::from_millis(most / 2) && wait <= Duration::from_millis(most));
        }
        assert_eq!(tries.next(9, None), None);
        tries.reset();
        assert_eq!(tries.next(0, None), None);
        assert!(tries.next(9, Some(Duration::from_secs(9))).unwrap() >= Duration::from_secs(9));
        assert_eq!(tries.next(9, Some(Duration::from_secs(10_000))), None);
    }
}
