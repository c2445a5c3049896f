//! What a path asks for, and whether its parts are well formed.

use hyper::Method;
use transship_core::Digest;

use super::auth::Action;
use super::reply::{Failure, bad, unknown};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Ping,
    Token,
    Catalog,
    In { repository: String, what: What },
}

/// What of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Tags,
    Manifest(String),
    Blob(Digest),
    Uploads,
    Session(String),
    Referrers(Digest),
}

impl Route {
    pub(super) fn parse(path: &str) -> Result<Self, Failure> {
        match path {
            "/v2/" | "/v2" => return Ok(Self::Ping),
            "/token" => return Ok(Self::Token),
            "/v2/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let rest = path.strip_prefix("/v2/").ok_or_else(|| nothing(path))?;
        let parts: Vec<&str> = rest.split('/').collect();
        let (name, what) = match parts.as_slice() {
            [name @ .., "tags", "list"] => (name, What::Tags),
            [name @ .., "blobs", "uploads", ""] => (name, What::Uploads),
            [name @ .., "blobs", "uploads", id] => (name, What::Session((*id).to_owned())),
            [name @ .., "blobs", digest] => (name, What::Blob(self::digest(digest)?)),
            [name @ .., "referrers", digest] => (name, What::Referrers(self::digest(digest)?)),
            [name @ .., "manifests", reference] => (name, What::Manifest(manifest(reference)?)),
            _ => return Err(nothing(path)),
        };
        let repository = name.join("/");
        if !is_name(&repository) {
            return Err(bad("NAME_INVALID", format!("{repository:?} is no name of a repository")));
        }
        Ok(Self::In { repository, what })
    }

    /// The right that a request needs, and on which repository. The catalog's has no name.
    pub(super) fn right(&self, method: &Method) -> Option<(&str, Action)> {
        match self {
            Self::Ping | Self::Token => None,
            Self::Catalog => Some(("", Action::Pull)),
            Self::In { repository, what } => {
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
}

/// A digest that can be checked.
pub(super) fn digest(text: &str) -> Result<Digest, Failure> {
    let parsed = Digest::try_from(text)
        .ok()
        .filter(|digest| transship_core::Hasher::new(digest.algorithm()).is_ok());
    parsed.ok_or_else(|| bad("DIGEST_INVALID", format!("{text:?} is no digest that is known here")))
}

/// Whether a text can be a tag.
pub(super) fn is_tag(text: &str) -> bool {
    let first = text.bytes().next();
    text.len() <= 128
        && first.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 255 && text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let edge = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn manifest(reference: &str) -> Result<String, Failure> {
    if reference.contains(':') {
        return digest(reference).map(|digest| digest.to_string());
    }
    let invalid = || bad("TAG_INVALID", format!("{reference:?} is no tag"));
    is_tag(reference).then(|| reference.to_owned()).ok_or_else(invalid)
}

fn nothing(path: &str) -> Failure {
    unknown("NAME_UNKNOWN", format!("there is nothing at {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "a/b/c", "a.b_c__d---e/0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "A", "a//b", "a/", "a..b", "a___b", "-a", "a_", "a/.b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn paths() {
        let tags = Route::In { repository: "blobs/tags".to_owned(), what: What::Tags };
        assert_eq!(Route::parse("/v2/blobs/tags/tags/list").unwrap(), tags);
        assert_eq!(tags.right(&Method::GET), Some(("blobs/tags", Action::Pull)));
        for bad in ["/", "/v2/a", "/v2/a/manifests/-x", "/v2/a/blobs/sha256:00", "/v2/A/tags/list"]
        {
            assert!(Route::parse(bad).is_err(), "{bad}");
        }
    }
}
