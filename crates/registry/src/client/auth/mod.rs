//! [`Auth`]: authenticates to one host.

mod challenge;
mod scope;
mod token;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use transship_core::{ErrorKind, Result};

use challenge::Challenge;
pub(crate) use scope::{Access, Scopes};
use token::{Realm, Token, basic, bearer};

use crate::Credential;
use crate::client::call::Call;
use crate::client::host::Host;
use crate::locked;

/// What a host asked for, and what we have got for it.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    known: Mutex<Known>,
    /// The scope that was asked for, by repository: what one needs is not for the tokens of another.
    asked: Mutex<HashMap<String, String>>,
    tokens: Mutex<HashMap<Vec<String>, Arc<Slot>>>,
    found: Mutex<HashMap<String, Option<Credential>>>,
    /// The repositories whose stored token is sent as it is, since the host names no token server.
    as_it_is: Mutex<HashSet<String>>,
    /// Whether the host was asked at `/v2/` what it wants.
    pinged: tokio::sync::OnceCell<bool>,
}

/// A token that is there, or is being got.
#[derive(Debug, Default)]
struct Slot {
    token: Mutex<Option<Token>>,
    /// One is got at a time: a request that waits mostly finds the one that it wants.
    getting: tokio::sync::Mutex<()>,
}

impl Slot {
    fn good(&self) -> Option<HeaderValue> {
        let token = locked(&self.token);
        token.as_ref().filter(|token| token.renew_at > Instant::now()).map(|t| t.header.clone())
    }
}

/// How a host wants clients to authenticate.
#[derive(Clone, Debug, Default)]
enum Known {
    #[default]
    Nothing,
    Basic,
    Token(Realm),
}

impl Auth {
    /// `Authorization` for a request, as far as the host has said what it wants.
    pub(crate) async fn header(&self, host: &Host, call: &Call) -> Result<Option<HeaderValue>> {
        let known = locked(&self.known).clone();
        if let Some(Credential::Bearer(token)) = host.given_credential() {
            return bearer(token).map(Some);
        }
        let as_it_is = locked(&self.as_it_is).contains(call.scopes.own());
        if as_it_is && let Some(Credential::Bearer(token)) = self.credential(host, call).await? {
            return bearer(&token).map(Some);
        }
        match known {
            Known::Nothing => Ok(None),
            Known::Basic => match self.credential(host, call).await? {
                Some(Credential::Basic { user, secret }) => basic(&user, &secret).map(Some),
                Some(Credential::Bearer(token)) => bearer(&token).map(Some),
                _ => Ok(None),
            },
            Known::Token(realm) => self.token(host, call, &realm).await.map(Some),
        }
    }

