//! What a path asks for, and whether its parts are well formed.

use transship_core::{Digest, Hasher};

use super::Refusal;
use super::query::decode;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// Below `/v2/REPOSITORY/`
    In {
        /// The repository.
        repository: String,
        /// What of it.
        what: What,
    },
}

/// What of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `tags/list`
    Tags,
    /// `manifests/TAG` or `manifests/DIGEST`
    Manifest(Wanted),
    /// `blobs/DIGEST`
    Blob(Digest),
    /// `blobs/uploads/`
    Uploads,
    /// `blobs/uploads/SESSION`
    Session(String),
    /// `referrers/DIGEST`
    Referrers(Digest),
}

impl What {
    /// Whether it is found by a digest, whatever else its repository has.
    pub fn is_by_digest(&self) -> bool {
        matches!(self, Self::Blob(_) | Self::Referrers(_) | Self::Manifest(Wanted::Digest(_)))
    }
}

/// How a manifest is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// By a tag.
    Tag(String),
    /// By its digest.
    Digest(Digest),
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => f.write_str(digest.as_ref()),
        }
    }
}

impl Route {
    /// Reads the path of a URL.
    ///
    /// # Errors
    /// 404 for a path that has no meaning, 400 for a malformed name, tag or digest in one that has.
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        match path {
            "/v2/" | "/v2" => return Ok(Self::Ping),
            "/v2/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let rest = path.strip_prefix("/v2/").ok_or_else(|| nothing(path))?;
        let parts: Vec<String> = rest.split('/').map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (name, what) = match parts.as_slice() {
            [name @ .., "tags", "list"] => (name, What::Tags),
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                (name, What::Uploads)
            }
            [name @ .., "blobs", "uploads", id] => (name, What::Session((*id).to_owned())),
            [name @ .., "blobs", digest] => (name, What::Blob(parse_digest(digest)?)),
            [name @ .., "referrers", digest] => (name, What::Referrers(parse_digest(digest)?)),
            [name @ .., "manifests", wanted] => (name, What::Manifest(manifest(wanted)?)),
            _ => return Err(nothing(path)),
        };
        let repository = name.join("/");
        if !is_name(&repository) {
            let why = format!("{repository:?} is no name of a repository");
            return Err(Refusal::bad("NAME_INVALID", why));
        }
        Ok(Self::In { repository, what })
    }
}

/// A digest that can be checked.
///
/// # Errors
/// 400 for another text.
pub fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    let parsed = Digest::try_from(text).ok();
    let parsed = parsed.filter(|digest| Hasher::new(digest.algorithm()).is_ok());
    parsed.ok_or_else(|| {
        Refusal::bad("DIGEST_INVALID", format!("{text:?} is no digest that is known here"))
    })
}

/// Whether a text can be a tag.
pub fn is_tag(text: &str) -> bool {
    let first = text.bytes().next();
    text.len() <= 128
        && first.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Whether a text can be the name of a repository.
pub fn is_name(text: &str) -> bool {
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

fn manifest(wanted: &str) -> Result<Wanted, Refusal> {
    if wanted.contains(':') {
        return parse_digest(wanted).map(Wanted::Digest);
    }
    if is_tag(wanted) {
        return Ok(Wanted::Tag(wanted.to_owned()));
    }
    // The specification's own tests ask for 404 here.
    Err(Refusal::unknown("MANIFEST_UNKNOWN", format!("{wanted:?} is no tag")))
}

fn nothing(path: &str) -> Refusal {
    Refusal::unknown("NAME_UNKNOWN", format!("there is nothing at {path}"))
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
        let digest = transship_core::sha256(b"x");
        let blob = Route::In { repository: "a".to_owned(), what: What::Blob(digest.clone()) };
        let escaped = digest.to_string().replace(':', "%3A");
        assert_eq!(Route::parse(&format!("/v2/a/blobs/{escaped}")).unwrap(), blob);
        for (path, code) in [
            ("/", "NAME_UNKNOWN"),
            ("/v2/a", "NAME_UNKNOWN"),
            ("/v2/a/manifests/-x", "MANIFEST_UNKNOWN"),
            ("/v2/a/blobs/sha256:00", "DIGEST_INVALID"),
            ("/v2/A/tags/list", "NAME_INVALID"),
            ("/v2//tags/list", "NAME_INVALID"),
            ("/v2/../../etc/tags/list", "NAME_INVALID"),
        ] {
            assert_eq!(Route::parse(path).unwrap_err().code, code, "{path}");
        }
    }
}
