//! [`next`]: the `Link` to the next page, [RFC 8288](https://www.rfc-editor.org/rfc/rfc8288).

use reqwest::header::{HeaderMap, LINK};

/// The target of the first link with `rel="next"`.
pub(crate) fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_in)
}

fn next_in(mut text: &str) -> Option<String> {
    loop {
        let (target, rest) =
            text.trim_start_matches([' ', '\t', ',']).strip_prefix('<')?.split_once('>')?;
        let end = end_of_parameters(rest);
        let (parameters, after) = rest.split_at(end);
        if is_next(parameters) {
            return Some(target.to_owned());
        }
        text = after;
    }
}

/// Where a comma outside of quotes stands.
fn end_of_parameters(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(key, value)| {
        let value = value.trim().trim_matches('"');
        key.trim().eq_ignore_ascii_case("rel")
            && value.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        for (text, target) in [
            (r#"</v2/a/tags/list?n=1&last=x>; rel="next""#, Some("/v2/a/tags/list?n=1&last=x")),
            ("<a,b>;rel=next", Some("a,b")),
            (r#"<p>; rel="prev"; title="a, b", <n>; title="x"; rel="first next""#, Some("n")),
            (r#"<p>; rel="prev""#, None),
            ("", None),
            ("<unclosed", None),
            ("no link", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, text.parse().unwrap());
            assert_eq!(next(&headers).as_deref(), target, "{text}");
        }
    }
}
