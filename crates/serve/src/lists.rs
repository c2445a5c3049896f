//! Lists: repositories, tags, referrers.

use std::collections::HashSet;
use std::sync::Arc;

use hyper::Response;
use hyper::header::LINK;
use serde_json::{Value, json};
use transship_core::{Descriptor, Digest, Result};

use crate::image::Opened;
use crate::index::referring;
use crate::names::FullName;
use crate::protocol::{Query, Refusal, next_link, page};
use crate::reply::{self, Answer, set};
use crate::sending::Sending;
use crate::view::{Part, View};

/// The most entries of a page.
const PAGE: usize = 10_000;

/// The most referrers of a page.
const REFERRERS: usize = 1000;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// `/v2/_catalog`
pub(crate) fn catalog(view: &View, query: &Query) -> Answer {
    let mut names: Vec<String> = view.repositories.keys().map(|name| shown(view, name)).collect();
    names.sort_unstable();
    let page = page(names.iter().map(String::as_str), query, PAGE)?;
    let reply = reply::json("application/json", &json!({ "repositories": page.entries }));
    Ok(linked(reply, "/v2/_catalog", query, page.next.as_ref()))
}

/// The name that a repository is asked for by.
pub(crate) fn shown(view: &View, name: &FullName) -> String {
    view.short(name).map_or_else(|| name.to_string(), str::to_owned)
}

/// `tags/list`
pub(crate) fn tags(view: &View, path: &str, repository: &FullName, query: &Query) -> Answer {
    let tags = view.named(repository).map(|named| &named.tags);
    let page =
        page(tags.into_iter().flat_map(|tags| tags.keys()).map(String::as_str), query, PAGE)?;
    let reply = reply::json("application/json", &json!({ "name": path, "tags": page.entries }));
    Ok(linked(reply, &format!("/v2/{path}/tags/list"), query, page.next.as_ref()))
}

/// `referrers/DIGEST`: empty for what is not there.
pub(crate) async fn referrers(
    view: &View,
    path: &str,
    repository: &FullName,
    digest: &Digest,
    query: &Query,
) -> Answer {
    let kind = query.get("artifactType");
    let mut found = about(view, repository, digest).await?;
    found.retain(|one| kind.is_none_or(|kind| one.artifact_type.as_deref() == Some(kind)));
    found.sort_by(|a, b| a.digest.as_ref().cmp(b.digest.as_ref()));
    let page = page(found.iter().map(|one| one.digest.as_ref()), query, REFERRERS)?;
    let on_page: HashSet<&str> = page.entries.iter().map(String::as_str).collect();
    let found = found.iter().filter(|one| on_page.contains(one.digest.as_ref()));
    let manifests: Vec<Value> = found.filter_map(|one| serde_json::to_value(one).ok()).collect();
    let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let mut reply = reply::json(INDEX, &document);
    if kind.is_some() {
        let filters = hyper::header::HeaderName::from_static("oci-filters-applied");
        set(reply.headers_mut(), filters, "artifactType");
    }
    Ok(linked(reply, &format!("/v2/{path}/referrers/{digest}"), query, page.next.as_ref()))
}

/// The manifests about one: each place is asked that has images of the repository, each that has that manifest, and those at hand.
/// A place that cannot be asked is an error where nothing else is known: an empty list would say that there is nothing.
async fn about(view: &View, repository: &FullName, digest: &Digest) -> Result<Vec<Descriptor>> {
    let holders = view.holders(Part::Manifest, digest).map(|(_, images)| images);
    let (mut seen, mut found, mut failed) = (HashSet::new(), Vec::new(), None);
    for asked in view.asked_places(repository, &holders.unwrap_or_default()) {
        let (opened, about) = match about_in(view, &asked.images, digest).await {
            Ok(known) => known,
            Err(error) => {
                view.warn(&format!("referrers of {digest}: {error}"));
                failed = failed.or(Some(error).filter(|_| asked.may_know));
                continue;
            }
        };
        for mut one in about {
            if !seen.insert(one.digest.clone()) {
                continue;
            }
            // It says what the manifest says, also where the place does not.
            if let Ok(manifest) = opened.source.manifest(&one).await {
                one = manifest.as_referrer();
                one.annotations.clone_from(manifest.document().annotations());
            }
            one.platform = None;
            found.push(one);
        }
    }
    failed.filter(|_| found.is_empty()).map_or(Ok(found), Err)
}

async fn about_in(
    view: &View,
    images: &[usize],
    digest: &Digest,
) -> Result<(Arc<Opened>, Vec<Descriptor>)> {
    let opened = view.first_opened(images).await?;
    let about = referring(&*opened.source, digest).await?;
    Ok((opened, about))
}

fn linked(
    mut reply: Response<Sending>,
    path: &str,
    query: &Query,
    next: Option<&(usize, String)>,
) -> Response<Sending> {
    if let Some(next) = next {
        set(reply.headers_mut(), LINK, &next_link(path, query, next));
    }
    reply
}

/// 404 for what is no repository.
pub(crate) fn no_repository(path: &str, why: &crate::view::NoRepository) -> Refusal {
    use crate::view::NoRepository::{Ambiguous, Unknown};
    let message = match why {
        Unknown => format!("there is no repository {path}"),
        Ambiguous(all) => {
            let all = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("{path} may be one of {all}: add its host to the name, or ?ns=HOST")
        }
    };
    Refusal::unknown("NAME_UNKNOWN", message)
}
