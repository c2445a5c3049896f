//! Lists, in pages: tags, the catalog, referrers.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::handle::Shared;
use super::options::ReferrersApi;
use super::query::Query;
use super::reply::{Failure, Reply, bad, unknown};
use super::store::Repository;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// `GET ../tags/list`
pub(super) fn tags(shared: &Shared, name: &str, query: &Query) -> Result<Reply, Failure> {
    let store = shared.store();
    let repository = store.repository(name).ok_or_else(|| no_repository(name))?;
    let (tags, next) = page(shared, repository.tags.keys().map(String::as_str), query)?;
    let document = json!({ "name": name, "tags": tags });
    Ok(linked(&document, "application/json", &format!("/v2/{name}/tags/list"), next))
}

/// `GET /v2/_catalog`
pub(super) fn catalog(shared: &Shared, query: &Query) -> Result<Reply, Failure> {
    let store = shared.store();
    let (names, next) = page(shared, store.repositories(), query)?;
    let document = json!({ "repositories": names });
    Ok(linked(&document, "application/json", "/v2/_catalog", next))
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
    let (shown, next) = page(shared, digests, query)?;
    let in_page = |one: &Value| shown.iter().any(|digest| one["digest"] == digest.as_str());
    let manifests: Vec<Value> = found.into_iter().filter(in_page).collect();
    let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let path = format!("/v2/{name}/referrers/{digest}");
    let reply = linked(&document, INDEX, &path, next);
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

/// The size of the next page, and the entry that it follows.
type Next = (usize, String);

/// The entries after `last`, `n` at most, and where the next page begins. `all` is sorted.
fn page<'a>(
    shared: &Shared,
    all: impl Iterator<Item = &'a str>,
    query: &Query,
) -> Result<(Vec<String>, Option<Next>), Failure> {
    let asked = match query.get("n").map(str::parse::<usize>) {
        None => usize::MAX,
        Some(Ok(count)) => count,
        Some(Err(_)) => return Err(bad("PAGINATION_NUMBER_INVALID", "n is not a number")),
    };
    let most = asked.min(shared.options.page.unwrap_or(usize::MAX));
    let last = query.get("last").unwrap_or_default();
    let mut left = all.filter(|entry| *entry > last);
    let entries: Vec<String> = left.by_ref().take(most).map(str::to_owned).collect();
    let next = left.next().and(entries.last()).map(|last| (most, last.clone()));
    Ok((entries, next))
}

fn linked(document: &Value, kind: &str, path: &str, next: Option<Next>) -> Reply {
    let reply = Reply::new(StatusCode::OK).json(kind, document);
    match next {
        Some((count, last)) => {
            reply.header("link", &format!("<{path}?n={count}&last={last}>; rel=\"next\""))
        }
        None => reply,
    }
}

fn no_repository(name: &str) -> Failure {
    unknown("NAME_UNKNOWN", format!("there is no repository {name}"))
}
