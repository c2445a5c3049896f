//! One attempt at a request: authentication, redirects, and what a failure means.

use std::error::Error as StdError;
use std::time::Duration;

use crate::hints::{NO_TLS, certificate};
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode, Url};
use transship_core::{Error, ErrorKind, Notice, Result};

use super::call::{Answer, Call, Fetched, Payload, Who, silent};
use super::host::Host;
use super::shared::Policy;
use crate::tls::{self, Files, Folders, Trust};

/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// No server was reached.
    Nothing,
    /// A server was reached that does not speak TLS.
    NoTls,
    /// A server was reached; what it has done is not known.
    Server,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) reached: Reached,
    /// Whether another try would end as this one.
    pub(crate) lasting: bool,
    /// What the server asked us to wait.
    pub(crate) after: Option<Duration>,
}

impl Failure {
    pub(crate) fn lasting(error: Error) -> Self {
        Self { error, reached: Reached::Server, lasting: true, after: None }
    }

    pub(crate) fn cut(error: Error) -> Self {
        Self { error, reached: Reached::Server, lasting: false, after: None }
    }
}

impl Host {
    /// Sends a request, authenticates where the host asks for it, and follows redirects of reads.
    pub(super) async fn attempt(&self, call: &Call) -> Result<Answer, Failure> {
        let (mut url, mut asked, mut hops) = (call.url.clone(), false, 0);
        loop {
            let (header, answer) = match call.take_early() {
                Some(early) => (None, early?),
                None => self.authorized(call, &url).await?,
            };
            let status = answer.status;
            if may_be_denied(status) && self.is_home(&url) && !asked {
                asked = true;
                let again = self.ask_who(call, &answer, header.as_ref()).await;
                if again.map_err(Failure::lasting)? && call.repeats() {
                    continue;
                }
            } else if follows(call, status) {
                hops += 1;
                url = self.redirected(&answer.headers, &url, hops).map_err(Failure::lasting)?;
                continue;
            }
            // No credential went to where a redirect led.
            let who = if self.is_home(&url) { self.who(call) } else { Who::Unsaid };
            return Ok(answer.asked_by(who));
        }
    }

    /// Sends a request to a place, with the header that proves who we are where that is known. Gives both.
    async fn authorized(
        &self,
        call: &Call,
        url: &Url,
    ) -> Result<(Option<HeaderValue>, Answer), Failure> {
        let header = if self.is_home(url) {
            self.auth.header(self, call).await.map_err(Failure::lasting)?
        } else {
            None
        };
        let answer = self.transmit(call, url, header.as_ref(), self.trust_of(url)).await?;
        Ok((header, answer))
    }

    /// Whether a request that was refused may be accepted with another header.
    ///
    /// Without a token, some registries answer as if nothing were there, or with an error of their own, and have the challenge
    /// only at `/v2/`; and some say that a token has expired without a challenge.
    async fn ask_who(
        &self,
        call: &Call,
        answer: &Answer,
        sent: Option<&HeaderValue>,
    ) -> Result<bool> {
        let challenged = answer.status == StatusCode::UNAUTHORIZED
            && self.auth.challenged(self, call, &answer.headers, sent).await?;
        Ok(challenged || self.auth.unexplained(self, call, answer.status, sent).await)
    }

    /// Sends a request as it is: without redirects and authentication.
    pub(super) async fn attempt_plain(&self, call: &Call) -> Result<Answer, Failure> {
        self.transmit(call, &call.url, None, self.trust_of(&call.url)).await
    }

    /// Asks a host that may or may not speak TLS, and believes nothing that it says.
    pub(super) async fn probe(&self, call: &Call) -> Result<Answer, Failure> {
        self.transmit(call, &call.url, None, Trust::Anyone).await
    }

    /// Sends a request as it is, again where that may help, and reads the answer.
    pub(super) async fn fetch_plain(&self, call: &Call, limit: u64) -> Result<Fetched> {
        let attempt = || async { self.read(self.attempt_plain(call).await?, limit).await };
        self.retry(call, attempt).await
    }

