//! What a server says went wrong.

use crate::hints::option;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{StatusCode, Url};
use serde::de::IgnoredAny;
use serde_json::Value;
use transship_core::{Error, ErrorKind, Hint};

use super::attempt::place_of;
use super::call::Who;

/// The largest error document that is read, in bytes.
pub(crate) const PROBLEM_LIMIT: u64 = 64 << 10;

/// How much of a server's words is repeated.
const SHOWN: usize = 300;

/// How much of what is no answer is repeated.
const WORDS: usize = 60;

/// The error that an answer is, after
/// [the spec's error codes](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes).
pub(crate) fn error(status: StatusCode, body: &[u8]) -> Error {
    let (code, said) = said(body);
    let mut text = format!("the server answers {}", status.as_u16());
    if let Some(reason) = status.canonical_reason() {
        text = format!("{text} {reason}");
    }
    if !said.is_empty() {
        text = format!("{text}: {said}");
    }
    let error = Error::new(kind(status, &code), text);
    let error = if is_transient(status, body) { error } else { error.with_retryable(false) };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            error.hint("log in, or give a credential")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            error.hint(option("to send in pieces", "chunk-size", "BYTES"))
        }
        _ => error,
    }
}

/// What to do about a refusal, which depends on who asked.
pub(crate) fn advice(status: StatusCode, who: &Who) -> Option<Hint> {
    match (status.as_u16(), who) {
        (401 | 403, Who::Stranger(host)) | (401, Who::User(host)) => {
            let check = "check the name: a registry may say the same of what is not there";
            Some(Hint::AnyOf(vec![Hint::LogIn(host.clone()), check.into()]))
        }
        (401, Who::GivenToken(_)) => {
            Some("it may have expired, or be for another registry or repository".into())
        }
        (401, Who::StoredToken(host)) => Some(Hint::AnyOf(vec![
            option("with a new one", "registry-token", "TOKEN"),
            Hint::LogIn(host.clone()),
        ])),
        (403, Who::User(_) | Who::GivenToken(_) | Who::StoredToken(_)) => Some(
            "check the name, and what this user may do: a registry may say the same of what is not there".into(),
        ),
        (429, Who::Stranger(host)) => {
            Some(Hint::AnyOf(vec![WAIT.into(), Hint::LogIn(host.clone())]))
        }
        (429, _) => Some(WAIT.into()),
        _ => None,
    }
}

/// Says that it was a token that a host refuses, where one went into the request as it is.
pub(crate) fn of_token(status: StatusCode, who: &Who, error: Error) -> Error {
    match who {
        Who::GivenToken(host) if status == StatusCode::UNAUTHORIZED => {
            error.context(format!("{host} does not accept the given token"))
        }
        Who::StoredToken(host) if status == StatusCode::UNAUTHORIZED => {
            error.context(format!("{host} does not accept the stored token"))
        }
        _ => error,
    }
}

/// Why nothing may be there: some registries show a repository to nobody who may not read it.
pub(crate) fn absent(who: &Who) -> Hint {
    let check = "check the name: a private repository is there only for users who may read it";
    match who {
        Who::Stranger(host) => Hint::AnyOf(vec![check.into(), Hint::LogIn(host.clone())]),
        Who::User(_) | Who::GivenToken(_) | Who::StoredToken(_) | Who::Unsaid => check.into(),
    }
}

const WAIT: &str = "wait: the registry limits how many requests or pulls there may be in a time";

