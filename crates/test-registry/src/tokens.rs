//! The token endpoint: <https://distribution.github.io/distribution/spec/auth/token/> and its `OAuth2` sibling.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use transship_serve::protocol::Query;

use super::auth::{self, Action, Caller, TokenAuth, TokenField, User};
use super::reply::Reply;

/// Where tokens are given.
pub(super) const TOKEN_PATH: &str = "/token";

/// The name that the registry has in challenges.
pub(super) const SERVICE: &str = "in-process-registry";

#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    serial: u64,
    access: HashMap<String, Access>,
    /// Refresh tokens, and whose they are.
    refresh: HashMap<String, User>,
}

#[derive(Debug)]
struct Access {
    scopes: Vec<(String, Action)>,
    until: Instant,
}

impl Tokens {
    /// The user of a bearer token; `None` if it is unknown or expired.
    pub(super) fn caller(&self, token: &str) -> Option<Caller> {
        let state = self.state();
        let access = state.access.get(token).filter(|access| access.until > Instant::now())?;
        Some(Caller::Scopes(access.scopes.clone()))
    }

    pub(super) fn expire(&self) {
        self.state().access.clear();
    }

    /// A refresh token, as `docker login` keeps one.
    pub(super) fn refresh_token(&self, user: &User) -> String {
        let mut state = self.state();
        let token = format!("refresh-{}", state.next());
        state.refresh.insert(token.clone(), user.clone());
        token
    }

    /// Answers a request to the endpoint.
    pub(super) fn answer(
        &self,
        how: &TokenAuth,
        method: &Method,
        query: &Query,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Reply {
        match *method {
            Method::GET => self.get(how, query, headers),
            Method::POST if how.oauth2 => self.post(how, headers, body),
            _ => Reply::error(StatusCode::NOT_FOUND, "UNSUPPORTED", "there is only GET here"),
        }
    }

    fn get(&self, how: &TokenAuth, query: &Query, headers: &HeaderMap) -> Reply {
        let user = auth::basic(&how.users, headers);
        if user.is_none() && headers.contains_key(hyper::header::AUTHORIZATION) {
            return refused("wrong name or password");
        }
        if query.get("service") != Some(SERVICE) {
            return wrong("service is not the one of the challenge");
        }
        let offline = query.get("offline_token") == Some("true");
        self.give(how, user, query.all("scope"), user.filter(|_| offline))
    }

    fn post(&self, how: &TokenAuth, headers: &HeaderMap, body: &Bytes) -> Reply {
        let form = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !form.is_some_and(|form| form.starts_with("application/x-www-form-urlencoded")) {
            return wrong("the body is not declared to be a form");
        }
        let form = Query::parse(&String::from_utf8_lossy(body));
        if form.get("service") != Some(SERVICE) || form.get("client_id").is_none_or(str::is_empty) {
            return wrong("service or client_id is missing or wrong");
        }
        let user = match form.get("grant_type") {
            Some("password") => auth::known(
                &how.users,
                form.get("username").unwrap_or_default(),
                form.get("password").unwrap_or_default(),
            )
            .cloned(),
            Some("refresh_token") => {
                self.state().refresh.get(form.get("refresh_token").unwrap_or_default()).cloned()
            }
            _ => return wrong("grant_type is neither password nor refresh_token"),
        };
        let Some(user) = user else { return refused("wrong name, password or refresh token") };
        let offline = form.get("access_type") == Some("offline");
        // One field with all scopes, apart by spaces.
        let scopes = form.get("scope").unwrap_or_default().split(' ').filter(|one| !one.is_empty());
        self.give(how, Some(&user), scopes, Some(&user).filter(|_| offline))
    }

    fn give<'a>(
        &self,
        how: &TokenAuth,
        user: Option<&User>,
        scopes: impl Iterator<Item = &'a str>,
        refresh_for: Option<&User>,
    ) -> Reply {
        let scopes = scopes.flat_map(|scope| granted(how, user, scope)).collect();
        let mut answer = Map::new();
        if let Some(user) = refresh_for {
            answer.insert("refresh_token".to_owned(), self.refresh_token(user).into());
        }
        let mut state = self.state();
        let token = format!("token-{}", state.next());
        let until = Instant::now() + how.lifetime;
        state.access.insert(token.clone(), Access { scopes, until });
        if how.field != TokenField::AccessToken {
            answer.insert("token".to_owned(), token.clone().into());
        }
        if how.field != TokenField::Token {
            answer.insert("access_token".to_owned(), token.into());
        }
        if how.tells_lifetime {
            answer.insert("expires_in".to_owned(), how.lifetime.as_secs().into());
        }
        Reply::new(StatusCode::OK).json("application/json", &Value::Object(answer))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// What of `repository:NAME:ACTION,ACTION` one gets.
fn granted(how: &TokenAuth, user: Option<&User>, scope: &str) -> Vec<(String, Action)> {
    let Some((name, actions)) =
        scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'))
    else {
        // The catalog's scope is a repository that has no name.
        let catalog = scope == "registry:catalog:*" && user.is_some();
        return catalog.then(|| (String::new(), Action::Pull)).into_iter().collect();
    };
    let asked: Vec<&str> = actions.split(',').collect();
    let rights = auth::rights(how, user, name).into_iter();
    rights
        .filter(|action| asked.contains(&action.as_str()) || asked.contains(&"*"))
        .map(|action| (name.to_owned(), action))
        .collect()
}

fn refused(why: &str) -> Reply {
    let document = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": why }] });
    Reply::new(StatusCode::UNAUTHORIZED).json("application/json", &document)
}

fn wrong(why: &str) -> Reply {
    let document = json!({ "error": "invalid_request", "error_description": why });
    Reply::new(StatusCode::BAD_REQUEST).json("application/json", &document)
}
