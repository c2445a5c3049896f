//! Manifests, held to the digest that was asked for or announced.

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use transship_core::{
    Descriptor, Digest, Error, ErrorKind, MANIFEST_LIMIT, Manifest, MediaType, Result, ResultExt,
    is_index_type, media_types, parse_digest,
};

use crate::client::{Call, Fetched, Repository};
use crate::reference::Wanted;

/// What we can read. Schema 1 is not in it, and still some servers send it.
const TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    media_types::DOCKER_LIST,
    media_types::DOCKER_MANIFEST,
];

const DIGEST_HEADER: &str = "docker-content-digest";

/// The manifest of a tag or a digest.
pub(crate) async fn by_name(from: &Repository, wanted: Wanted<'_>) -> Result<Manifest> {
    let call = call(from, Method::GET, &wanted.to_string()).await?;
    let fetched = from.fetch(&call, MANIFEST_LIMIT).await?;
    let doing = || call.what.clone();
    let fetched = fetched.success().context(doing)?;
    let expected = match wanted {
        Wanted::Digest(digest) => digest.clone(),
        Wanted::Tag(_) => announced(&fetched)?,
    };
    manifest(&fetched, expected).context(doing)
}

/// The manifest that a descriptor stands for.
pub(crate) async fn by_descriptor(from: &Repository, of: &Descriptor) -> Result<Manifest> {
    let mut call = call(from, Method::GET, of.digest.as_ref()).await?;
    if let Ok(own) = HeaderValue::from_str(of.media_type.as_ref())
        && is_index_type(&of.media_type).is_none()
        && !own.is_empty()
    {
        call.headers.append(ACCEPT, own);
    }
    let fetched = from.fetch(&call, MANIFEST_LIMIT).await?;
    let fetched = fetched.success().context(|| call.what.clone())?;
    Manifest::verified(of, fetched.bytes).context(|| call.what.clone())
}

/// The descriptor that a server gives for a tag or digest, if something is there.
pub(crate) async fn head(from: &Repository, wanted: Wanted<'_>) -> Result<Option<Fetched>> {
    let call = call(from, Method::HEAD, &wanted.to_string()).await?;
    let fetched = from.fetch(&call, 0).await?;
    match fetched.status.as_u16() {
        404 => Ok(None),
        _ => fetched.success().context(|| call.what.clone()).map(Some),
    }
}

async fn call(from: &Repository, method: Method, wanted: &str) -> Result<Call> {
    let doing = format!("reading {wanted} of");
    let mut call = from.call(method, &format!("manifests/{wanted}"), &doing).await?;
    for media_type in TYPES {
        call.headers.append(ACCEPT, HeaderValue::from_static(media_type));
    }
    Ok(call)
}

/// The digest that the server announces; of bytes whose digest it does not, the one that they have.
fn announced(fetched: &Fetched) -> Result<Digest> {
    let Some(text) = fetched.header(DIGEST_HEADER) else {
        return Ok(transship_core::sha256(&fetched.bytes));
    };
    parse_digest(text)
}

fn manifest(fetched: &Fetched, digest: Digest) -> Result<Manifest> {
    let said = fetched.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let said = MediaType::from(said.split(';').next().unwrap_or_default().trim());
    if said.as_ref().starts_with("application/vnd.docker.distribution.manifest.v1+") {
        let message = "the server has it as a docker manifest of schema 1 only";
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("push the image again with a current docker or podman"));
    }
    let media_type = match is_index_type(&said) {
        Some(_) => said,
        // What it is, the document says.
        None => MediaType::Other(String::new()),
    };
    let descriptor = Descriptor::new(media_type, digest, fetched.bytes.len() as u64);
    Manifest::verified(&descriptor, fetched.bytes.clone())
}

/// The tag under which the referrers of a manifest are listed where the server has no API for them, after
/// [the referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema).
pub(crate) fn referrers_tag(of: &Digest) -> String {
    let algorithm: String = of.algorithm().as_ref().chars().take(32).collect();
    let encoded: String = of.digest().chars().take(64).collect();
    let valid = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    format!("{algorithm}-{encoded}").chars().map(valid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers_are_cut() {
        let sha256 = transship_core::sha256(b"");
        assert_eq!(referrers_tag(&sha256), format!("sha256-{}", sha256.digest()));
        let sha512 = parse_digest(&format!("sha512:{}", "ab".repeat(64))).unwrap();
        assert_eq!(referrers_tag(&sha512), format!("sha512-{}", "ab".repeat(32)));
    }
}
