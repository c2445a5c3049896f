//! [`Locator`]: what stands behind `containerd:`.

use std::fmt;

use transship_core::{
    Digest, DigestAlgorithm, DockerName, Error, ErrorKind, Escaped, Reference, Result, ResultExt,
    parse_digest,
};

use crate::SCHEME;

/// The longest name of a namespace, in bytes.
const NAMESPACE_LIMIT: usize = 76;

/// The namespace of Kubernetes. Alone it is not taken for an image of that name.
const KUBERNETES: &str = "k8s.io";

/// A parsed locator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locator {
    pub(crate) namespace: String,
    pub(crate) image: Which,
}

/// Which images of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All.
    All,
    /// The one of a name with a tag or a digest, or both.
    Name(DockerName),
    /// The one whose name is a digest: what Kubernetes calls an image ID.
    Id(Digest),
    /// The one of a root, whatever its names.
    Root(Digest),
}

impl Locator {
    pub(crate) fn all(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), image: Which::All }
    }

    pub(crate) fn with(&self, image: Which) -> Self {
        Self { namespace: self.namespace.clone(), image }
    }

    /// Of a reference, which names its namespace.
    pub(crate) fn of(at: &Reference) -> Result<Self> {
        let (namespace, _) = at.locator_in(SCHEME)?.split_once("//").unwrap_or_default();
        Self::parse(at.locator(), namespace)
    }

    /// Of a text, which may leave the namespace to the transport.
    pub(crate) fn parse(text: &str, default_namespace: &str) -> Result<Self> {
        let (namespace, image) = text.split_once("//").unwrap_or((default_namespace, text));
        let shown = || format!("\"{}\" is no image of containerd", Escaped(text));
        check_namespace(namespace).context(shown)?;
        if text == KUBERNETES {
            let error = invalid(format!("{KUBERNETES} is the namespace of Kubernetes"));
            return Err(error.context(shown()).hint(format!(
                "{SCHEME}:{KUBERNETES}// is all of it, {SCHEME}:{KUBERNETES}//NAME one image of it"
            )));
        }
        let image = Which::parse(image).context(shown)?;
        Ok(Self { namespace: namespace.to_owned(), image })
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::new(SCHEME, self.to_string())
    }
}

impl Which {
    fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::All);
        }
        if let Some(root) = text.strip_prefix('@') {
            return sha256(root).map(Self::Root);
        }
        if text.starts_with("sha256:") {
            return sha256(text).map(Self::Id);
        }
        DockerName::parse(text).map(|name| Self::Name(name.or_latest()))
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
            Self::Root(root) => write!(f, "@{root}"),
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}//{}", self.namespace, self.image)
    }
}

/// Holds a namespace to containerd's grammar: letters and digits, joined by one of `.`, `_` and `-`.
pub(crate) fn check_namespace(text: &str) -> Result<()> {
    let joined = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.len() <= NAMESPACE_LIMIT && text.split(['.', '_', '-']).all(joined) {
        return Ok(());
    }
    Err(invalid(format!("\"{}\" is no namespace", Escaped(text)))
        .hint("the form is NAMESPACE//NAME, as in k8s.io//docker.io/library/alpine:3"))
}

fn sha256(text: &str) -> Result<Digest> {
    let digest = parse_digest(text).map_err(|error| {
        invalid("the digest is malformed").caused_by(error).hint("a digest is given in full")
    })?;
    if *digest.algorithm() != DigestAlgorithm::Sha256 {
        return Err(invalid(format!("{digest}: containerd knows sha256 only")));
    }
    Ok(digest)
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn canonical_texts() {
        for (text, canonical) in [
            ("", "d//".to_owned()),
            ("k8s.io//", "k8s.io//".to_owned()),
            ("x", "d//docker.io/library/x:latest".to_owned()),
            ("k8s.io//x:1", "k8s.io//docker.io/library/x:1".to_owned()),
            ("k8s.io:latest", "d//docker.io/library/k8s.io:latest".to_owned()),
            ("h.x:5/y:1", "d//h.x:5/y:1".to_owned()),
            (&format!("q/x@sha256:{HEX}"), format!("d//docker.io/q/x@sha256:{HEX}")),
            (&format!("q/x:1@sha256:{HEX}"), format!("d//docker.io/q/x:1@sha256:{HEX}")),
            (&format!("n//sha256:{HEX}"), format!("n//sha256:{HEX}")),
            (&format!("n//@sha256:{HEX}"), format!("n//@sha256:{HEX}")),
        ] {
            let parsed = Locator::parse(text, "d").unwrap();
            assert_eq!(parsed.to_string(), canonical, "{text}");
            assert_eq!(Locator::of(&parsed.reference()).unwrap(), parsed, "{text}");
        }
    }

    #[test]
    fn refused() {
        let long = format!("{}//x", "n".repeat(77));
        let (sha512, upper) =
            (format!("@sha512:{HEX}{HEX}"), format!("@sha256:{}", HEX.to_uppercase()));
        for text in [
            "//x",
            "a b//x",
            "a..b//x",
            "-a//x",
            "a///x",
            "a//b//c",
            "k8s.io/",
            "sha256:abc",
            "X",
            "x:",
            ":1",
            "x:1:2",
            "@",
            "n//@x",
            &long,
            &sha512,
            &upper,
            HEX,
            "k8s.io",
        ] {
            let error = Locator::parse(text, "d").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        }
        let error = Locator::parse("k8s.io", "d").unwrap_err();
        assert!(error.to_string().contains("containerd:k8s.io// is all of it"), "{error}");
    }
}
