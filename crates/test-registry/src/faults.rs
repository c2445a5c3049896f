//! What goes wrong, and when.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, LINK};
use serde_json::json;

use super::body::Pace;
use super::reply::{Content, Reply};

/// A piece of a body without end.
const FILLER: usize = 64 * 1024;

/// Something that goes wrong with one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Answered with a status in place of being done: 429, 500, 503, ..
    Status {
        /// The status.
        status: u16,
        /// `Retry-After`.
        retry_after: Option<RetryAfter>,
    },
    /// Done, but the connection breaks after so many bytes of the answer's body.
    CutResponse {
        /// Bytes of the body that are sent.
        after: u64,
    },
    /// The connection breaks after so many bytes of the request's body were read. What stays of an upload is decided by
    /// [`Options::partial`](super::Options::partial).
    CutRequest {
        /// Bytes of the body that are read.
        after: u64,
    },
    /// Done, but the connection breaks before the answer: the client cannot know.
    CutBeforeAnswer,
    /// Done, and answered so much later.
    Late(Duration),
    /// The connection breaks before anything is done.
    Close,
    /// Never answered; the connection stays open.
    Stall,
    /// The body comes in small portions.
    Slow {
        /// The size of one.
        bytes: usize,
        /// The time between two.
        pause: Duration,
    },
    /// The last byte of the body is another one.
    WrongBytes,
    /// `Docker-Content-Digest` is another one.
    WrongDigest,
    /// `Content-Length` is so much larger (or smaller) than the body. What is announced and not there never comes; what is
    /// not announced is not sent.
    WrongLength(i64),
    /// A range is ignored: 200 with everything.
    IgnoreRange,
    /// `Content-Range` is of another part than was asked for.
    WrongRange,
    /// 307 to another place. `{path}` stands for the path and query that were asked for.
    Redirect {
        /// The value of `Location`.
        to: String,
    },
    /// 401 with the usual challenge, as if the token had just expired.
    ExpiredToken,
    /// A body without end, which begins as the true one does.
    Endless,
    /// A list whose next page is always there. (Where there are no pages, nothing happens.)
    EndlessPages,
    /// Another body and type, without changing anything else.
    Document {
        /// `Content-Type`.
        media_type: String,
        /// The body.
        bytes: Bytes,
    },
    /// One more header, or another value of one. Values that HTTP forbids need [`Raw`](Self::Raw).
    Header {
        /// The name, lowercase.
        name: &'static str,
        /// The value.
        value: String,
    },
    /// Without one of its headers, by its name in lowercase.
    WithoutHeader(&'static str),
    /// Done, and where that is a success, answered with this status.
    Answered(u16),
    /// These bytes in place of an HTTP answer, then the end of the connection.
    Raw(Bytes),
}

/// The forms of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date so much later than now. It has whole seconds.
    Date(Duration),
}

impl RetryAfter {
    pub(super) fn value(self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(later) => httpdate::fmt_http_date(SystemTime::now() + later),
        }
    }
}

/// A fault, and the requests that it happens to.
///
/// Without further conditions: the next request, once.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    path: Option<String>,
    skip: usize,
    times: usize,
}

impl Rule {
    /// The next request, once.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, path: None, skip: 0, times: 1 }
    }

    /// Only requests of this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path and query hold this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Lets the first so many of them pass.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// So often, in place of once.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = count;
        self
    }

    /// Each time.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.times > 0
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// What a fault does to an answer. The serial tells endless pages apart.
pub(super) fn spoil(fault: &Fault, reply: &mut Reply, path: &str, serial: usize) {
    match fault {
        Fault::CutResponse { after } => reply.cut = Some(*after),
        Fault::Slow { bytes, pause } => {
            reply.pace = Some(Pace { bytes: *bytes, pause: *pause });
        }
        Fault::WrongBytes => flip(reply),
        Fault::WrongDigest => {
            let other = transship_core::sha256(b"not what you asked for").to_string();
            reply.set(HeaderName::from_static("docker-content-digest"), &other);
        }
        Fault::WrongLength(by) => {
            reply.length = Some(reply.size().saturating_add_signed(*by));
            // hyper would keep to itself what does not fill the length.
            reply.cut = (*by > 0).then(|| reply.size());
        }
        Fault::Endless => {
            let first = match &reply.content {
                Content::Pieces(pieces) => pieces.concat().into(),
                Content::Endless(first, _) => first.clone(),
            };
            // Blanks: a JSON document is still one.
            reply.content = Content::Endless(first, Bytes::from(vec![b' '; FILLER]));
        }
        Fault::EndlessPages => endless_page(reply, path, serial),
        Fault::Document { media_type, bytes } => {
            reply.set(CONTENT_TYPE, media_type);
            reply.content = Content::Pieces(vec![bytes.clone()]);
        }
        Fault::Header { name, value } => reply.set(HeaderName::from_static(name), value),
        Fault::WithoutHeader(name) => {
            reply.headers.remove(*name);
        }
        Fault::Answered(status) if reply.status.is_success() => {
            reply.status = StatusCode::from_u16(*status).unwrap_or(reply.status);
        }
        _ => {}
    }
}

fn flip(reply: &mut Reply) {
    let Content::Pieces(pieces) = &mut reply.content else { return };
    let Some(piece) = pieces.iter_mut().rfind(|piece| !piece.is_empty()) else { return };
    let mut bytes = piece.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    *piece = bytes.into();
}

fn endless_page(reply: &mut Reply, path: &str, serial: usize) {
    let entry = format!("page-{serial}");
    let document = if path.ends_with("/tags/list") {
        json!({ "name": "endless", "tags": [&entry] })
    } else if path == "/v2/_catalog" {
        json!({ "repositories": [&entry] })
    } else {
        return;
    };
    reply.content = Content::Pieces(vec![document.to_string().into()]);
    reply.set(LINK, &format!("<{path}?last={entry}>; rel=\"next\""));
}

/// The rules in the order given; the first that fits and is due wins.
#[derive(Debug, Default)]
pub(super) struct Schedule(Mutex<Vec<Rule>>);

impl Schedule {
    pub(super) fn add(&self, rule: Rule) {
        self.rules().push(rule);
    }

    pub(super) fn clear(&self) {
        self.rules().clear();
    }

    /// Faults that are still to come, but those that always do.
    pub(super) fn pending(&self) -> usize {
        self.rules().iter().map(|rule| rule.times).filter(|times| *times != usize::MAX).sum()
    }

    /// What happens to a request; counts it.
    pub(super) fn due(&self, method: &str, path: &str) -> Option<Fault> {
        for rule in self.rules().iter_mut().filter(|rule| rule.fits(method, path)) {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.times != usize::MAX {
                rule.times -= 1;
            }
            return Some(rule.fault.clone());
        }
        None
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_due_in_order_and_as_often_as_said() {
        let schedule = Schedule::default();
        schedule.add(Rule::new(Fault::Close).method("GET").path("/blobs/").skip(1).times(2));
        schedule.add(Rule::new(Fault::Stall).path("/tags/").always());
        assert_eq!(schedule.pending(), 2);
        assert!(schedule.due("PUT", "/v2/a/blobs/x").is_none());
        let due = || schedule.due("GET", "/v2/a/blobs/x").is_some();
        assert_eq!([due(), due(), due(), due()], [false, true, true, false]);
        assert!(schedule.due("GET", "/v2/a/tags/list").is_some());
        assert_eq!(schedule.pending(), 0);
        schedule.clear();
        assert!(schedule.due("GET", "/v2/a/tags/list").is_none());
    }
}
