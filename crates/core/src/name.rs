//! [`ImageName`] and [`DockerName`]: the text an image is stored under.
//!
//! The grammar of docker names is that of
//! [distribution/reference](https://pkg.go.dev/github.com/distribution/reference):
//! `[domain/]component(/component)*[:tag][@digest]`.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::is_hex;
use crate::{Digest, Error, ErrorKind, Escaped, Result};

/// The text an image is stored under in its archive.
///
/// Any text without control characters, not empty; an archive may take only some. [`docker`](Self::docker) gives the
/// parsed, canonical kind where the text is one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName(Arc<str>);

impl ImageName {
    /// Checks a name as given, without changing it.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty or has control characters.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(invalid(text, "it is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(invalid(text, "it has control characters"));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The docker name that this text is, canonical; `None` where it is none.
    pub fn docker(&self) -> Option<DockerName> {
        DockerName::parse(&self.0).ok()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageName({})", self.0)
    }
}

/// As text.
impl Serialize for ImageName {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// Checks it as [`new`](Self::new) does.
impl<'de> Deserialize<'de> for ImageName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        Self::new(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl From<&DockerName> for ImageName {
    fn from(name: &DockerName) -> Self {
        Self(name.to_string().into())
    }
}

/// A docker image name, fully qualified: `docker.io/library/alpine:3`.
///
/// ```
/// use transship_core::DockerName;
/// let name = DockerName::parse("alpine")?;
/// assert_eq!(name.to_string(), "docker.io/library/alpine");
/// assert_eq!(name.or_latest().to_string(), "docker.io/library/alpine:latest");
/// # Ok::<(), transship_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DockerName {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl DockerName {
    /// Parses and completes a name.
    ///
    /// The first component is a domain only if it has `.` or `:`, or is `localhost`; otherwise the domain is
    /// `docker.io`, and names of one component there get `library/`. No tag is added.
    ///
    /// # Errors
    /// `InvalidInput` with the reason.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() == 64 && text.bytes().all(is_hex) {
            return Err(invalid(text, "64 hex digits are an image ID, not a name"));
        }
        let (rest, digest) = cut_digest(text)?;
        let (rest, tag) = cut_tag(text, rest)?;
        let (domain, path) = split_domain(rest);
        check_domain(text, &domain)?;
        check_path(text, &path)?;
        if domain.len() + 1 + path.len() > 255 {
            return Err(invalid(text, "the name is longer than 255 characters"));
        }
        Ok(Self { domain, path, tag, digest })
    }

    /// The registry's host, with its port: `docker.io`, `[::1]:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path without the domain: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, as given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, as given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The name with `:latest` where it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// As people write it: without `docker.io/` and `library/`.
    pub fn familiar(&self) -> String {
        let canonical = self.to_string();
        let Some(short) = canonical.strip_prefix("docker.io/") else { return canonical };
        short.strip_prefix("library/").filter(|s| !s.contains('/')).unwrap_or(short).to_owned()
    }
}

impl fmt::Display for DockerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("\"{}\" is not an image name: {why}", Escaped(text)),
    )
}

fn cut_digest(text: &str) -> Result<(&str, Option<Digest>)> {
    let Some((name, digest)) = text.split_once('@') else { return Ok((text, None)) };
    let parsed = Digest::try_from(digest).map_err(|error| invalid(text, &error.to_string()))?;
    let hex = parsed.encoded();
    if hex.len() < 32 || !hex.bytes().all(is_hex) {
        return Err(invalid(text, "its digest needs at least 32 hex digits"));
    }
    Ok((name, Some(parsed)))
}

fn cut_tag<'a>(text: &str, rest: &'a str) -> Result<(&'a str, Option<String>)> {
    // A colon before the last slash belongs to the domain's port.
    let start = rest.rfind('/').map_or(0, |slash| slash + 1);
    let Some(colon) = rest[start..].rfind(':').map(|at| at + start) else {
        return Ok((rest, None));
    };
    let (name, tag) = (&rest[..colon], &rest[colon + 1..]);
    let mut bytes = tag.bytes();
    let first_ok = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest_ok = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if !first_ok || !rest_ok || tag.len() > 128 {
        return Err(invalid(
            text,
            "the tag has to be 1 to 128 of A-Z a-z 0-9 _ . - and not begin with . or -",
        ));
    }
    Ok((name, Some(tag.to_owned())))
}

fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", name),
    };
    let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
    let official = domain == "docker.io" && !path.contains('/');
    (domain.to_owned(), if official { format!("library/{path}") } else { path.to_owned() })
}

fn check_domain(text: &str, domain: &str) -> Result<()> {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            if v6.is_empty() || !v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return Err(invalid(text, "the IPv6 address is malformed"));
            }
            ("", rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("?") }))
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    if port.is_some_and(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err(invalid(text, "the port has to be a number"));
    }
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !domain.starts_with('[') && !host.split('.').all(label_ok) {
        return Err(invalid(text, "the domain is malformed"));
    }
    Ok(())
}

fn check_path(text: &str, path: &str) -> Result<()> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(invalid(text, "a repository is written in lower case"));
    }
    if path.split('/').all(is_component) {
        return Ok(());
    }
    Err(invalid(
        text,
        "each part of a repository is a-z 0-9, joined by one . or _, two __, or any number of -",
    ))
}

fn is_component(component: &str) -> bool {
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(alnum) || !bytes.last().is_some_and(alnum) {
        return false;
    }
    bytes
        .split(alnum)
        .filter(|run| !run.is_empty())
        .all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

/// Names, each once, in the order given.
pub fn without_repeats<T: Eq + Hash + Clone>(names: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::with_capacity(names.len());
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical, familiar) in [
            ("alpine", "docker.io/library/alpine", "alpine"),
            ("alpine:3", "docker.io/library/alpine:3", "alpine:3"),
            ("index.docker.io/a/b:T_1.x-", "docker.io/a/b:T_1.x-", "a/b:T_1.x-"),
            ("localhost/a__b:1", "localhost/a__b:1", "localhost/a__b:1"),
            ("localhost:5000/a---b", "localhost:5000/a---b", "localhost:5000/a---b"),
            ("[::1]:5000/x:1", "[::1]:5000/x:1", "[::1]:5000/x:1"),
            ("foo/bar", "docker.io/foo/bar", "foo/bar"),
        ] {
            let name = DockerName::parse(text).unwrap();
            assert_eq!(name.to_string(), canonical);
            assert_eq!(name.familiar(), familiar);
            assert_eq!(DockerName::parse(canonical).unwrap(), name);
        }
        let digest = format!("a@sha256:{}", "0".repeat(64));
        assert_eq!(DockerName::parse(&digest).unwrap().or_latest().tag(), None);
    }

    #[test]
    fn refused_with_a_reason() {
        let hex = "a".repeat(64);
        let long = "a".repeat(250);
        let tag = format!("x:{}", "t".repeat(129));
        for text in [
            "",
            "Alpine",
            "a..b",
            "a___b",
            "-a",
            "a/",
            "/a",
            "a//b",
            "x:",
            "x:-t",
            "x:.t",
            &tag,
            "x@",
            "x@sha256:ab",
            "x.y:port/a",
            "[::1/x",
            "[]:1/x",
            "-h.x/a",
            &hex,
            &long,
            "a b",
            "x:1:2",
            "a@sha256:zz",
            ".x/a:1",
        ] {
            let error = DockerName::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        }
    }
}