    /// Takes in what a host answered to a request that it did not accept. Whether another try, with another header, may help.
    pub(crate) async fn challenged(
        &self,
        host: &Host,
        call: &Call,
        answer: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<bool> {
        // A token is sent as it is; the first request to a host may have gone without it.
        if matches!(host.given_credential(), Some(Credential::Bearer(_))) {
            return Ok(sent.is_none());
        }
        let found = answerable(host, answer);
        if !matches!(found, Ok(Some(_))) && self.switch_to_stored_token(host, call).await {
            return match sent {
                None => Ok(true),
                Some(sent) => self.has_other_than(sent, host, call).await,
            };
        }
        let Some((known, scope)) = found? else { return Ok(false) };
        let basic = matches!(known, Known::Basic);
        *locked(&self.known) = known;
        if let Some(scope) = scope {
            locked(&self.asked).insert(call.scopes.own().to_owned(), scope);
        }
        match sent {
            None => Ok(true),
            Some(sent) if basic => self.has_other_than(sent, host, call).await,
            Some(sent) => {
                self.drop_token(sent);
                Ok(true)
            }
        }
    }

    /// Whether the credential is another one now: what a helper gave may have been good for a while only.
    async fn has_other_than(&self, sent: &HeaderValue, host: &Host, call: &Call) -> Result<bool> {
        self.forget(call);
        Ok(self.header(host, call).await?.is_some_and(|header| header != *sent))
    }

    /// Sends the token that is stored for the repository as it is from now on. Whether one is stored.
    async fn switch_to_stored_token(&self, host: &Host, call: &Call) -> bool {
        let found = self.credential(host, call).await;
        let is_stored = matches!(found, Ok(Some(Credential::Bearer(_))));
        if is_stored {
            locked(&self.as_it_is).insert(call.scopes.own().to_owned());
        }
        is_stored
    }

    /// Whether a request that was refused without a challenge may go again: with a new token, or now that `/v2/` says what the host
    /// wants. Some show nothing to strangers, and some do not say that a token has ended.
    pub(crate) async fn unexplained(
        &self,
        host: &Host,
        call: &Call,
        status: StatusCode,
        sent: Option<&HeaderValue>,
    ) -> bool {
        if let Some(sent) = sent {
            if status == StatusCode::NOT_FOUND {
                return false;
            }
            // Another request may have dropped it first, and have the next one.
            self.drop_token(sent);
            return matches!(self.header(host, call).await, Ok(Some(now)) if now != *sent);
        }
        if !matches!(*locked(&self.known), Known::Nothing) {
            return false;
        }
        // Most that have nothing there have nothing to hide.
        if status == StatusCode::NOT_FOUND
            && !matches!(self.credential(host, call).await, Ok(Some(_)))
        {
            return false;
        }
        let says = *self.pinged.get_or_init(|| Box::pin(self.ping(host, call))).await;
        says || self.switch_to_stored_token(host, call).await
    }

    /// Asks `/v2/` what the host wants. What it says otherwise, or not at all, is of no account.
    async fn ping(&self, host: &Host, call: &Call) -> bool {
        let Some(answer) = host.ping(&call.observer).await else { return false };
        let Ok(Some((known, _))) = answerable(host, &answer) else { return false };
        *locked(&self.known) = known;
        true
    }

    async fn token(&self, host: &Host, call: &Call, realm: &Realm) -> Result<HeaderValue> {
        let asked = locked(&self.asked).get(call.scopes.own()).cloned();
        let texts = call.scopes.texts(asked.as_deref());
        let slot = Arc::clone(locked(&self.tokens).entry(texts.clone()).or_default());
        if let Some(header) = slot.good() {
            return Ok(header);
        }
        let _one = slot.getting.lock().await;
        if let Some(header) = slot.good() {
            return Ok(header);
        }
        let known = locked(&self.found).contains_key(call.scopes.own());
        let who = self.credential(host, call).await?;
        let mut got = self.token_for(host, call, realm, &texts, who.as_ref()).await;
        if known && got.as_ref().is_err_and(|error| error.kind() == ErrorKind::Denied) {
            self.forget(call);
            let now = self.credential(host, call).await?;
            if now != who {
                got = self.token_for(host, call, realm, &texts, now.as_ref()).await;
            }
        }
        let token = got?;
        let header = token.header.clone();
        *locked(&slot.token) = Some(token);
        Ok(header)
    }

    async fn token_for(
        &self,
        host: &Host,
        call: &Call,
        realm: &Realm,
        texts: &[String],
        who: Option<&Credential>,
    ) -> Result<Token> {
        if let Some(Credential::Bearer(token)) = who {
            return Ok(Token { header: bearer(token)?, renew_at: Instant::now() });
        }
        // The future is large, and this one is in every request.
        Box::pin(realm.token(host, texts, who, call)).await
    }

    async fn credential(&self, host: &Host, call: &Call) -> Result<Option<Credential>> {
        let repository = call.scopes.own().to_owned();
        if let Some(found) = locked(&self.found).get(&repository) {
            return Ok(found.clone());
        }
        let found = host.find_credential(&repository, &call.observer).await?;
        locked(&self.found).insert(repository, found.clone());
        Ok(found)
    }

    /// The credential that was found for a repository.
    pub(crate) fn found_credential(&self, repository: &str) -> Option<Credential> {
        locked(&self.found).get(repository).cloned().flatten()
    }

    /// The next request authenticates anew.
    fn forget(&self, call: &Call) {
        locked(&self.found).remove(call.scopes.own());
    }

    /// A token that was sent in vain is used no more.
    fn drop_token(&self, sent: &HeaderValue) {
        for slot in locked(&self.tokens).values() {
            let mut token = locked(&slot.token);
            if token.as_ref().is_some_and(|token| token.header == *sent) {
                *token = None;
            }
        }
    }
}

/// What a host wants, and the scope that it asks for.
type Wanted = (Known, Option<String>);

/// The first challenge that can be answered.
fn answerable(host: &Host, answer: &HeaderMap) -> Result<Option<Wanted>> {
    let mut refused = None;
    for challenge in challenge::all(answer) {
        match challenge {
            Challenge::Basic => return Ok(Some((Known::Basic, None))),
            Challenge::Bearer { realm, service, scope } => {
                match Realm::new(host, &realm, service) {
                    Ok(realm) => return Ok(Some((Known::Token(realm), scope))),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
        }
    }
    refused.map_or(Ok(None), Err)
}
