//! [`Pattern`]: text with `*` in it. Pure.

use std::fmt;

use transship_core::Escaped;

/// A pattern: `*` stands for any text, also none; all else stands for itself. It has to fit the whole text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// How many `*` it has.
    pub(crate) fn stars(&self) -> usize {
        self.0.matches('*').count()
    }

    /// What each `*` stands for; `None` where the pattern does not fit. Each literal part is as far right as it can be, so
    /// each `*` takes as much as the ones to its left leave it.
    pub(crate) fn fit(&self, text: &str) -> Option<Vec<String>> {
        let mut parts = self.0.split('*');
        let first = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let Some((last, middle)) = rest.split_last() else {
            return (text == first).then(Vec::new);
        };
        let mut open = text.strip_prefix(first)?.strip_suffix(last)?;
        let mut taken = Vec::with_capacity(rest.len());
        for literal in middle.iter().rev() {
            let at = open.rfind(literal)?;
            taken.push(open[at + literal.len()..].to_owned());
            open = &open[..at];
        }
        taken.push(open.to_owned());
        taken.reverse();
        Some(taken)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}
