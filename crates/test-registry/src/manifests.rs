//! Manifests: read, put, deleted.

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::Value;
use transship_core::{Hasher, sha256};
use transship_serve::protocol::parse_digest;

use super::body::Feed;
use super::handle::Shared;
use super::options::{Deletes, Parts, ReferrersApi};
use super::reply::{Failure, Reply, bad, unknown, unsupported};
use super::store::Store;

/// As much as the specification asks registries to take.
const LIMIT: usize = 4 * 1024 * 1024;

pub(super) async fn answer(
    shared: &Shared,
    method: &Method,
    name: &str,
    reference: &str,
    headers: &HeaderMap,
    feed: &mut Feed,
) -> Result<Reply, Failure> {
    match *method {
        Method::GET | Method::HEAD => read(&shared.store(), name, reference, headers),
        Method::PUT => {
            let bytes = feed.all(LIMIT).await?.ok_or_else(|| {
                let why = format!("a manifest has at most {LIMIT} bytes here");
                Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", why)
            })?;
            put(shared, name, reference, headers, bytes)
        }
        Method::DELETE => delete(shared, name, reference),
        _ => Err(unsupported("manifests are read, put and deleted here")),
    }
}

fn read(store: &Store, name: &str, reference: &str, headers: &HeaderMap) -> Result<Reply, Failure> {
    let held = store.repository(name);
    let (digest, manifest) = held
        .and_then(|held| held.manifest(reference))
        .ok_or_else(|| no_manifest(name, reference))?;
    if !accepts(headers, &manifest.media_type) {
        let why = format!("it is {}, which Accept does not list", manifest.media_type);
        return Err(unknown("MANIFEST_UNKNOWN", why));
    }
    Ok(Reply::new(StatusCode::OK)
        .bytes(manifest.bytes.clone())
        .header("content-type", &manifest.media_type)
        .header("docker-content-digest", digest))
}

/// Without the header everything is accepted.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut lists = headers.get_all(ACCEPT).iter().peekable();
    let group = media_type.split('/').next().unwrap_or_default();
    lists.peek().is_none()
        || lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',')).any(|one| {
            let one = one.split(';').next().unwrap_or_default().trim();
            one == "*/*" || one == media_type || one.strip_suffix("/*") == Some(group)
        })
}

fn put(
    shared: &Shared,
    name: &str,
    reference: &str,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Reply, Failure> {
    let document = document(&bytes)?;
    let media_type = media_type(headers, &document)?;
    let digest = if reference.contains(':') {
        let wanted = parse_digest(reference)?;
        let mut hasher = Hasher::new(wanted.algorithm()).map_err(|e| invalid(e.to_string()))?;
        hasher.update(&bytes);
        if hasher.finish() != wanted {
            return Err(bad("DIGEST_INVALID", "the manifest has another digest than the path"));
        }
        wanted.to_string()
    } else {
        sha256(&bytes).to_string()
    };
    let mut store = shared.store();
    missing(&store, shared.options.parts, name, &document)?;
    let held = store.repository_mut(name);
    held.put_manifest_as(&digest, &media_type, bytes);
    if !reference.contains(':') {
        held.tags.insert(reference.to_owned(), digest.clone());
    }
    let reply = Reply::new(StatusCode::CREATED)
        .header("location", &shared.location(headers, &format!("/v2/{name}/manifests/{digest}")))
        .header("docker-content-digest", &digest);
    let subject = document["subject"]["digest"].as_str();
    Ok(match subject.filter(|_| shared.options.referrers == ReferrersApi::On) {
        Some(subject) => reply.header("oci-subject", subject),
        None => reply,
    })
}

fn document(bytes: &[u8]) -> Result<Value, Failure> {
    let document: Value =
        serde_json::from_slice(bytes).map_err(|error| invalid(format!("no JSON: {error}")))?;
    if document["schemaVersion"] != 2 {
        return Err(invalid("schemaVersion is not 2"));
    }
    Ok(document)
}

/// The type, which both the header and the document may say.
fn media_type(headers: &HeaderMap, document: &Value) -> Result<String, Failure> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let declared = declared.ok_or_else(|| invalid("Content-Type is missing"))?;
    match document["mediaType"].as_str() {
        Some(inside) if inside != declared => {
            Err(invalid(format!("Content-Type is {declared}, mediaType {inside}")))
        }
        _ => Ok(declared.to_owned()),
    }
}

/// Refuses a manifest that names what is not there.
fn missing(store: &Store, parts: Parts, name: &str, document: &Value) -> Result<(), Failure> {
    let list = |field: &str| document[field].as_array().cloned().unwrap_or_default();
    let blobs = list("layers").into_iter().chain([document["config"].clone()]);
    for blob in blobs.filter(|_| parts != Parts::Optional) {
        let foreign = blob["urls"].as_array().is_some_and(|urls| !urls.is_empty());
        let Some(digest) = blob["digest"].as_str().filter(|_| !foreign) else { continue };
        if store.blob(name, digest).is_none() {
            let why = format!("{name} has no blob {digest}");
            return Err(bad("MANIFEST_BLOB_UNKNOWN", why));
        }
    }
    for child in list("manifests").into_iter().filter(|_| parts == Parts::Required) {
        let digest = child["digest"].as_str().unwrap_or_default();
        if store.repository(name).and_then(|held| held.manifest(digest)).is_none() {
            let why = format!("{name} has no manifest {digest}");
            return Err(bad("MANIFEST_BLOB_UNKNOWN", why));
        }
    }
    Ok(())
}

fn delete(shared: &Shared, name: &str, reference: &str) -> Result<Reply, Failure> {
    if shared.options.deletes == Deletes::Refused {
        return Err(unsupported("nothing is deleted here"));
    }
    if shared.options.deletes == Deletes::ByDigest && !reference.contains(':') {
        return Err(bad("DIGEST_INVALID", "provided digest did not match uploaded content"));
    }
    let mut store = shared.store();
    let held = store.repository_mut(name);
    let removed = if reference.contains(':') {
        held.remove_manifest(reference)
    } else {
        held.tags.remove(reference).is_some()
    };
    let done = removed.then(|| Reply::new(StatusCode::ACCEPTED));
    done.ok_or_else(|| no_manifest(name, reference))
}

fn no_manifest(name: &str, reference: &str) -> Failure {
    unknown("MANIFEST_UNKNOWN", format!("{name} has no manifest {reference}"))
}

fn invalid(why: impl Into<String>) -> Failure {
    bad("MANIFEST_INVALID", why)
}
