//! [`Broken`]: why a law does not hold.

use std::fmt;

use transship_core::Error;

/// Why a law does not hold in a case.
#[derive(Debug)]
pub struct Broken(String);

/// Whether a law holds in a case.
pub type Held<T = ()> = Result<T, Broken>;

impl Broken {
    /// With a reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// Says what was being done, before what was said so far.
    #[must_use]
    pub fn while_doing(self, what: impl fmt::Display) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(format!("it failed ({}): {error}", error.kind()))
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self(format!("I/O: {error}"))
    }
}

/// Things in a sentence: `a, b`, or `nothing`.
pub(crate) fn listed<T: fmt::Display>(things: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// Gives the failure of a result context.
pub(crate) trait While<T> {
    fn during<C: fmt::Display>(self, what: impl FnOnce() -> C) -> Held<T>;
}

impl<T, E: Into<Broken>> While<T> for Result<T, E> {
    fn during<C: fmt::Display>(self, what: impl FnOnce() -> C) -> Held<T> {
        self.map_err(|e| e.into().while_doing(what()))
    }
}

/// Fails the case with a reason unless something holds.
macro_rules! hold {
    ($held:expr, $($why:tt)+) => {
        if !$held {
            return Err($crate::Broken::new(format!($($why)+)));
        }
    };
}
pub(crate) use hold;
