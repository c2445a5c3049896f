//! Manifests, held to the digest that was asked for or announced.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, Hasher, MANIFEST_LIMIT, Manifest, MediaType, Result,
    ResultExt, is_index_type, media_types, parse_digest,
};

use crate::client::{Call, Fetched, Repository};
use crate::reference::Wanted;

/// What we can read, and last, as containerd does, what an application made of a type of its own. Schema 1 is not in it,
/// and still some servers send it.
const TYPES: [&str; 5] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    media_types::DOCKER_LIST,
    media_types::DOCKER_MANIFEST,
    "*/*",
];

const DIGEST_HEADER: &str = "docker-content-digest";

pub(crate) async fn by_name(from: &Repository, wanted: Wanted<'_>) -> Result<Manifest> {
    let call = call(from, Method::GET, &wanted.to_string(), &types()).await?;
    let fetched = from.fetch(&call, MANIFEST_LIMIT).await?;
    let doing = || call.what.clone();
    let fetched = fetched.success().context(doing)?;
    let expected = match wanted {
        Wanted::Digest(digest) => digest.clone(),
        Wanted::Tag(_) => announced(&fetched),
    };
    manifest(&fetched, expected).context(doing)
}

pub(crate) async fn by_descriptor(from: &Repository, of: &Descriptor) -> Result<Manifest> {
    let mut headers = types();
    if let Ok(own) = HeaderValue::from_str(of.media_type.as_ref())
        && is_index_type(&of.media_type).is_none()
        && !own.is_empty()
    {
        headers.append(ACCEPT, own);
    }
    let call = call(from, Method::GET, of.digest.as_ref(), &headers).await?;
    let fetched = from.fetch(&call, MANIFEST_LIMIT).await?;
    let fetched = fetched.success().context(|| call.what.clone())?;
    let foreign = fetched.foreign();
    let read = Manifest::verified(of, fetched.bytes).map_err(|error| foreign.unwrap_or(error));
    read.context(|| call.what.clone())
}

/// What a tag or digest leads to, if something is there: from HEAD, which registries do not count as a pull, where that says all
/// of it; else from the manifest.
pub(crate) async fn head(from: &Repository, wanted: Wanted<'_>) -> Result<Option<Descriptor>> {
    let answer = ask_head(from, wanted).await?;
    if answer.as_ref().is_some_and(|answer| matches!(answer.status.as_u16(), 404 | 410)) {
        return Ok(None);
    }
    if let Some(descriptor) = answer.and_then(|answer| described(&answer, wanted)) {
        return Ok(Some(descriptor));
    }
    let found = by_name(from, wanted).await.if_found()?;
    Ok(found.map(|manifest| manifest.descriptor().clone()))
}

/// The root of an image, as far as it had to be read to know its descriptor.
#[derive(Debug)]
pub(crate) enum Root {
    Described(Descriptor),
    Read(Manifest),
}

/// The root that a tag or digest leads to: described by HEAD where that says all of it, else read. That it is absent is said by GET, which
/// also says why.
pub(crate) async fn root(from: &Repository, wanted: Wanted<'_>) -> Result<Root> {
    let answer = ask_head(&from.probed(), wanted).await?;
    match answer.and_then(|answer| described(&answer, wanted)) {
        Some(descriptor) => Ok(Root::Described(descriptor)),
        None => by_name(from, wanted).await.map(Root::Read),
    }
}

/// The answer to HEAD, if there is one.
async fn ask_head(from: &Repository, wanted: Wanted<'_>) -> Result<Option<Fetched>> {
    let call = call(from, Method::HEAD, &wanted.to_string(), &types()).await?;
    match from.fetch(&call, 0).await {
        Ok(fetched) => Ok(Some(fetched)),
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(_) => Ok(None),
    }
}

