//! Paths at the beginning of references.

use std::fmt::{self, Write};

/// Cuts a locator at its first colon, into a path without escapes and what stands behind the colon.
///
/// - `\:` is a colon and `\\` a backslash of the path; a backslash before anything else stands for itself.
/// - The colon of a drive (`C:\`, `C:/`) is no cut: nothing that stands behind a path begins so.
pub fn cut_path(text: &str) -> (String, Option<&str>) {
    let drive = match text.as_bytes() {
        // An escape and no folder.
        [_, b':', b'\\', b':', ..] => 0,
        bytes => drive_len(bytes),
    };
    let mut path = text[..drive].to_owned();
    let mut chars = text[drive..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&(_, next @ (':' | '\\')))) => {
                path.push(next);
                chars.next();
            }
            (':', _) => return (path, Some(&text[drive + at + 1..])),
            _ => path.push(c),
        }
    }
    (path, None)
}

/// A path as [`cut_path`] reads it, with as few escapes as can be.
#[derive(Clone, Copy, Debug)]
pub struct PathText<'a>(pub &'a str);

impl fmt::Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drive = drive_len(self.0.as_bytes());
        f.write_str(&self.0[..drive])?;
        let mut chars = self.0[drive..].chars().peekable();
        while let Some(c) = chars.next() {
            // A backslash at the end would escape the colon behind the path.
            let escaped = match c {
                ':' => true,
                '\\' => matches!(chars.peek(), None | Some(':' | '\\')),
                _ => false,
            };
            if escaped {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        Ok(())
    }
}

fn drive_len(path: &[u8]) -> usize {
    match path {
        [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic() => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_and_escapes() {
        for (text, path, rest, canonical) in [
            ("a", "a", None, "a"),
            ("a:b:c", "a", Some("b:c"), "a"),
            (":b", "", Some("b"), ""),
            (r"a\:b:c", "a:b", Some("c"), r"a\:b"),
            (r"a\\:c", r"a\", Some("c"), r"a\\"),
            (r"a\b\", r"a\b\", None, r"a\b\\"),
            (r"C:\d:x", r"C:\d", Some("x"), r"C:\d"),
            (r"C:\\\:", r"C:\:", None, r"C:\\\:"),
            ("C:/d", "C:/d", None, "C:/d"),
            (r"C:\:x", "C", Some(r"\:x"), "C"),
            ("é:/x", "é", Some("/x"), "é"),
        ] {
            assert_eq!(cut_path(text), (path.to_owned(), rest), "{text}");
            assert_eq!(PathText(path).to_string(), canonical, "{text}");
            assert_eq!(cut_path(&format!("{canonical}:z")), (path.to_owned(), Some("z")), "{text}");
        }
    }
}
