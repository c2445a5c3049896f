//! Gets tokens from a realm, after
//! [the token protocol](https://distribution.github.io/distribution/spec/auth/token/) and its
//! [OAuth2 form](https://distribution.github.io/distribution/spec/auth/oauth/).

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use transship_core::{Error, ErrorKind, Hint, Result, ResultExt};

use crate::client::attempt::{keeps_method, place_of};
use crate::client::call::{Call, Payload};
use crate::client::host::Host;
use crate::client::problem;
use crate::hints::option;
use crate::{Credential, Secret};

/// The largest answer of a realm, in bytes.
const LIMIT: u64 = 1 << 20;

/// How long a token is good when the realm does not say.
const DEFAULT_LIFE: u64 = 60;

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) url: Url,
    pub(crate) service: Option<String>,
}

/// A token, and until when it is used.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    pub(crate) renew_at: Instant,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

/// Realms differ in what they leave out, and in what they set to null.
#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    token: Value,
    #[serde(default)]
    access_token: Value,
    #[serde(default)]
    expires_in: Value,
}

impl Granted {
    fn text(&self) -> Option<&str> {
        let both = [&self.token, &self.access_token].into_iter();
        both.filter_map(Value::as_str).find(|text| !text.is_empty())
    }

    /// In seconds: as a number of any form, or as text.
    fn life(&self) -> u64 {
        let said = match &self.expires_in {
            Value::Number(number) => number.as_u64().or_else(|| {
                let seconds = Duration::try_from_secs_f64(number.as_f64()?).ok()?;
                Some(seconds.as_secs())
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        said.filter(|life| *life > 0).unwrap_or(DEFAULT_LIFE)
    }
}

/// For which host and request, with which scopes.
#[derive(Clone, Copy)]
struct Asking<'a> {
    host: &'a Host,
    scopes: &'a [String],
    request: &'a Call,
}

impl Asking<'_> {
    fn call(self, method: Method, url: Url, what: String) -> Call {
        let call = Call::new(method, url, what).heard_by(&self.request.observer);
        Call { patience: self.request.patience.of_token(), ..call }
    }
}

impl Realm {
    /// Checks a realm that a host names: what is secret goes there.
    pub(crate) fn new(host: &Host, realm: &str, service: Option<String>) -> Result<Self> {
        if !realm.contains("://") {
            let name = host.name();
            let message = format!("{name} wants a token, and names no server that gives one");
            let hint = option("with a token that you have", "registry-token", "TOKEN");
            return Err(Error::new(ErrorKind::Denied, message).hint(hint));
        }
        let url = host.named(realm).context(|| "the realm of its tokens")?;
        Ok(Self { url, service })
    }

    /// Gets a token for scopes; without a credential, an anonymous one.
    pub(crate) async fn token(
        &self,
        host: &Host,
        scopes: &[String],
        who: Option<&Credential>,
        request: &Call,
    ) -> Result<Token> {
        let asking = Asking { host, scopes, request };
        let answer = match who {
            Some(Credential::IdentityToken(token)) => {
                let fields = [("grant_type", "refresh_token"), ("refresh_token", token.reveal())];
                self.post(asking, &fields).await?
            }
            Some(Credential::Basic { user, secret }) => {
                let answer = self.get(asking, Some(basic(user, secret)?)).await?;
                match answer.0 {
                    StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                        let fields = [
                            ("grant_type", "password"),
                            ("username", user.as_str()),
                            ("password", secret.reveal()),
                        ];
                        self.post(asking, &fields).await?
                    }
                    _ => answer,
                }
            }
            Some(Credential::Bearer(_)) | None => self.get(asking, None).await?,
        };
        granted(&answer).map_err(|e| refused(host, who, e).context(self.what(host)))
    }

    fn what(&self, host: &Host) -> String {
        let realm = self.url.host_str().unwrap_or_default();
        format!("getting a token for {} from {realm}", host.name())
    }

