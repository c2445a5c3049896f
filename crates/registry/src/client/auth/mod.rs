//! [`Auth`]: says to one host who we are.

mod challenge;
mod scope;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use transship_core::Result;

use challenge::Challenge;
pub(crate) use scope::Scopes;
use token::{Realm, Token, basic, bearer};

use crate::Credential;
use crate::client::call::Call;
use crate::client::host::Host;

/// What a host asked for, and what we have got for it.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    known: Mutex<Known>,
    tokens: Mutex<HashMap<Vec<String>, Token>>,
    found: Mutex<BTreeMap<String, Option<Credential>>>,
    /// One token is got at a time: who waits mostly finds the one that it wanted.
    getting: tokio::sync::Mutex<()>,
    /// Whether it was asked at `/v2/` how it wants to know who we are.
    asked_base: AtomicBool,
}

/// How a host wants to know who we are.
#[derive(Clone, Debug, Default)]
enum Known {
    /// It has not said.
    #[default]
    Nothing,
    Basic,
    Token {
        realm: Realm,
        /// The scopes that it asked for, by the repository of the request.
        asked: BTreeMap<String, String>,
    },
}

impl Auth {
    /// `Authorization` for a request, as far as the host has said what it wants.
    pub(crate) async fn header(&self, host: &Host, call: &Call) -> Result<Option<HeaderValue>> {
        let scopes = &call.scopes;
        let known = lock(&self.known).clone();
        if let Some(Credential::Bearer(token)) = host.given_credential() {
            return bearer(token).map(Some);
        }
        match known {
            Known::Nothing => Ok(None),
            Known::Basic => match self.credential(host, call).await? {
                Some(Credential::Basic { user, secret }) => basic(&user, &secret).map(Some),
                Some(Credential::Bearer(token)) => bearer(&token).map(Some),
                _ => Ok(None),
            },
            Known::Token { realm, asked } => {
                let asked = asked.get(scopes.own()).map(String::as_str);
                self.token(host, call, &realm, asked).await.map(Some)
            }
        }
    }

    /// Takes in what a host answered to a request that it did not accept. Whether another try, with another header, may help.
    pub(crate) fn challenged(
        &self,
        host: &Host,
        call: &Call,
        answer: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<bool> {
        let mut known = lock(&self.known);
        let challenged = match challenge::best(answer) {
            None => return Ok(self.forget(&known, sent)),
            Some(Challenge::Basic) if sent.is_some() => return Ok(false),
            Some(Challenge::Basic) => Known::Basic,
            Some(Challenge::Bearer { realm, service, scope }) => {
                let mut asked = match &mut *known {
                    Known::Token { asked, .. } => std::mem::take(asked),
                    _ => BTreeMap::new(),
                };
                asked.extend(scope.map(|scope| (call.scopes.own().to_owned(), scope)));
                Known::Token { realm: Realm::new(host, &realm, service)?, asked }
            }
        };
        *known = challenged;
        self.forget(&known, sent);
        Ok(true)
    }

    /// Forgets what was sent and not accepted: a token, which may have ended early, and the credential behind it, which a
    /// helper may have for an hour only. Whether there is another one to be had: a token, also where another request has
    /// forgotten this one already.
    fn forget(&self, known: &Known, sent: Option<&HeaderValue>) -> bool {
        let Some(sent) = sent else { return false };
        lock(&self.tokens).retain(|_, token| token.header != *sent);
        lock(&self.found).clear();
        matches!(known, Known::Token { .. })
    }

    /// Whether to ask the host at `/v2/` how it wants to know who we are: once, while it has not said so.
    pub(crate) fn may_ask_base(&self) -> bool {
        matches!(*lock(&self.known), Known::Nothing)
            && !self.asked_base.swap(true, Ordering::Relaxed)
    }

    async fn token(
        &self,
        host: &Host,
        call: &Call,
        realm: &Realm,
        asked: Option<&str>,
    ) -> Result<HeaderValue> {
        let scopes = &call.scopes;
        let texts = scopes.texts(asked);
        if let Some(header) = self.good_token(&texts) {
            return Ok(header);
        }
        let _one = self.getting.lock().await;
        if let Some(header) = self.good_token(&texts) {
            return Ok(header);
        }
        let who = self.credential(host, call).await?;
        if let Some(Credential::Bearer(token)) = &who {
            return bearer(token);
        }
        // Both futures are large, and this one is in every request.
        let token = Box::pin(realm.token(host, &texts, who.as_ref(), &call.observer)).await?;
        let header = token.header.clone();
        lock(&self.tokens).insert(texts, token);
        Ok(header)
    }

    fn good_token(&self, texts: &[String]) -> Option<HeaderValue> {
        let tokens = lock(&self.tokens);
        let token = tokens.get(texts).filter(|token| token.renew_at > Instant::now())?;
        Some(token.header.clone())
    }

    /// The credential for a request, found once.
    pub(crate) async fn credential(&self, host: &Host, call: &Call) -> Result<Option<Credential>> {
        let repository = call.scopes.own().to_owned();
        if let Some(found) = lock(&self.found).get(&repository) {
            return Ok(found.clone());
        }
        let found = host.find_credential(&repository, &call.observer).await?;
        lock(&self.found).insert(repository, found.clone());
        Ok(found)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
