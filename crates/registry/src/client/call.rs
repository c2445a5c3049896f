//! [`Call`] and [`Answer`]: a request as it is meant, and what comes back.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::hints::option;
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, LOCATION};
use reqwest::{Method, StatusCode, Url};
use transship_core::{Error, ErrorKind, Observer, Result};

use super::auth::Scopes;
use super::base::Early;
use super::idle::Idle;
use super::patience::Patience;
use super::problem;
use super::rate::Rate;
use crate::locked;

/// A request as it is meant.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) scopes: Scopes,
    pub(crate) payload: Payload,
    /// Its clock, where it is not the usual one.
    pub(crate) idle: Option<Idle>,
    pub(crate) patience: Patience,
    /// For messages: what is being done, to what.
    pub(crate) what: String,
    /// Hears of tries again.
    pub(crate) observer: Observer,
    /// What came of the first attempt, where that was made before the URL was known.
    pub(super) early: Mutex<Option<Early>>,
}

#[derive(Debug)]
pub(crate) enum Payload {
    Nothing,
    Bytes(Bytes),
    /// It passes once.
    Stream(Stream),
}

pub(crate) struct Stream {
    body: Mutex<Option<reqwest::Body>>,
    /// How many bytes, where that is known.
    pub(crate) length: Option<u64>,
}

impl Stream {
    pub(crate) fn new(body: reqwest::Body, length: Option<u64>) -> Self {
        Self { body: Mutex::new(Some(body)), length }
    }

    pub(crate) fn take(&self) -> Option<reqwest::Body> {
        locked(&self.body).take()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(method: Method, url: Url, what: impl Into<String>) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            scopes: Scopes::default(),
            payload: Payload::Nothing,
            idle: None,
            patience: Patience::Full,
            what: what.into(),
            observer: Observer::default(),
            early: Mutex::default(),
        }
    }

    /// The same, of which the first attempt was made.
    pub(crate) fn begun(self, early: Option<Early>) -> Self {
        Self { early: Mutex::new(early), ..self }
    }

    pub(crate) fn take_early(&self) -> Option<Early> {
        locked(&self.early).take()
    }

    pub(crate) fn heard_by(mut self, observer: &Observer) -> Self {
        self.observer = observer.clone();
        self
    }

    pub(crate) fn scoped(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// Whether it can be sent again as it is. All that we send may arrive twice without harm: an unused upload session
    /// expires. What passes once is for its owner to send again, from where the server says it is.
    pub(crate) fn repeats(&self) -> bool {
        !matches!(self.payload, Payload::Stream(_))
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

/// Who asked, as far as it helps to say what to do about a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Who {
    /// Nobody can do anything about that.
    #[default]
    Unsaid,
    /// Without a credential for this registry.
    Stranger(String),
    /// With a credential for this registry.
    User(String),
    /// With a token that was given for this once and goes into each request as it is.
    GivenToken(String),
    /// With such a token that is stored for this registry.
    StoredToken(String),
}

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
    pub(crate) bytes: Bytes,
    pub(crate) who: Who,
}

impl Fetched {
    /// Itself, if it is a success.
    pub(crate) fn success(self) -> Result<Self> {
        if self.status.is_success() { Ok(self) } else { Err(self.error()) }
    }

    /// What it says went wrong.
    pub(crate) fn error(&self) -> Error {
        let error = problem::error(self.status, &self.bytes);
        let error = problem::of_token(self.status, &self.who, error);
        let error = match problem::advice(self.status, &self.who) {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        // Only where to: the query may be a signature.
        let to = self.header(LOCATION.as_str()).filter(|_| self.status.is_redirection());
        match to.and_then(|to| to.split(['?', '#']).next()) {
            Some(to) => error.hint(format!("the server says that this is at {to}")),
            None => error,
        }
    }

    /// Why a success is none of a registry's: a page for people, as a login page, a proxy or another web server has it.
    pub(crate) fn foreign(&self) -> Option<Error> {
        problem::foreign(&self.url, &self.headers, &self.bytes)
    }

    /// The code of what it says went wrong.
    pub(crate) fn code(&self) -> String {
        problem::code(&self.bytes)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        problem::header(&self.headers, name)
    }
}

/// What came back, but for its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    who: Who,
    response: reqwest::Response,
    idle: Idle,
    rate: Option<Arc<Rate>>,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    /// Another try may give all of it.
    Cut(Error),
    Refused(Error),
}

impl Answer {
    pub(crate) fn new(
        mut response: reqwest::Response,
        idle: Idle,
        rate: Option<Arc<Rate>>,
    ) -> Self {
        let headers = std::mem::take(response.headers_mut());
        let (status, url) = (response.status(), response.url().clone());
        Self { status, headers, url, who: Who::default(), response, idle, rate }
    }

    pub(super) fn asked_by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    /// How many bytes the server says will come.
    pub(crate) fn length(&self) -> Option<u64> {
        problem::header(&self.headers, CONTENT_LENGTH.as_str())?.parse().ok()
    }

    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ReadFailure> {
        self.idle.touch();
        match self.idle.guard(self.response.chunk()).await {
            Some(Ok(chunk)) => {
                if let (Some(rate), Some(bytes)) = (&self.rate, &chunk) {
                    rate.pass(bytes.len(), &self.idle).await;
                }
                Ok(chunk)
            }
            Some(Err(error)) => Err(ReadFailure::Cut(
                Error::new(ErrorKind::Unavailable, "the connection was cut")
                    .caused_by(error.without_url()),
            )),
            None => Err(ReadFailure::Cut(silent())),
        }
    }

    /// All bytes, of which there may be at most `limit`.
    pub(crate) async fn all(mut self, limit: u64) -> Result<Fetched, ReadFailure> {
        let over = || {
            let message = format!("the server sends more than {limit} bytes");
            ReadFailure::Refused(Error::new(ErrorKind::LimitExceeded, message))
        };
        let mut bytes = BytesMut::new();
        if self.length().is_some_and(|length| length > limit) {
            return Err(over());
        }
        while let Some(chunk) = self.chunk().await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(over());
            }
            bytes.extend_from_slice(&chunk);
        }
        let Self { status, headers, url, who, .. } = self;
        Ok(Fetched { status, headers, url, bytes: bytes.freeze(), who })
    }
}

/// Nothing came for too long.
pub(crate) fn silent() -> Error {
    Error::new(ErrorKind::Unavailable, "the server has been silent for too long").hint(option(
        "to wait longer",
        "idle-timeout",
        "SECONDS",
    ))
}
