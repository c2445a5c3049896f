//! Exit codes and error messages.

use std::fmt;
use std::io;
use std::process::ExitCode;

use transship::{Error, ErrorKind};

use crate::hints::hint;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Success,
    /// It ran, and found damage.
    FoundDamage,
    /// A part failed, which was reported: with this kind of error, or `Unexpected` for several kinds.
    Partly(ErrorKind),
}

impl Done {
    /// What an error says of an image that is there: it is damaged, or it could not be read.
    pub(crate) fn found(kind: ErrorKind) -> Self {
        if kind.is_of_content() { Self::FoundDamage } else { Self::Partly(kind) }
    }

    /// The end after two parts: damage says more than a part that failed.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Success, done) | (done, Self::Success) => done,
            (Self::FoundDamage, _) | (_, Self::FoundDamage) => Self::FoundDamage,
            (Self::Partly(one), Self::Partly(two)) if one == two => self,
            (Self::Partly(_), Self::Partly(_)) => Self::Partly(ErrorKind::Unexpected),
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With an error to show.
    Error(Error),
    /// The reader of stdout has closed it. Nothing is reported.
    ClosedPipe,
    /// By a signal of this number.
    Signal(u8),
}

pub(crate) type Result<T = Done> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    pub(crate) fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Error(Error::io("writing to", "stdout", error))
        }
    }
}

pub(crate) fn code(outcome: &Result) -> ExitCode {
    ExitCode::from(match outcome {
        Ok(Done::Success) | Err(Failure::ClosedPipe) => 0,
        Ok(Done::FoundDamage) => 4,
        Err(Failure::Signal(number)) => 128 + number,
        Ok(Done::Partly(kind)) => of_kind(*kind),
        Err(Failure::Error(error)) => of_kind(error.kind()),
    })
}

fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidInput | ErrorKind::Ambiguous => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Corrupt | ErrorKind::LimitExceeded => 4,
        ErrorKind::Untrusted => 5,
        _ => 1,
    }
}

/// An error as a person reads it: what is wrong on the first line, what to do on the second.
pub(crate) struct ErrorText<'a>(pub(crate) &'a Error);

impl fmt::Display for ErrorText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transship: {}", self.0.without_hint())?;
        match hint(self.0) {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_has_its_own_line() {
        let error = Error::new(ErrorKind::NotFound, "no image is named \"x\"").hint("it holds\ny");
        assert_eq!(
            ErrorText(&error.context("a.tar")).to_string(),
            "transship: a.tar: no image is named \"x\"\n  hint: it holds\\ny"
        );
        let plain = Error::new(ErrorKind::Corrupt, "a (b)");
        assert_eq!(ErrorText(&plain).to_string(), "transship: a (b)");
    }
}
