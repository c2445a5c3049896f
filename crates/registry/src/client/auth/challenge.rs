//! [`Challenge`]: what `WWW-Authenticate` asks for, [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A way to say who we are.
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
        .filter_map(|value| value.to_str().ok())
        .flat_map(challenges)
        .collect();
    all.sort_by_key(|challenge| *challenge == Challenge::Basic);
    all
}

fn challenges(text: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for part in split(text) {
        let (scheme, parameter) = scheme_and_parameter(&part);
        if let Some(scheme) = scheme {
            found.extend(
                current.replace((scheme.to_ascii_lowercase(), Vec::new())).and_then(understood),
            );
        }
        if let (Some((_, parameters)), Some(parameter)) = (&mut current, parameter) {
            parameters.push(parameter);
        }
    }
    found.extend(current.and_then(understood));
    found
}

/// Cuts at commas outside of quotes.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c == ',' && !quoted {
            parts.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// A part is `scheme key=value`, `scheme`, or `key=value`.
fn scheme_and_parameter(part: &str) -> (Option<&str>, Option<(String, String)>) {
    let part = part.trim();
    let token = part.find([' ', '\t', '=']).unwrap_or(part.len());
    if part[token..].trim_start().starts_with('=') {
        return (None, parameter(part));
    }
    let scheme = Some(&part[..token]).filter(|scheme| !scheme.is_empty());
    (scheme, parameter(part[token..].trim_start()))
}

fn parameter(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    Some((key.trim().to_ascii_lowercase(), unquoted(value.trim())))
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let (mut plain, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    plain
}

fn understood((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |wanted: &str| {
        parameters.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope").filter(|scope| !scope.is_empty()),
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
