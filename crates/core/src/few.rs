//! [`few`]: lists in messages.

use std::fmt::Display;

/// The most entries of a list that a message has.
const LISTED: usize = 20;

/// The first twenty of some values, and how many more there are, for a message that stays short: `a, b and 3 more`. `none` where
/// there are none. Text from outside is not escaped here: an error does that.
pub fn few<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut values = values.into_iter();
    let first: Vec<_> = values.by_ref().take(LISTED).map(|value| value.to_string()).collect();
    match values.count() {
        0 if first.is_empty() => "none".to_owned(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(few::<&str>([]), "none");
        assert_eq!(few(["a", "b"]), "a, b");
        assert_eq!(few([1; 20]), ["1"; 20].join(", "));
        assert_eq!(few([1; 22]), format!("{} and 2 more", ["1"; 20].join(", ")));
    }
}
