//! The repositories of a registry, page by page.

use std::collections::BTreeSet;

use serde::Deserialize;
use transship_core::{Error, ErrorKind, Result, ResultExt};

use super::pages::Pages;
use crate::client::{Fetched, Repository, next_page};

/// The largest page that is read, in bytes.
const PAGE_LIMIT: u64 = 4 << 20;

const REPOSITORIES_LIMIT: usize = 200_000;

/// How many are asked for at once; servers give fewer if they like.
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    repositories: Option<Vec<Option<String>>>,
}

/// All repositories below the path of this one, sorted.
pub(crate) async fn repositories(below: &Repository) -> Result<BTreeSet<String>> {
    let mut call = below.catalog_call(PAGE).await?;
    let prefix = if below.path.is_empty() { String::new() } else { format!("{}/", below.path) };
    let (mut all, mut count) = (BTreeSet::new(), 0);
    let mut pages = Pages::new("repositories", REPOSITORIES_LIMIT);
    loop {
        let fetched = below.host.fetch(&call, PAGE_LIMIT).await?;
        if !fetched.status.is_success() {
            return Err(refusal(&fetched)).context(|| call.what);
        }
        for name in page(&fetched).context(|| call.what.clone())? {
            count += 1;
            if name.starts_with(&prefix) {
                all.insert(name);
            }
        }
        let Some(next) = next_page(&fetched).context(|| call.what.clone())? else {
            return Ok(all);
        };
        pages.turn(count, &next).context(|| call.what.clone())?;
        call.url = next;
    }
}

/// The error of a registry that lists no repositories: few public ones do, and many only for administrators.
fn refusal(fetched: &Fetched) -> Error {
    let error = fetched.error();
    match fetched.status.as_u16() {
        400 | 404 | 405 | 410 | 501 => {
            Error::new(ErrorKind::Unsupported, "the registry lists no repositories")
                .caused_by(error)
                .hint("name the repositories one by one")
        }
        401 | 403 => error.with_hint("many registries list repositories for administrators alone"),
        _ => error,
    }
}

fn page(fetched: &Fetched) -> Result<Vec<String>> {
    let page: Option<Page> = serde_json::from_slice(&fetched.bytes).map_err(|error| {
        let message = "the server's list of repositories is malformed";
        fetched
            .foreign()
            .unwrap_or_else(|| Error::new(ErrorKind::Corrupt, message).caused_by(error))
    })?;
    let all = page.and_then(|page| page.repositories).unwrap_or_default();
    Ok(all.into_iter().flatten().collect())
}
