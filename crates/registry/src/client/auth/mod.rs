//! [`Auth`]: says to one host who we are.

mod challenge;
mod scope;
mod token;

use std::collections::{BTreeMap, HashMap};
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
        asked: Option<String>,
    },
}

impl Auth {
    /// `Authorization` for a request, as far as the host has said what it wants.
    pub(crate) async fn header(&self, host: &Host, call: &Call) -> Result<Option<HeaderValue>> {
        let scopes = &call.scopes;
        let known = lock(&self.known).clone();
        if let Some(Credential::Bearer(token)) = host.fixed_credential() {
            return bearer(token).map(Some);
        }
        match known {
            Known::Nothing => Ok(None),
            Known::Basic => match self.credential(host, scopes).await? {
                Some(Credential::Basic { user, secret }) => basic(&user, &secret).map(Some),
                Some(Credential::Bearer(token)) => bearer(&token).map(Some),
                _ => Ok(None),
            },
            Known::Token { realm, asked } => {
                self.token(host, call, &realm, asked.as_deref()).await.map(Some)
            }
        }
    }

    /// Takes in what a host answered to a request that it did not accept. Whether another try, with another header, may help.
    pub(crate) fn challenged(
        &self,
        host: &Host,
        answer: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<bool> {
        let known = match challenge::best(answer) {
            None => return Ok(false),
            Some(Challenge::Basic) if sent.is_some() => return Ok(false),
            Some(Challenge::Basic) => Known::Basic,
            Some(Challenge::Bearer { realm, service, scope }) => {
                Known::Token { realm: Realm::new(host, &realm, service)?, asked: scope }
            }
        };
        *lock(&self.known) = known;
        if let Some(sent) = sent {
            lock(&self.tokens).retain(|_, token| token.header != *sent);
        }
        Ok(true)
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
        let _one = self.getting.lock().await;
        if let Some(token) = lock(&self.tokens).get(&texts)
            && token.renew_at > Instant::now()
        {
            return Ok(token.header.clone());
        }
        let who = self.credential(host, scopes).await?;
        if let Some(Credential::Bearer(token)) = &who {
            return bearer(token);
        }
        // Both futures are large, and this one is in every request.
        let token = Box::pin(realm.token(host, &texts, who.as_ref(), &call.observer)).await?;
        let header = token.header.clone();
        lock(&self.tokens).insert(texts, token);
        Ok(header)
    }

    async fn credential(&self, host: &Host, scopes: &Scopes) -> Result<Option<Credential>> {
        let repository = scopes.own().to_owned();
        if let Some(found) = lock(&self.found).get(&repository) {
            return Ok(found.clone());
        }
        let found = host.find_credential(&repository).await?;
        lock(&self.found).insert(repository, found.clone());
        Ok(found)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
