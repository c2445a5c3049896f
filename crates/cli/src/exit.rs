//! How the command ends: exit codes, and what is said on stderr.

use std::fmt;
use std::io;
use std::process::ExitCode;

use transship::{Error, ErrorKind};

use crate::hints::hint;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// All is well.
    Well,
    /// It did what it should, and what it found is wrong.
    FoundWrong,
    /// It did a part, and told what failed: of this kind, or of several kinds.
    Partly(ErrorKind),
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With an error to show.
    Error(Error),
    /// Nobody reads our output any more. Nothing to say, and nobody to say it to.
    ClosedPipe,
    /// By a signal of this number.
    Signal(u8),
}

/// What a command gives.
pub(crate) type Result<T = Done> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// A failure to write to stdout.
    pub(crate) fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Error(Error::io("writing to", "standard output", error))
        }
    }
}

/// The exit code of an outcome.
pub(crate) fn code(outcome: &Result) -> ExitCode {
    ExitCode::from(match outcome {
        Ok(Done::Well) | Err(Failure::ClosedPipe) => 0,
        Ok(Done::FoundWrong) => 4,
        Err(Failure::Signal(number)) => 128 + number,
        Ok(Done::Partly(kind)) => of_kind(*kind),
        Err(Failure::Error(error)) => of_kind(error.kind()),
    })
}

fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        // Of several images none was chosen: the reference has to say more.
        ErrorKind::InvalidInput | ErrorKind::Ambiguous => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Corrupt | ErrorKind::LimitExceeded => 4,
        _ => 1,
    }
}

/// An error as a person reads it: what is wrong on the first line, what to do on the second.
pub(crate) struct Told<'a>(pub(crate) &'a Error);

impl fmt::Display for Told<'_> {
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
            Told(&error.context("a.tar")).to_string(),
            "transship: a.tar: no image is named \"x\"\n  hint: it holds\\ny"
        );
        let plain = Error::new(ErrorKind::Corrupt, "a (b)");
        assert_eq!(Told(&plain).to_string(), "transship: a (b)");
    }
}
