//! [`SignedIdentity`]: which names a signature may give to an image.

use transship_core::{DockerName, Identity, Result};

use crate::json::{Fields, malformed};

/// Which names a signature may give to an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SignedIdentity {
    /// Any, or none: the caller chose key and image.
    Any,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    ExactReference(DockerName),
    ExactRepository(DockerName),
    RemapIdentity {
        prefix: String,
        signed_prefix: String,
    },
}

impl SignedIdentity {
    pub(super) fn parse(mut from: Fields) -> Result<Self> {
        let name = |from: &mut Fields, key| {
            let text = from.text(key)?;
            DockerName::parse(&text)
                .map_err(|error| malformed(format!("{}: {error}", from.named(key))))
        };
        let parsed = match from.text("type")?.as_str() {
            "matchExact" => Self::MatchExact,
            "matchRepoDigestOrExact" => Self::MatchRepoDigestOrExact,
            "matchRepository" => Self::MatchRepository,
            "exactReference" => {
                let exact = name(&mut from, "dockerReference")?;
                if exact.tag().is_none() && exact.digest().is_none() {
                    return Err(malformed(format!(
                        "the dockerReference {exact} has neither a tag nor a digest"
                    )));
                }
                Self::ExactReference(exact)
            }
            "exactRepository" => Self::ExactRepository(name(&mut from, "dockerRepository")?),
            "remapIdentity" => Self::RemapIdentity {
                prefix: prefix(&mut from, "prefix")?,
                signed_prefix: prefix(&mut from, "signedPrefix")?,
            },
            other => return Err(malformed(format!("unknown signedIdentity type {other:?}"))),
        };
        from.end()?;
        Ok(parsed)
    }

    /// That a signature which gives this name is one of the image; else why not.
    pub(super) fn accepts(
        &self,
        image: &Identity,
        signed: &str,
    ) -> std::result::Result<(), String> {
        if *self == Self::Any {
            return Ok(());
        }
        let signature = DockerName::parse(signed)
            .map_err(|_| format!("it is for {signed:?}, which is no image name"))?;
        let (matches, wanted) = match self {
            Self::Any => return Ok(()),
            Self::ExactReference(exact) => (is_same(exact, &signature), exact.to_string()),
            Self::ExactRepository(exact) => (is_beside(exact, &signature), repository(exact)),
            Self::MatchExact => {
                let name = named(image)?;
                (is_same(&name, &signature), name.to_string())
            }
            Self::MatchRepository => {
                let name = named(image)?;
                (is_beside(&name, &signature), repository(&name))
            }
            Self::MatchRepoDigestOrExact => {
                let name = named(image)?;
                (is_exact_or_digest(&name, &signature), name.to_string())
            }
            Self::RemapIdentity { prefix, signed_prefix } => {
                let name = remap(&named(image)?, prefix, signed_prefix)?;
                (is_exact_or_digest(&name, &signature), name.to_string())
            }
        };
        if matches { Ok(()) } else { Err(format!("it is for {signature}, not for {wanted}")) }
    }
}

/// A host, or a host and a beginning of a repository.
fn prefix(from: &mut Fields, key: &str) -> Result<String> {
    let text = from.text(key)?;
    // Of the default registry names are written out, and of `docker.io` alone there is none.
    let valid = DockerName::parse(&format!("{text}/x"))
        .is_ok_and(|name| name.tag().is_none() && name.digest().is_none());
    if valid {
        Ok(text)
    } else {
        Err(malformed(format!("{}: {text:?} is no prefix", from.named(key))))
    }
}

/// The name of an image. What a tag and a digest name both is matched by the tag: the digest is checked anyway.
fn named(image: &Identity) -> std::result::Result<DockerName, String> {
    let name = image.name().ok_or(
        "the image has no name that could match; exactReference and exactRepository need none",
    )?;
    match (name.tag(), name.digest()) {
        (Some(tag), Some(_)) => {
            let text = format!("{}:{tag}", repository(name));
            DockerName::parse(&text).map_err(|error| error.to_string())
        }
        _ => Ok(name.clone().or_latest()),
    }
}

fn is_same(one: &DockerName, signed: &DockerName) -> bool {
    (signed.tag().is_some() || signed.digest().is_some()) && one == signed
}

fn is_beside(one: &DockerName, signed: &DockerName) -> bool {
    repository(one) == repository(signed)
}

/// By a tag, the same name; by a digest, which is checked apart, the same repository.
fn is_exact_or_digest(one: &DockerName, signed: &DockerName) -> bool {
    let says = signed.tag().is_some() || signed.digest().is_some();
    if one.tag().is_some() { is_same(one, signed) } else { says && is_beside(one, signed) }
}

fn repository(name: &DockerName) -> String {
    format!("{}/{}", name.domain(), name.path())
}

fn remap(
    name: &DockerName,
    prefix: &str,
    signed_prefix: &str,
) -> std::result::Result<DockerName, String> {
    let begins = repository(name)
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !begins {
        return Ok(name.clone());
    }
    let text = name.to_string().replacen(prefix, signed_prefix, 1);
    let signed = DockerName::parse(&text).map_err(|error| error.to_string())?;
    if signed.to_string() == text {
        Ok(signed)
    } else {
        Err(format!("{text}, as which it is remapped, is no whole name: {signed} is"))
    }
}
