//! [`Pick`]: one of several things.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::Index;

/// One of several things, however many they are: proptest's `Index`, which is printed as a number that says nothing.
#[derive(Clone, Copy)]
pub(crate) struct Pick(Index);

impl Pick {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        any::<Index>().prop_map(Self)
    }

    /// Its position among so many.
    pub(crate) fn index(self, count: usize) -> usize {
        self.0.index(count)
    }

    pub(crate) fn get<T>(self, things: &[T]) -> &T {
        self.0.get(things)
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}%", self.0.index(100))
    }
}
