//! Users and what they may do.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use transship_serve::protocol::{Route, What};

/// Which users may do what.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Auth {
    /// Everybody everything.
    #[default]
    Open,
    /// Basic auth with each request.
    Basic(Vec<User>),
    /// Tokens, from an endpoint of this registry.
    Token(TokenAuth),
}

/// Somebody with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub(super) name: String,
    password: String,
    rights: Option<Vec<Right>>,
}

impl User {
    /// A user who may do everything.
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned(), rights: None }
    }

    /// The same, but with these rights alone.
    #[must_use]
    pub fn only(mut self, rights: impl IntoIterator<Item = Right>) -> Self {
        self.rights = Some(rights.into_iter().collect());
        self
    }

    fn may(&self, repository: &str, action: Action) -> bool {
        self.rights.as_ref().is_none_or(|rights| allowed(rights, repository, action))
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What users may do with repositories whose name begins with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    prefix: String,
    actions: Vec<Action>,
}

impl Right {
    /// A right to some actions. The empty prefix is of all repositories.
    pub fn new(prefix: &str, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { prefix: prefix.to_owned(), actions: actions.into_iter().collect() }
    }
}

/// What can be done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read it.
    Pull,
    /// Write to it.
    Push,
    /// Delete from it.
    Delete,
}

impl Action {
    pub(super) const ALL: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// How tokens are given.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenAuth {
    /// Users with passwords.
    pub users: Vec<User>,
    /// What every user may do.
    pub anonymous: Vec<Right>,
    /// How long a token holds.
    pub lifetime: Duration,
    /// Whether the endpoint takes `OAuth2` `POST`s; else 404, as from older ones.
    pub oauth2: bool,
    /// The field with the token.
    pub field: TokenField,
    /// Whether answers have `expires_in`. Without it, clients have to take 60 seconds.
    pub tells_lifetime: bool,
}

impl TokenAuth {
    /// Tokens that hold 5 minutes, for users that may do everything.
    pub fn new(users: impl IntoIterator<Item = User>) -> Self {
        Self {
            users: users.into_iter().collect(),
            anonymous: Vec::new(),
            lifetime: Duration::from_secs(300),
            oauth2: true,
            field: TokenField::Both,
            tells_lifetime: true,
        }
    }
}

/// The field of the answer with the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenField {
    /// `token` and `access_token`
    Both,
    /// `token`
    Token,
    /// `access_token`
    AccessToken,
}

#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Nobody asks.
    Anybody,
    User(User),
    /// What a token is good for.
    Scopes(Vec<(String, Action)>),
}

impl Caller {
    pub(super) fn may(&self, repository: &str, action: Action) -> bool {
        match self {
            Self::Anybody => true,
            Self::User(user) => user.may(repository, action),
            Self::Scopes(scopes) => {
                scopes.iter().any(|(name, granted)| name == repository && *granted == action)
            }
        }
    }
}

/// What a user may do with a repository; `None` is every user.
pub(super) fn rights(auth: &TokenAuth, user: Option<&User>, repository: &str) -> Vec<Action> {
    let may = |action: &Action| {
        allowed(&auth.anonymous, repository, *action)
            || user.is_some_and(|user| user.may(repository, *action))
    };
    Action::ALL.into_iter().filter(may).collect()
}

/// The user that basic auth names with the right password.
pub(super) fn basic<'a>(users: &'a [User], headers: &HeaderMap) -> Option<&'a User> {
    let encoded = scheme(headers, "basic")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    known(users, name, password)
}

pub(super) fn known<'a>(users: &'a [User], name: &str, password: &str) -> Option<&'a User> {
    users.iter().find(|user| user.name == name && user.password == password)
}

/// What stands after the scheme in `Authorization`.
pub(super) fn scheme<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn allowed(rights: &[Right], repository: &str, action: Action) -> bool {
    rights
        .iter()
        .any(|right| repository.starts_with(&right.prefix) && right.actions.contains(&action))
}

/// The right that a request needs, and on which repository. The catalog's has no name.
pub(super) fn right<'a>(route: &'a Route, method: &Method) -> Option<(&'a str, Action)> {
    match route {
        Route::Ping => None,
        Route::Catalog => Some(("", Action::Pull)),
        Route::In { repository, what } => {
            let session = matches!(what, What::Uploads | What::Session(_));
            let action = match *method {
                Method::DELETE if !session => Action::Delete,
                Method::GET | Method::HEAD if !session => Action::Pull,
                _ => Action::Push,
            };
            Some((repository, action))
        }
    }
}
