//! [`Patience`]: how hard a request is tried; [`Away`]: hosts that cannot be reached are left out for a while.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use transship_core::{Error, ErrorKind, Observer, Result};

use super::idle::Idle;
use super::retry::Tries;
use crate::locked;

/// The longest wait for an answer that only spares work.
const PROBE: Duration = Duration::from_secs(10);

/// How long a host that could not be reached is left out where another one has the same.
const AWAY: Duration = Duration::from_secs(300);

/// How hard a request is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As often, and as long, as the options say.
    #[default]
    Full,
    /// Once, and not at all where the host could not be reached a moment ago: another place is asked next.
    OtherPlaces,
    /// Once, and not for long, unless the server says when to come again: the answer only spares work.
    Probe,
}

impl Patience {
    pub(super) fn tries(self, tries: Tries) -> Tries {
        match self {
            Self::Full => tries,
            Self::OtherPlaces => tries.at_most(0),
            Self::Probe => tries.only_when_asked(),
        }
    }

    /// That of a request for the token that a request needs. The next requests need it, too.
    pub(super) fn of_token(self) -> Self {
        match self {
            Self::Full | Self::Probe => Self::Full,
            Self::OtherPlaces => Self::OtherPlaces,
        }
    }

    pub(super) fn idle(self, limit: Duration) -> Idle {
        match self {
            Self::Full | Self::OtherPlaces => Idle::new(limit),
            Self::Probe => Idle::new(limit.min(PROBE)),
        }
    }
}

/// Since when a host could not be reached.
#[derive(Debug, Default)]
pub(super) struct Away(Mutex<Option<Instant>>);

impl Away {
    /// Refuses a request that another place gets, too.
    pub(super) fn check(&self, host: &str, patience: Patience) -> Result<()> {
        if patience != Patience::OtherPlaces || !self.is_recent() {
            return Ok(());
        }
        let message = format!("{host} could not be reached a moment ago");
        Err(Error::new(ErrorKind::Unavailable, message).with_retryable(false))
    }

    /// Remembers how a request ended that another place gets, too. The first failure gives a warning.
    pub(super) fn note(
        &self,
        host: &str,
        patience: Patience,
        unreachable: Option<&Error>,
        observer: &Observer,
    ) {
        if patience != Patience::OtherPlaces {
            return;
        }
        let warned = self.is_recent();
        *self.since() = unreachable.map(|_| Instant::now());
        if let Some(error) = unreachable.filter(|_| !warned) {
            let minutes = AWAY.as_secs() / 60;
            observer.warn(format!("{host} is left out for {minutes} minutes: {error}"));
        }
    }

    fn is_recent(&self) -> bool {
        self.since().is_some_and(|since| since.elapsed() < AWAY)
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        locked(&self.0)
    }
}
