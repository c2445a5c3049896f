//! The grammar behind `docker:`.

use std::fmt;

use crate::hints::NO_TLS;
use transship_core::{Digest, DockerName, Error, ErrorKind, Escaped, Reference, Result};

use crate::SCHEME;

/// What a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Locator {
    /// A repository, or an image in it.
    Name(DockerName),
    /// A place for images that bring their own names.
    Prefix(Prefix),
}

/// A host and what stands before the repositories there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    host: String,
    /// Empty, or without a slash at the end.
    path: String,
}

impl Locator {
    pub(crate) fn parse(locator: &str) -> Result<Self> {
        let Some(rest) = locator.strip_prefix("//") else {
            return Err(invalid("two slashes are missing").hint(format!(
                "the form is docker://{}",
                Escaped(locator.trim_start_matches('/'))
            )));
        };
        if rest.trim_matches('/').is_empty() {
            let hint = "the form is docker://HOST/REPOSITORY[:TAG], or docker://HOST/ for all of a registry";
            return Err(invalid("the repository is missing").hint(hint));
        }
        if rest.contains("://") {
            return Err(invalid("a host is written without http:// or https://").hint(NO_TLS));
        }
        match rest.strip_suffix('/') {
            Some(prefix) => Prefix::parse(prefix).map(Self::Prefix),
            None if is_host(rest) => {
                let host = Escaped(rest);
                Err(invalid("a host alone is no image").hint(format!(
                    "an image there is docker://{host}/REPOSITORY; all images there, or the destination of several, docker://{host}/; at Docker Hub, docker://docker.io/library/{host}"
                )))
            }
            None => with_port(DockerName::parse(rest)?).map(Self::Name),
        }
    }

    pub(crate) fn of(at: &Reference) -> Result<Self> {
        Self::parse(at.locator_in(SCHEME)?)
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::new(SCHEME, self.to_string())
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "//{name}"),
            Self::Prefix(Prefix { host, path }) if path.is_empty() => write!(f, "//{host}/"),
            Self::Prefix(Prefix { host, path }) => write!(f, "//{host}/{path}/"),
        }
    }
}

impl Prefix {
    fn parse(text: &str) -> Result<Self> {
        // The grammar is that of names; a component behind the prefix makes it one, also where it is only a host.
        let name = with_port(DockerName::parse(&format!("{text}/x"))?)?;
        if name.tag().is_some() || name.digest().is_some() {
            return Err(invalid("a prefix has neither tag nor digest"));
        }
        let path = name.path().strip_suffix('x').unwrap_or_default().trim_end_matches('/');
        // A name of one component on docker.io is below `library`; a prefix is nothing yet.
        let path = if path == "library" && !text.ends_with("library") { "" } else { path };
        Ok(Self { host: name.domain().to_owned(), path: path.to_owned() })
    }

    /// A name below it, which says what holds for it in configuration.
    pub(crate) fn below(&self, repository: &str) -> Result<DockerName> {
        DockerName::parse(&format!("{}/{repository}", self.host))
    }

    /// Without a slash at the end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where an image goes: to the prefix and its repository, without the domain and without `library/`, with its tag.
    pub(crate) fn place(&self, name: &DockerName) -> Result<DockerName> {
        let own = name.path().strip_prefix("library/").unwrap_or(name.path());
        let slash = if self.path.is_empty() { "" } else { "/" };
        let tag = name.tag().unwrap_or("latest");
        DockerName::parse(&format!("{}/{}{slash}{own}:{tag}", self.host, self.path))
    }
}

/// Whether a text that Docker Hub's short names allow was meant as a host, as `localhost:5000` or `registry.local`.
fn is_host(text: &str) -> bool {
    let name = text.split([':', '@']).next().unwrap_or_default();
    !text.contains('/') && (name.contains('.') || name == "localhost")
}

/// The repository of a name, with its host.
pub(crate) fn repository_of(name: &DockerName) -> String {
    format!("{}/{}", name.domain(), name.path())
}

/// How a manifest is asked for: the digest decides, then the tag.
pub(crate) fn manifest_of(name: &DockerName) -> Wanted<'_> {
    match (name.digest(), name.tag()) {
        (Some(digest), _) => Wanted::Digest(digest),
        (None, tag) => Wanted::Tag(tag.unwrap_or("latest")),
    }
}

/// What a manifest is asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    Digest(&'a Digest),
    Tag(&'a str),
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => write!(f, "{digest}"),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

/// A name whose host has a port that can be one.
fn with_port(name: DockerName) -> Result<DockerName> {
    let port = name.domain().rsplit_once(':').map(|(_, port)| port);
    let digits = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    match digits {
        Some(port) if port.parse::<u16>().is_err() => {
            Err(invalid(format!("there is no port {port}: the last one is {}", u16::MAX)))
        }
        _ => Ok(name),
    }
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("//alpine", "//docker.io/library/alpine"),
            ("//alpine:3", "//docker.io/library/alpine:3"),
            ("//localhost/a", "//localhost/a"),
            ("//[::1]:5000/x:1", "//[::1]:5000/x:1"),
            ("//h.example:5000/a/b:T", "//h.example:5000/a/b:T"),
            ("//h.example/", "//h.example/"),
            ("//h.example/p/", "//h.example/p/"),
            ("//[::1]:5000/", "//[::1]:5000/"),
            ("//docker.io/", "//docker.io/"),
            ("//docker.io/library/", "//docker.io/library/"),
            ("//me/", "//docker.io/me/"),
        ] {
            let parsed = Locator::parse(text).unwrap();
            assert_eq!(parsed.to_string(), canonical, "{text}");
            assert_eq!(Locator::parse(canonical).unwrap(), parsed, "{text}");
        }
        let both = format!("//h.example/a:1@{DIGEST}");
        assert_eq!(Locator::parse(&both).unwrap().to_string(), both);
    }

    #[test]
    fn refused_with_a_reason() {
        let prefix = format!("//h.example/a@{DIGEST}/");
        for text in [
            "",
            "alpine",
            "/alpine",
            "//",
            "///",
            "//h.example//",
            "//https://h.example/a",
            "//A",
            "//h.example/a:1/",
            &prefix,
            "//a\r\nb",
            "//h.example/../x",
            "//127.0.0.1:5000",
            "//localhost",
            "//registry.local",
            "//localhost:65536/a",
            "//[::1]:65536/",
        ] {
            let error = Locator::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        }
        for text in ["//", "///"] {
            let said = Locator::parse(text).unwrap_err().to_string();
            assert!(
                said.contains("the repository is missing (the form is docker://HOST"),
                "{said}"
            );
        }
        let said = Locator::parse("//localhost:65536/a").unwrap_err().to_string();
        assert_eq!(said, "there is no port 65536: the last one is 65535");
        assert!(Locator::parse("//[::1]/a").is_ok() && Locator::parse("//h:65535/a").is_ok());
    }

    #[test]
    fn images_go_below_a_prefix() {
        let place = |prefix: &str, name: &str| {
            let Locator::Prefix(prefix) = Locator::parse(prefix).unwrap() else { panic!() };
            prefix.place(&DockerName::parse(name).unwrap()).unwrap().to_string()
        };
        assert_eq!(place("//h.example/p/", "localhost/app:1"), "h.example/p/app:1");
        assert_eq!(place("//h.example/", "alpine"), "h.example/alpine:latest");
        assert_eq!(place("//[::1]:5000/p/q/", "ghcr.io/a/b:2"), "[::1]:5000/p/q/a/b:2");
        assert_eq!(place("//docker.io/", "alpine:3"), "docker.io/library/alpine:3");
    }
}