/// The error of a success that is no registry's answer: markup, or text where there should be a document.
pub(crate) fn foreign(url: &Url, headers: &HeaderMap, body: &[u8]) -> Option<Error> {
    let media_type = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_text = media_type.starts_with("text/") && !text.is_empty();
    if !text.starts_with('<') && (!is_text || serde_json::from_slice::<IgnoredAny>(body).is_ok()) {
        return None;
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: String = words.chars().take(WORDS).collect();
    let kind = if media_type.is_empty() { "something without a type" } else { media_type };
    let place = place_of(url);
    let message = format!("this is no answer of a registry: {place} sends {kind}, {words:?}");
    Some(Error::new(ErrorKind::Corrupt, message).hint(
        "check the host and the port: a web server, a proxy or a page to log in may be there in place of a registry",
    ))
}

fn kind(status: StatusCode, code: &str) -> ErrorKind {
    match (status.as_u16(), code) {
        (_, "DIGEST_INVALID" | "SIZE_INVALID" | "MANIFEST_UNVERIFIED") => ErrorKind::Corrupt,
        (_, "MANIFEST_BLOB_UNKNOWN") | (404 | 410, _) => ErrorKind::NotFound,
        (401 | 403, _) | (_, "DENIED" | "UNAUTHORIZED") => ErrorKind::Denied,
        (405 | 415, _) | (_, "UNSUPPORTED") => ErrorKind::Unsupported,
        (413, _) => ErrorKind::LimitExceeded,
        (507, _) => ErrorKind::NoSpace,
        (408 | 425 | 429 | 499 | 500..=599, _) => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// The first code, and all that is said, shortened. Servers differ in what they leave out, and in what they set to null.
fn said(body: &[u8]) -> (String, String) {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return (String::new(), plain(body).chars().take(SHOWN).collect());
    };
    let problems: Vec<&Value> = match (&document["errors"], &document["error"], &document) {
        (Value::Array(errors), _, _) | (_, _, Value::Array(errors)) => {
            errors.iter().take(3).collect()
        }
        (one @ Value::Object(_), _, _) | (_, one @ Value::Object(_), _) => vec![one],
        _ => vec![&document],
    };
    let code = problems.first().map(|first| text_of(first, &["code"])).unwrap_or_default();
    let all: Vec<String> = problems.into_iter().map(words).filter(|one| !one.is_empty()).collect();
    (code, all.join("; ").chars().take(SHOWN).collect())
}

/// The first line of a text. A page for people is none.
fn plain(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    text.lines().next().filter(|line| !line.starts_with('<')).unwrap_or_default().trim()
}

/// What one problem says: its message, its code, and the detail that tells what it is about.
fn words(problem: &Value) -> String {
    if !problem.is_object() {
        return scalar(problem);
    }
    let code = text_of(problem, &["code"]);
    let mut words = match text_of(problem, &["message", "error_description", "error"]) {
        message if message.is_empty() || message == code => code,
        message if code.is_empty() => message,
        message => format!("{message} ({code})"),
    };
    let detail = match &problem["detail"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Array(items) if items.is_empty() => String::new(),
        other => other.to_string(),
    };
    if !detail.is_empty() && !words.contains(&detail) {
        words = if words.is_empty() { detail } else { format!("{words}: {detail}") };
    }
    words
}

/// The first of some fields that is text, or a number.
fn text_of(problem: &Value, fields: &[&str]) -> String {
    let texts = fields.iter().map(|field| scalar(&problem[*field]));
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// The code of the first problem in a body.
pub(crate) fn code(body: &[u8]) -> String {
    said(body).0
}

/// Whether an answer may be another one later. Some statuses are those of proxies and of what stands before a registry.
pub(crate) fn is_transient(status: StatusCode, body: &[u8]) -> bool {
    let passes =
        matches!(status.as_u16(), 408 | 425 | 429 | 499 | 500 | 502..=504 | 509 | 520..=530);
    passes && (status == StatusCode::TOO_MANY_REQUESTS || !LASTING.contains(&code(body).as_str()))
}

/// Codes that say the same at every try, whatever the status is.
const LASTING: &[&str] = &[
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_INVALID",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TAG_INVALID",
    "UNAUTHORIZED",
    "UNSUPPORTED",
];

/// The value of a header, if it is text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say() {
        let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository \u001b[2J unknown","detail":{}}]}"#;
        let error = error(StatusCode::NOT_FOUND, body);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error
                .to_string()
                .contains("404 Not Found: repository \\u{1b}[2J unknown (NAME_UNKNOWN)"),
            "{error}"
        );
        for (status, body, kind) in [
            (400, r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#, ErrorKind::Corrupt),
            (401, "<html>", ErrorKind::Denied),
            (429, "", ErrorKind::Unavailable),
            (413, "", ErrorKind::LimitExceeded),
            (507, "", ErrorKind::NoSpace),
            (418, r#"{"errors":null}"#, ErrorKind::Unexpected),
            (409, r#"{"errors":[{"code":null,"message":7}]}"#, ErrorKind::Unexpected),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(super::error(status, body.as_bytes()).kind(), kind, "{status}");
        }
    }

    #[test]
    fn what_it_is_about_is_said_too() {
        for (body, words) in [
            (
                r#"{"errors":[{"code":"A","message":"b","detail":{"name":"x/y"}}]}"#,
                "b (A): {\"name\":\"x/y\"}",
            ),
            (r#"{"errors":[{"code":"A","message":"b","detail":"c"}]}"#, "b (A): c"),
            (r#"{"errors":[{"code":"A","message":null,"detail":[]},{"message":"d"}]}"#, "A; d"),
            (r#"{"error":"x","error_description":"y"}"#, "y"),
            (r#"{"errors":["text", 1]}"#, "text; 1"),
            (r#"{"errors":{"code":"A","message":"b"}}"#, "b (A)"),
            (r#"{"error":{"code":403,"message":"b"}}"#, "b (403)"),
            (r#"[{"code":"A","message":"b"}]"#, "b (A)"),
            (r#"{"errors":[]}"#, ""),
            (r#"{"message":"b"}"#, "b"),
            ("[1]", "1"),
            ("quota exceeded\r\nmore", "quota exceeded"),
            ("<html><body>403</body></html>", ""),
            ("null", ""),
            ("\"b\"", "b"),
        ] {
            assert_eq!(said(body.as_bytes()).1, words, "{body}");
        }
    }

    #[test]
    fn what_passes_and_what_stays() {
        let transient = |status, body: &str| {
            is_transient(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        for status in [408, 425, 429, 499, 500, 502, 503, 504, 509, 520, 522, 530] {
            assert!(transient(status, ""), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 413, 501, 505, 507] {
            assert!(!transient(status, ""), "{status}");
        }
        assert!(!transient(500, r#"{"errors":[{"code":"UNSUPPORTED"}]}"#));
        assert!(transient(429, r#"{"errors":[{"code":"DENIED"}]}"#));
    }
}
