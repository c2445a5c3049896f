//! Values as the text that people type, for JSON.

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
