//! Answers.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use hyper::{Method, Response, StatusCode};
use serde_json::Value;
use transship_core::{Digest, Error, ErrorKind};

use crate::protocol::Refusal;
use crate::sending::Sending;

/// The methods that are answered of what is only read.
pub(crate) const READ: &str = "GET, HEAD";

pub(crate) type Answer = Result<Response<Sending>, Refused>;

/// Why there is no other answer.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The client is told.
    Told(Refusal),
    /// The client is told that it failed. What failed is for the log: it names files of this machine.
    Logged(Error),
}

impl Refused {
    /// Whether the disk of the server is full.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Logged(error) if error.kind() == ErrorKind::NoSpace)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Told(refusal)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Logged(error)
    }
}

/// What the client is told of a failure.
pub(crate) fn failed(error: &Error) -> Refusal {
    let why = match error.kind() {
        ErrorKind::Corrupt => "what is stored is damaged: the log of the server says more",
        _ => "the server failed: its log says more",
    };
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Conflict => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", why)
        }
        ErrorKind::NoSpace => {
            let why = "no space left on device: the disk of the server is full";
            Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "UNKNOWN", why)
        }
        _ => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", why),
    }
}

/// 200 with bytes.
pub(crate) fn bytes(media_type: &str, bytes: impl Into<Bytes>) -> Response<Sending> {
    let bytes = bytes.into();
    let mut response = Response::new(Sending::bytes(bytes.clone()));
    set(response.headers_mut(), CONTENT_TYPE, media_type);
    response.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
    response
}

/// 200 with JSON.
pub(crate) fn json(media_type: &str, document: &Value) -> Response<Sending> {
    bytes(media_type, document.to_string())
}

pub(crate) fn refusal(refusal: &Refusal) -> Response<Sending> {
    let mut response = bytes("application/json", refusal.body());
    *response.status_mut() = refusal.status;
    response
}

/// Adds which methods are answered, to a refusal of another one.
pub(crate) fn allowing(mut response: Response<Sending>, methods: &str) -> Response<Sending> {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        set(response.headers_mut(), ALLOW, methods);
    }
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Sending> {
    let mut response = Response::new(Sending::nothing());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, 0.into());
    }
    response
}

/// Without its body, as for `HEAD`.
pub(crate) fn headers_only(mut response: Response<Sending>) -> Response<Sending> {
    *response.body_mut() = Sending::nothing();
    response
}

/// Says by which digest the content is known.
pub(crate) fn of_digest(mut response: Response<Sending>, digest: &Digest) -> Response<Sending> {
    let headers = response.headers_mut();
    set(headers, HeaderName::from_static("docker-content-digest"), digest.as_ref());
    set(headers, ETAG, &etag(digest));
    response
}

pub(crate) fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// 304, where the client says that it has the content.
pub(crate) fn not_modified(headers: &HeaderMap, digest: &Digest) -> Option<Response<Sending>> {
    let own = etag(digest);
    let lists = headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut known = lists.flat_map(|list| list.split(',')).map(str::trim);
    let has = known.any(|tag| tag == "*" || tag.trim_start_matches("W/") == own);
    has.then(|| {
        let mut response = Response::new(Sending::nothing());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        of_digest(response, digest)
    })
}

/// Sets a header. What cannot be one is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Refuses what does not only read.
pub(crate) fn only_read(method: &Method) -> Result<(), Refusal> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    Err(Refusal::unsupported(format!("{method} is not possible here: this is only read")))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_full_disk_is_said() {
        let full = Error::io("writing", "/place", io::Error::from(io::ErrorKind::StorageFull));
        let refusal = failed(&full);
        assert_eq!((refusal.status.as_u16(), refusal.code), (507, "UNKNOWN"));
        assert!(refusal.message.contains("no space left on device"), "{}", refusal.message);
        assert!(!refusal.message.contains("/place"), "{}", refusal.message);
        let broken = Error::io("writing", "/place", io::Error::other("broken"));
        assert_eq!(failed(&broken).status.as_u16(), 500);
    }
}
