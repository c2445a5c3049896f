//! What a server says went wrong.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use transship_core::{Error, ErrorKind};

/// The largest error document that is read, in bytes.
pub(crate) const PROBLEM_LIMIT: u64 = 64 << 10;

/// How much of a server's words is repeated.
const SHOWN: usize = 300;

#[derive(Deserialize)]
struct Problems {
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

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
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            error.hint("log in, or give a credential with docker.creds")
        }
        StatusCode::PAYLOAD_TOO_LARGE => error.hint("send in pieces: docker.chunk-size=BYTES"),
        _ => error,
    }
}

fn kind(status: StatusCode, code: &str) -> ErrorKind {
    match (status.as_u16(), code) {
        (_, "DIGEST_INVALID" | "SIZE_INVALID" | "MANIFEST_UNVERIFIED") => ErrorKind::Corrupt,
        (_, "MANIFEST_BLOB_UNKNOWN") | (404 | 410, _) => ErrorKind::NotFound,
        (401 | 403, _) => ErrorKind::Denied,
        (405 | 415, _) | (_, "UNSUPPORTED") => ErrorKind::Unsupported,
        (413, _) => ErrorKind::LimitExceeded,
        (408 | 429 | 500..=599, _) => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}

/// The first code, and all that is said, shortened.
fn said(body: &[u8]) -> (String, String) {
    let Ok(Problems { errors }) = serde_json::from_slice(body) else {
        return (String::new(), String::new());
    };
    let code = errors.first().map(|first| first.code.clone()).unwrap_or_default();
    let all: Vec<String> = errors
        .iter()
        .take(3)
        .map(|Problem { code, message }| match message.as_str() {
            "" => code.clone(),
            message => format!("{message} ({code})"),
        })
        .collect();
    (code, all.join("; ").chars().take(SHOWN).collect())
}

/// Whether an answer may be another one later.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

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
            (418, r#"{"errors":null}"#, ErrorKind::Unexpected),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(super::error(status, body.as_bytes()).kind(), kind, "{status}");
        }
    }
}