/// What was found under a tag beside an image, which not all servers have or let anybody ask for: where that is refused, there is
/// none.
pub(crate) fn if_given<T>(from: &Repository, tag: &str, found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Ok(None),
            ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Unexpected => {
                from.host.warn_of_tag(tag, &error, &from.observer);
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

/// The descriptor that the answer to HEAD is, where nothing of it is missing.
fn described(fetched: &Fetched, wanted: Wanted<'_>) -> Option<Descriptor> {
    let said = parse_digest(fetched.header(DIGEST_HEADER)?).ok()?;
    if !fetched.status.is_success() {
        return None;
    }
    if matches!(wanted, Wanted::Digest(digest) if *digest != said) {
        return None;
    }
    let size = fetched.header(CONTENT_LENGTH.as_str())?.parse().ok()?;
    let media_type = type_of(fetched);
    is_index_type(&media_type)?;
    Some(Descriptor::new(media_type, said, size))
}

async fn call(
    from: &Repository,
    method: Method,
    wanted: &str,
    headers: &HeaderMap,
) -> Result<Call> {
    let doing = format!("reading {wanted} of");
    from.read_call(method, &format!("manifests/{wanted}"), &doing, headers).await
}

/// The header that says what we can read.
fn types() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for media_type in TYPES {
        headers.append(ACCEPT, HeaderValue::from_static(media_type));
    }
    headers
}

/// The digest that the server announces, in the algorithm of its choice, if the bytes have it. What decides is the bytes: some
/// servers and proxies announce nothing, or the digest of another document.
fn announced(fetched: &Fetched) -> Digest {
    let said = fetched.header(DIGEST_HEADER).and_then(|text| parse_digest(text).ok());
    said.filter(|said| is_digest_of(said, &fetched.bytes))
        .unwrap_or_else(|| transship_core::sha256(&fetched.bytes))
}

/// Whether bytes have a digest.
pub(crate) fn is_digest_of(digest: &Digest, bytes: &[u8]) -> bool {
    Hasher::new(digest.algorithm()).is_ok_and(|mut hasher| {
        hasher.update(bytes);
        hasher.finish() == *digest
    })
}

/// The type that a server says, without its parameters; empty if it says none.
pub(super) fn type_of(fetched: &Fetched) -> MediaType {
    let said = fetched.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    MediaType::from(&*said.split(';').next().unwrap_or_default().trim().to_lowercase())
}

fn manifest(fetched: &Fetched, digest: Digest) -> Result<Manifest> {
    let said = type_of(fetched);
    let kind = is_index_type(&said);
    // Where the server does not say what it is, the document does.
    let unsaid = || MediaType::from("");
    let media_type = if kind.is_some() { said.clone() } else { unsaid() };
    let mut descriptor = Descriptor::new(media_type, digest, fetched.bytes.len() as u64);
    let described = Manifest::verified(&descriptor, fetched.bytes.clone());
    if described.is_ok() {
        return described;
    }
    if said.as_ref().starts_with("application/vnd.docker.distribution.manifest.v1+") {
        let message = "the server has it as a docker manifest of schema 1 only";
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("push the image again with a current docker or podman"));
    }
    // Between OCI's type and docker's, the bytes have the last word: the digest is theirs.
    descriptor.media_type = unsaid();
    match Manifest::verified(&descriptor, fetched.bytes.clone()) {
        Ok(own) if is_index_type(&own.descriptor().media_type) == kind => Ok(own),
        _ => described.map_err(|error| fetched.foreign().unwrap_or(error)),
    }
}

/// The tag under which the referrers of a manifest are listed where the server has no API for them, after
/// [the referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
pub(crate) fn referrers_tag(of: &Digest) -> String {
    let algorithm: String = of.algorithm().as_ref().chars().take(32).collect();
    let encoded: String = of.encoded().chars().take(64).collect();
    let valid = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    format!("{algorithm}-{encoded}").chars().map(valid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers_are_cut() {
        let sha256 = transship_core::sha256(b"");
        assert_eq!(referrers_tag(&sha256), format!("sha256-{}", sha256.encoded()));
        let sha512 = parse_digest(&format!("sha512:{}", "ab".repeat(64))).unwrap();
        assert_eq!(referrers_tag(&sha512), format!("sha512-{}", "ab".repeat(32)));
    }
}
