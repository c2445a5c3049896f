//! Answers before they are sent, so that faults can still change them.

use std::io;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use transship_serve::protocol::Refusal;

use super::body::{Pace, Sending};

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    /// In place of the true length; what it says beyond the content never comes.
    pub(super) length: Option<u64>,
    pub(super) cut: Option<u64>,
    pub(super) pace: Option<Pace>,
}

#[derive(Debug)]
pub(super) enum Content {
    Pieces(Vec<Bytes>),
    /// The first, then the second again and again.
    Endless(Bytes, Bytes),
}

/// Why a request got no proper answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Refused, with an answer that says why.
    Refused(Box<Reply>),
    /// The connection is gone, or has to go.
    Broken(io::Error),
}

impl Reply {
    pub(super) fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::Pieces(Vec::new()),
            length: None,
            cut: None,
            pace: None,
        }
    }

    /// Adds a header. What cannot be one is left out.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.set(HeaderName::from_static(name), value);
        self
    }

    pub(super) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    pub(super) fn bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.content = Content::Pieces(vec![bytes.into()]);
        self
    }

    pub(super) fn pieces(mut self, pieces: Vec<Bytes>) -> Self {
        self.content = Content::Pieces(pieces);
        self
    }

    pub(super) fn json(self, media_type: &str, document: &serde_json::Value) -> Self {
        self.header("content-type", media_type).bytes(document.to_string())
    }

    /// An error as the specification words it.
    pub(super) fn error(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Refusal::new(status, code, message).into()
    }

    /// Everything of the content that comes to an end.
    pub(super) fn size(&self) -> u64 {
        match &self.content {
            Content::Pieces(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Content::Endless(..) => 0,
        }
    }

    /// As hyper sends it. To `HEAD`, all but the body.
    pub(super) fn into_response(
        mut self,
        head: bool,
        sent: impl Fn(usize) + Send + Sync + 'static,
    ) -> Response<Sending> {
        let bodiless = matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if matches!(self.content, Content::Pieces(_)) && !bodiless {
            let length = self.length.unwrap_or_else(|| self.size());
            self.headers.insert(CONTENT_LENGTH, length.into());
        }
        if self.size() > 0 && !self.headers.contains_key(CONTENT_TYPE) {
            self.set(CONTENT_TYPE, "application/octet-stream");
        }
        if head || bodiless {
            self.content = Content::Pieces(Vec::new());
            self.cut = None;
        }
        let sending = Sending::new(self.content, self.cut, self.pace, Box::new(sent));
        let mut response = Response::new(sending);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let reply = Self::new(refusal.status).header("content-type", "application/json");
        reply.bytes(refusal.body())
    }
}

impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self::Refused(Box::new(reply))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Reply::from(refusal).into()
    }
}

/// Refuses with 400.
pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Failure {
    Refusal::bad(code, message).into()
}

/// Refuses with 404.
pub(super) fn unknown(code: &'static str, message: impl Into<String>) -> Failure {
    Refusal::unknown(code, message).into()
}

/// Refuses with 405.
pub(super) fn unsupported(message: impl Into<String>) -> Failure {
    Refusal::unsupported(message).into()
}
