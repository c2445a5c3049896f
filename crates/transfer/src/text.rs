//! Values as the text that people type, for JSON; and lists in messages.

use std::fmt::Display;

use serde::{Serializer, ser::SerializeSeq};

pub(crate) fn one<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(crate) fn many<T: Display, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(values.len()))?;
    for value in values {
        list.serialize_element(&value.to_string())?;
    }
    list.end()
}

/// The most entries of a list that a message has.
const LISTED: usize = 20;

/// The first of some values, and how many more there are.
pub(crate) fn few<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut values = values.into_iter();
    let first: Vec<_> = values.by_ref().take(LISTED).map(|value| value.to_string()).collect();
    match values.count() {
        0 if first.is_empty() => "none".to_owned(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