    /// Reads a file, again where that may help. Redirects are followed, and no credential is sent.
    pub(crate) async fn download(&self, call: &Call, limit: u64) -> Result<Fetched> {
        self.base(&call.observer, call.patience).await?;
        let attempt = || async {
            let (mut url, mut hops) = (call.url.clone(), 0);
            loop {
                let answer = self.transmit(call, &url, None, self.trust_of(&url)).await?;
                if !follows(call, answer.status) {
                    return self.read(answer, limit).await;
                }
                hops += 1;
                let to = self.redirected(&answer.headers, &url, hops);
                url = to.map_err(|error| Failure::lasting(not_of_size(error)))?;
            }
        };
        self.retry(call, attempt).await
    }

    /// Where a redirect leads, of which this is the `hops`th.
    pub(crate) fn redirected(&self, headers: &HeaderMap, from: &Url, hops: usize) -> Result<Url> {
        if hops > REDIRECTS {
            let message = format!("the server redirects more than {REDIRECTS} times");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let to = location(headers.get(LOCATION), from)?;
        self.check_named(&to)?;
        Ok(to)
    }

    async fn transmit(
        &self,
        call: &Call,
        url: &Url,
        header: Option<&HeaderValue>,
        trust: Trust,
    ) -> Result<Answer, Failure> {
        let place = place_of(url);
        let client = async { self.shared.client(&self.policy(url, trust).await?).await };
        let client = client.await.map_err(Failure::lasting)?;
        let mut request = client.request(call.method.clone(), url.clone());
        request = request.headers(self.headers(call, url, header));
        let idle = call.idle.clone().unwrap_or_else(|| call.patience.idle(self.idle_timeout()));
        match &call.payload {
            Payload::Nothing
                if matches!(call.method, Method::POST | Method::PUT | Method::PATCH) =>
            {
                request = request.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Payload::Nothing => {}
            Payload::Bytes(bytes) => request = request.body(bytes.clone()),
            Payload::Stream(stream) => {
                if let Some(length) = stream.length {
                    request = request.header(CONTENT_LENGTH, length);
                }
                let body = stream.take().ok_or_else(sent_already)?;
                request = request.body(body);
            }
        }
        idle.touch();
        let sending: BoxFuture<'_, _> = Box::pin(request.send());
        let answered = match idle.guard(sending).await {
            Some(Ok(response)) => Ok(Answer::new(response, idle, self.rate())),
            Some(Err(error)) => Err(failure(&place, error)),
            None => Err(Failure::cut(silent())),
        };
        tell_request(call, url, &answered);
        answered
    }

    /// The headers of a request. Those that are configured for this host, which may be secret, go nowhere else.
    fn headers(&self, call: &Call, url: &Url, authorization: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.server.iter().flat_map(|server| &server.headers) {
            if self.is_home(url) && !call.headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        headers.extend(call.headers.clone());
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        headers
    }

    /// How a place is spoken to. Certificates that are kept for this host hold for the places that it names too: its storage and its
    /// realm are mostly of the same authority. Its client certificate is shown to no other machine.
    pub(super) async fn policy(&self, url: &Url, trust: Trust) -> Result<Policy> {
        let guard = self.guard(url);
        if url.scheme() == "http" {
            return Ok(Policy { trust, guard, folders: Folders::default() });
        }
        let of_host = self.certificates().await?.cloned();
        let files = self.server.as_ref().map(|server| server.certificates.clone());
        let files = files.unwrap_or_default();
        if self.is_home(url) {
            let folders = Folders { own: of_host, more: None, files };
            return Ok(Policy { trust, guard, folders });
        }
        let own = self.shared.certificates(&place_of(url)).await?;
        let folders = match own {
            None if self.is_on_machine(url) => Folders { own: of_host, more: None, files },
            own => {
                let more = of_host.filter(|more| own.as_ref() != Some(more));
                Folders { own, more, files: Files { clients: Vec::new(), ..files } }
            }
        };
        Ok(Policy { trust, guard, folders })
    }

    /// What is configured for a host holds for that host; the certificates of others are checked, unless none are.
    fn trust_of(&self, url: &Url) -> Trust {
        match url.scheme() {
            // Nothing is proved there, and no certificate has to be loaded.
            "http" => Trust::Anyone,
            _ if self.is_home(url) || self.verifies_nothing() => self.trust,
            _ => Trust::Verified,
        }
    }
}

/// `HOST[:PORT]`
pub(super) fn place_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The parts of a query that are shown. Others may be secret: redirects to storage carry signatures.
const SHOWN: [&str; 9] =
    ["artifactType", "digest", "from", "last", "mount", "n", "ns", "scope", "service"];

/// Notifies the observer of a request and its answer, without headers, bodies and what of the address may be secret.
fn tell_request(call: &Call, url: &Url, answered: &Result<Answer, Failure>) {
    let outcome = match answered {
        Ok(answer) => answer.status.to_string(),
        Err(failure) => failure.error.to_string(),
    };
    let text = format!("{} {} -> {outcome}", call.method, shown(url));
    call.observer.notify(Notice::Request(text));
}

fn shown(url: &Url) -> String {
    let mut text = format!("{}{}", url.origin().ascii_serialization(), url.path());
    let mut mark = '?';
    for (key, value) in url.query_pairs() {
        let value = if SHOWN.contains(&&*key) { value } else { "***".into() };
        text.extend([mark.to_string().as_str(), &*key, "=", &*value]);
        mark = '&';
    }
    text
}

/// Whether a refusal may be for lack of authentication.
fn may_be_denied(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::BAD_REQUEST
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
    )
}

/// An error that says nothing of the size of a file.
fn not_of_size(error: Error) -> Error {
    match error.kind() {
        ErrorKind::LimitExceeded => Error::new(ErrorKind::Unexpected, error.message().to_owned()),
        _ => error,
    }
}

/// Whether a request goes where an answer sends it. What is sent along is sent again only where the answer says so; a stream is
/// for its owner to send again.
fn follows(call: &Call, status: StatusCode) -> bool {
    match status {
        StatusCode::NOT_MODIFIED => false,
        status if keeps_method(status) => call.repeats(),
        status => status.is_redirection() && call.is_read(),
    }
}

/// Whether a redirect is of the request as it is, with its method and body.
pub(crate) fn keeps_method(status: StatusCode) -> bool {
    matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
}

/// The place that a `Location` names, seen from where it was given. A query stays.
pub(crate) fn location(value: Option<&HeaderValue>, from: &Url) -> Result<Url> {
    let text =
        value.and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "the server names a location that is missing or no text")
        })?;
    named(text, from)
}

