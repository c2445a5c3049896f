//! [`without_password`]: URLs as messages show them.

/// A URL as messages show it: `***` stands for a user and a password. What people write is often no URL, so this looks at the text
/// alone: all that stands before the last `@` goes.
pub fn without_password(url: &str) -> String {
    let Some((before, rest)) = url.rsplit_once('@') else { return url.to_owned() };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://***@{rest}"),
        None => format!("***@{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_show() {
        for (url, shown) in [
            ("https://me:secret@h/a", "https://***@h/a"),
            ("tcp://me:sec@ret@h:1", "tcp://***@h:1"),
            ("https://me:sec/ret?@h", "https://***@h"),
            ("me:secret@h", "***@h"),
            ("https://h/a", "https://h/a"),
            ("", ""),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }
}
