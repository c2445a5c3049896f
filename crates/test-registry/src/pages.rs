//! Lists, in pages: tags, the catalog, referrers.

use hyper::StatusCode;
use serde_json::{Value, json};
use transship_serve::protocol::{self, Page, Query};

use super::handle::Shared;
use super::options::ReferrersApi;
use super::reply::{Failure, Reply, unknown};
use super::store::Repository;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// `GET ../tags/list`
pub(super) fn tags(shared: &Shared, name: &str, query: &Query) -> Result<Reply, Failure> {
    let store = shared.store();
    let repository = store.repository(name).ok_or_else(|| no_repository(name))?;
    let page = page(shared, repository.tags.keys().map(String::as_str), query)?;
    let document = json!({ "name": name, "tags": page.entries });
    let path = format!("/v2/{name}/tags/list");
    Ok(linked(&document, "application/json", &path, query, &page))
}

/// `GET /v2/_catalog`
pub(super) fn catalog(shared: &Shared, query: &Query) -> Result<Reply, Failure> {
    let store = shared.store();
    let page = page(shared, store.repositories(), query)?;
    let document = json!({ "repositories": page.entries });
    Ok(linked(&document, "application/json", "/v2/_catalog", query, &page))
}

/// `GET ../referrers/DIGEST`: empty for what is not there.
pub(super) fn referrers(
    shared: &Shared,
    name: &str,
    digest: &str,
    query: &Query,
) -> Result<Reply, Failure> {
    if shared.options.referrers == ReferrersApi::Off {
        return Err(unknown("UNSUPPORTED", "there is no referrers API here"));
    }
    let wanted = query.get("artifactType");
    let store = shared.store();
    let found = store.repository(name).map(|held| referring(held, digest)).unwrap_or_default();
    let fits = |one: &&Value| wanted.is_none_or(|kind| one["artifactType"] == kind);
    let found: Vec<Value> = found.iter().filter(fits).cloned().collect();
    let digests = found.iter().filter_map(|one| one["digest"].as_str());
    let page = page(shared, digests, query)?;
    let in_page = |one: &Value| page.entries.iter().any(|digest| one["digest"] == digest.as_str());
    let manifests: Vec<Value> = found.into_iter().filter(in_page).collect();
    let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let path = format!("/v2/{name}/referrers/{digest}");
    let reply = linked(&document, INDEX, &path, query, &page);
    Ok(if wanted.is_some() { reply.header("oci-filters-applied", "artifactType") } else { reply })
}

/// Descriptors of the manifests whose subject has a digest, by their own digests.
fn referring(repository: &Repository, subject: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for (digest, manifest) in &repository.manifests {
        let Ok(document) = serde_json::from_slice::<Value>(&manifest.bytes) else { continue };
        if document["subject"]["digest"] != subject {
            continue;
        }
        let mut descriptor = json!({
            "mediaType": manifest.media_type,
            "digest": digest,
            "size": manifest.bytes.len(),
        });
        // An image without an artifact type has that of its config.
        let kinds = [&document["artifactType"], &document["config"]["mediaType"]];
        if let Some(kind) =
            kinds.into_iter().find(|kind| kind.as_str().is_some_and(|k| !k.is_empty()))
        {
            descriptor["artifactType"] = kind.clone();
        }
        if document["annotations"].is_object() {
            descriptor["annotations"] = document["annotations"].clone();
        }
        found.push(descriptor);
    }
    found
}

/// The entries that a query asks for.
fn page<'a>(
    shared: &Shared,
    all: impl Iterator<Item = &'a str>,
    query: &Query,
) -> Result<Page, Failure> {
    Ok(protocol::page(all, query, shared.options.page.unwrap_or(usize::MAX))?)
}

fn linked(document: &Value, kind: &str, path: &str, query: &Query, page: &Page) -> Reply {
    let reply = Reply::new(StatusCode::OK).json(kind, document);
    match &page.next {
        Some(next) => reply.header("link", &protocol::next_link(path, query, next)),
        None => reply,
    }
}

fn no_repository(name: &str) -> Failure {
    unknown("NAME_UNKNOWN", format!("there is no repository {name}"))
}