/// The place that a server names, seen from where it names it.
pub(crate) fn named(text: &str, from: &Url) -> Result<Url> {
    let mut to = from.join(text).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "the server names a location that is no URL")
            .caused_by(error)
    })?;
    to.set_fragment(None);
    // User and password would be sent as a credential.
    if !to.username().is_empty() || to.password().is_some() {
        return Err(Error::new(ErrorKind::Denied, "the server names a location with a password"));
    }
    // Behind a proxy that ends TLS, many servers do not know that they are spoken to over it.
    let same_port = to.port().is_none() || to.port() == from.port();
    if from.scheme() == "https" && to.scheme() == "http" && to.host() == from.host() && same_port {
        // Both schemes have default ports: neither call fails.
        let _ = (to.set_scheme("https"), to.set_port(from.port()));
    }
    Ok(to)
}

fn sent_already() -> Failure {
    Failure::lasting(Error::new(ErrorKind::Unexpected, "a body that passes once was sent already"))
}

fn failure(place: &str, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let tls = tls_error(&error);
    let reached = match (&tls, error.is_connect()) {
        (Some(rustls::Error::InvalidMessage(_)), _) => Reached::NoTls,
        (None, true) if ended_early(&error) => Reached::NoTls,
        (_, true) => Reached::Nothing,
        (_, false) => Reached::Server,
    };
    if let Some(refused) = address_refused(&error) {
        return Failure::lasting(Error::new(ErrorKind::Denied, refused));
    }
    let lasting = tls.is_some();
    let cause = innermost(&error);
    if let Some(why) = tls.as_ref().and_then(tls::unsupported) {
        let error = Error::new(ErrorKind::Unsupported, format!("{place} {why}"));
        return Failure::lasting(error.hint(format!("supported are {}", tls::SUPPORTED)));
    }
    let made = match (tls, reached) {
        (Some(_), Reached::NoTls) => {
            Error::new(ErrorKind::Unavailable, format!("{place} does not speak TLS")).hint(NO_TLS)
        }
        (Some(tls), _) => {
            return Failure { error: unproven(place, &tls, cause), reached, lasting, after: None };
        }
        (None, Reached::Server) => Error::new(ErrorKind::Unavailable, "the connection was cut"),
        (None, _) => Error::new(ErrorKind::Unavailable, format!("{place} cannot be reached")),
    };
    Failure { error: made.caused_by(cause), reached, lasting, after: None }
}

