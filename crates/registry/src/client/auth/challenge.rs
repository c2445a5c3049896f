//! [`Challenge`]: what `WWW-Authenticate` asks for, [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With user and password, in each request.
    Basic,
    /// With a token that a realm gives.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// The challenges that we can answer, the best first: a token before a password.
pub(crate) fn all(headers: &HeaderMap) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .flat_map(|value| challenges(&String::from_utf8_lossy(value.as_bytes())))
        .collect();
    all.sort_by_key(|challenge| *challenge == Challenge::Basic);
    all
}

/// Reads what servers write, which is not always what the RFC says: commas and the last quote are missing, a semicolon stands
/// for a comma, one header has several schemes.
fn challenges(text: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    let mut rest = text.trim_start_matches(BETWEEN);
    while !rest.is_empty() {
        let end = rest.find(|c| BETWEEN.contains(&c) || c == '=').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let word = word.to_ascii_lowercase();
        rest = if let Some(after) = after.trim_start().strip_prefix('=') {
            let (value, after) = value(after.trim_start());
            if let Some((_, parameters)) = &mut current {
                parameters.push((word, value));
            }
            after
        } else {
            found.extend(current.replace((word, Vec::new())).and_then(understood));
            after
        };
        rest = rest.trim_start_matches(BETWEEN);
    }
    found.extend(current.and_then(understood));
    found
}

const BETWEEN: [char; 4] = [' ', '\t', ',', ';'];

/// The value of a parameter, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(text) = text.strip_prefix('"') else {
        let end = text.find(BETWEEN).unwrap_or(text.len());
        return (text[..end].trim_matches('\'').to_owned(), &text[end..]);
    };
    let (mut plain, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '"' if !escaped => match next_parameter(&text[..at]).filter(|_| plain.ends_with('=')) {
                // It opens the next value: the quote before it is missing.
                Some(comma) => return (text[..comma].to_owned(), &text[comma..]),
                None => return (plain, &text[at + 1..]),
            },
            _ => plain.push(c),
        }
        escaped = false;
    }
    // It is never closed.
    match next_parameter(text) {
        Some(comma) => (text[..comma].to_owned(), &text[comma..]),
        None => (plain, ""),
    }
}

/// Where the comma before `, KEY=` stands.
fn next_parameter(text: &str) -> Option<usize> {
    text.match_indices(',').map(|(comma, _)| comma).find(|comma| {
        let key = text[comma + 1..].split('=').next().unwrap_or_default().trim();
        text[comma + 1..].contains('=')
            && !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
    })
}

fn understood((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |wanted: &str| {
        let found = parameters.iter().find(|(key, _)| key == wanted);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        all(&headers).into_iter().next()
    }

    #[test]
    fn what_registries_send() {
        let bearer = |scope: Option<&str>| Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("reg, istry".to_owned()),
            scope: scope.map(str::to_owned),
        };
        let text = r#"Bearer realm="https://auth.example/token",service="reg, istry",scope="repository:a/b:pull,push""#;
        assert_eq!(of(&[text]), Some(bearer(Some("repository:a/b:pull,push"))));
        let text = r#"bearer  REALM = "https://auth.example/token" , service="reg\, istry""#;
        assert_eq!(of(&[text]), Some(bearer(None)));
        assert_eq!(of(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(of(&["Basic"]), Some(Challenge::Basic));
        let both =
            r#"Basic realm="x", Bearer realm="https://auth.example/token", service="reg, istry""#;
        assert_eq!(of(&[both]), Some(bearer(None)));
        assert_eq!(of(&["Negotiate", r#"Basic realm="x""#]), Some(Challenge::Basic));
    }

    #[test]
    fn what_servers_write_otherwise() {
        let realm = "https://auth.example/token";
        let bearer = |service: &str, scope: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Some(Challenge::Bearer {
                realm: realm.to_owned(),
                service: some(service),
                scope: some(scope),
            })
        };
        let scope = "repository:a:pull,push";
        for (text, challenge) in [
            (r#"Bearer realm="<R>" service="s" scope="<S>""#, bearer("s", scope)),
            (r#"Bearer realm="<R>"service="s"scope="<S>""#, bearer("s", scope)),
            (r#"BEARER Realm="<R>",SERVICE="s",Scope="<S>""#, bearer("s", scope)),
            (r#"Bearer realm="<R>"; service="s"; scope="<S>""#, bearer("s", scope)),
            (r#"Bearer , realm = "<R>" ,, service= s ,scope="<S>","#, bearer("s", scope)),
            (r"Bearer realm=<R>,service=s", bearer("s", "")),
            (r"Bearer realm='<R>', service='s'", bearer("s", "")),
            (r#"Bearer realm="<R>,service="s",scope="<S>""#, bearer("s", scope)),
            (r#"Bearer realm="<R>",service="s,scope="<S>""#, bearer("s", scope)),
            (r#"Bearer realm="<R>",service="s",scope="<S>"#, bearer("s", scope)),
            (r#"Bearer realm="<R>,service=s"#, bearer("s", "")),
            (r#"Bearer realm="<R>",service="",scope="""#, bearer("", "")),
            (r#"Basic realm="x" Bearer realm="<R>" service="s""#, bearer("s", "")),
            (r#"Negotiate abc==, Bearer realm="<R>",service="s""#, bearer("s", "")),
            (
                r#"Digest realm="d", nonce="n", qop="auth,auth-int", Bearer realm="<R>", Basic"#,
                bearer("", ""),
            ),
            (r#"Bearer error="invalid_token", realm="<R>", realm="other""#, bearer("", "")),
            ("basic", Some(Challenge::Basic)),
            (r#"bAsIc realm="unclosed"#, Some(Challenge::Basic)),
            (r#"NTLM, Negotiate, BASIC REALM=x charset="UTF-8""#, Some(Challenge::Basic)),
        ] {
            let text = text.replace("<R>", realm).replace("<S>", scope);
            assert_eq!(of(&[&text]), challenge, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_answered() {
        for text in [
            "",
            "Negotiate abc==",
            "Bearer",
            r#"Bearer service="x""#,
            ",,,",
            "=,=\"",
            "Bearer realm",
        ] {
            assert_eq!(of(&[text]), None, "{text}");
        }
        assert_eq!(of(&[]), None);
    }
}