    async fn get(
        &self,
        asking: Asking<'_>,
        header: Option<HeaderValue>,
    ) -> Result<(StatusCode, bytes::Bytes)> {
        let mut url = self.url.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &self.service {
                query.append_pair("service", service);
            }
            for scope in asking.scopes {
                query.append_pair("scope", scope);
            }
        }
        let mut call = asking.call(Method::GET, url, self.what(asking.host));
        if let Some(header) = header {
            call.headers.insert(AUTHORIZATION, header);
        }
        self.send(asking.host, call).await
    }

    async fn post(
        &self,
        asking: Asking<'_>,
        fields: &[(&str, &str)],
    ) -> Result<(StatusCode, bytes::Bytes)> {
        let mut call = asking.call(Method::POST, self.url.clone(), self.what(asking.host));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        call.headers.insert(CONTENT_TYPE, form);
        call.payload = Payload::Bytes(self.form(asking.scopes, fields).into());
        self.send(asking.host, call).await
    }

    fn form(&self, scopes: &[String], fields: &[(&str, &str)]) -> String {
        // A URL's query is written as a form is.
        let mut url = self.url.clone();
        url.set_query(None);
        {
            let mut form = url.query_pairs_mut();
            form.extend_pairs(fields).append_pair("client_id", "transship");
            if let Some(service) = &self.service {
                form.append_pair("service", service);
            }
            if !scopes.is_empty() {
                form.append_pair("scope", &scopes.join(" "));
            }
        }
        url.query().unwrap_or_default().to_owned()
    }

    async fn send(&self, host: &Host, mut call: Call) -> Result<(StatusCode, bytes::Bytes)> {
        call.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut hops = 0;
        loop {
            let fetched = host.fetch_plain(&call, LIMIT).await?;
            let goes_on = keeps_method(fetched.status)
                || (fetched.status.is_redirection() && call.method == Method::GET);
            if !goes_on {
                return Ok((fetched.status, fetched.bytes));
            }
            hops += 1;
            let to = host.redirected(&fetched.headers, &fetched.url, hops);
            let to = to.context(|| call.what.clone())?;
            if !is_same_service(&call.url, &to) {
                if call.method == Method::POST {
                    let message = format!("the realm sends what is secret on to {}", place_of(&to));
                    return Err(Error::new(ErrorKind::Denied, message).context(call.what));
                }
                call.headers.remove(AUTHORIZATION);
            }
            call.url = to;
        }
    }
}

/// Whether what is secret may go from one place to another: to the same host and port, or there from plain HTTP to TLS.
fn is_same_service(from: &Url, to: &Url) -> bool {
    let safe = to.scheme() == "https" || to.scheme() == from.scheme();
    safe && from.host() == to.host() && from.port() == to.port()
}

/// Says which credential it was that a realm refuses, if it does.
fn refused(host: &Host, who: Option<&Credential>, error: Error) -> Error {
    let name = host.name();
    if error.kind() != ErrorKind::Denied {
        return error;
    }
    match who {
        None => error.with_hint(Hint::LogIn(name.to_owned())),
        // One that was given for this once is not kept anywhere.
        Some(_) if host.given_credential().is_some() => {
            error.context(format!("{name} does not accept the given credential"))
        }
        Some(_) => error
            .context(format!("{name} does not accept the stored credential"))
            .with_hint(Hint::LogIn(name.to_owned())),
    }
}

fn granted((status, body): &(StatusCode, bytes::Bytes)) -> Result<Token> {
    if !status.is_success() {
        return Err(problem::error(*status, body));
    }
    let malformed = || Error::new(ErrorKind::Corrupt, "the realm's answer holds no token");
    // Not the parser's own error: it may repeat what it read.
    let granted: Granted = serde_json::from_slice(body).map_err(|_| malformed())?;
    let header = bearer(&Secret::new(granted.text().ok_or_else(malformed)?))?;
    // Renewed while it is still good: a request that starts now is looked at later.
    let life = granted.life();
    let early = (life / 4).min(30);
    // A life beyond a day is not waited for anyway.
    let life = Duration::from_secs((life - early).min(86_400));
    Ok(Token { header, renew_at: Instant::now() + life })
}

pub(crate) fn bearer(token: &Secret) -> Result<HeaderValue> {
    sensitive(&format!("Bearer {}", token.reveal()))
}

pub(crate) fn basic(user: &str, secret: &Secret) -> Result<HeaderValue> {
    use base64::Engine as _;
    let pair = format!("{user}:{}", secret.reveal());
    sensitive(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::new(ErrorKind::Denied, "a credential has characters that no header can hold")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_realms_answer() {
        for (body, life) in [
            (r#"{"token":"t"}"#, Some(DEFAULT_LIFE)),
            (r#"{"token":"t","access_token":null,"expires_in":null}"#, Some(DEFAULT_LIFE)),
            (r#"{"token":null,"access_token":"t","expires_in":300}"#, Some(300)),
            (r#"{"token":"","access_token":"t","expires_in":-1}"#, Some(DEFAULT_LIFE)),
            (r#"{"token":"t","expires_in":"300","issued_at":null}"#, Some(300)),
            (r#"{"token":"t","expires_in":300.5}"#, Some(300)),
            (r#"{"token":"t","expires_in":18446744073709551615}"#, Some(u64::MAX)),
            (r#"{"token":"t","expires_in":1e300}"#, Some(DEFAULT_LIFE)),
            (r#"{"token":null}"#, None),
            (r#"{"token":7}"#, None),
            ("null", None),
            ("[]", None),
        ] {
            let answer = (StatusCode::OK, bytes::Bytes::from_static(body.as_bytes()));
            assert_eq!(granted(&answer).is_ok(), life.is_some(), "{body}");
            if let Some(life) = life {
                let parsed: Granted = serde_json::from_str(body).unwrap();
                assert_eq!(parsed.life(), life, "{body}");
            }
        }
    }
}