/// The error for a server that speaks TLS and shows nothing that is accepted.
fn unproven(place: &str, tls: &rustls::Error, cause: String) -> Error {
    let (why, hint) = tls::refusal(tls).unwrap_or_else(|| (cause, certificate()));
    Error::new(ErrorKind::Denied, format!("{place} cannot prove that it is {place}"))
        .caused_by(why)
        .hint(hint)
}

fn chain<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

fn below<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>() {
        // An io::Error gives the source of what it wraps, and not that itself.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => error.source(),
    }
}

fn tls_error(error: &reqwest::Error) -> Option<rustls::Error> {
    chain(error).find_map(|error| error.downcast_ref::<rustls::Error>().cloned())
}

/// The refusal of [`Guarded`](super::address::Guarded).
fn address_refused(error: &reqwest::Error) -> Option<String> {
    chain(error)
        .find_map(|error| error.downcast_ref::<Error>())
        .filter(|error| error.kind() == ErrorKind::Denied)
        .map(|error| error.message().to_owned())
}

/// Servers that do not know what a TLS hello is close the connection.
fn ended_early(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    chain(error).filter_map(|error| error.downcast_ref::<std::io::Error>()).any(|error| {
        matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
    })
}

/// The cause that says something: those around it repeat that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let from = Url::parse("https://h.example:5000/v2/a/blobs/uploads/").unwrap();
        let to = |text: &str| {
            location(HeaderValue::from_bytes(text.as_bytes()).ok().as_ref(), &from)
                .map(|url| url.to_string())
        };
        for (text, url) in [
            (
                "/v2/a/blobs/uploads/1?_state=x%3D",
                "https://h.example:5000/v2/a/blobs/uploads/1?_state=x%3D",
            ),
            ("1?x", "https://h.example:5000/v2/a/blobs/uploads/1?x"),
            ("?x", "https://h.example:5000/v2/a/blobs/uploads/?x"),
            ("//other.example/u?a=%2F", "https://other.example/u?a=%2F"),
            ("/ä b", "https://h.example:5000/%C3%A4%20b"),
            ("http://h.example/u", "https://h.example:5000/u"),
            ("http://h.example:5000/u", "https://h.example:5000/u"),
            ("http://h.example:8080/u", "http://h.example:8080/u"),
            ("https://other.example/u#f", "https://other.example/u"),
            ("file:///etc/passwd", "file:///etc/passwd"),
        ] {
            assert_eq!(to(text).unwrap(), url);
        }
        for text in ["https://me:secret@h.example/", "https://[::"] {
            assert!(to(text).is_err(), "{text}");
        }
        assert!(location(None, &from).is_err());
    }
}
