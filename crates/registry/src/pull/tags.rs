//! The tags of a repository, page by page.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use transship_core::{Error, ErrorKind, Result, ResultExt};

use super::pages::Pages;
use crate::client::{Call, Fetched, Repository, absent, next_page};

/// The largest page that is read, in bytes.
const PAGE_LIMIT: u64 = 4 << 20;

const TAGS_LIMIT: usize = 200_000;

/// How many are asked for at once; servers give fewer if they like.
const PAGE: usize = 1000;

/// How many are asked for where that is refused.
const SMALL_PAGE: usize = 100;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<Option<String>>>,
}

/// All tags, in the server's order, each once.
pub(crate) async fn tags(of: &Repository) -> Result<Vec<String>> {
    let (mut call, mut fetched) = first(of, PAGE).await?;
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    let mut pages = Pages::new("tags", TAGS_LIMIT);
    loop {
        for tag in page(&fetched).context(|| call.what.clone())? {
            if seen.insert(tag.clone()) {
                all.push(tag);
            }
        }
        let Some(next) = next_page(&fetched).context(|| call.what.clone())? else {
            return Ok(all);
        };
        pages.turn(all.len(), &next).context(|| call.what.clone())?;
        call.url = next;
        fetched = of.fetch(&call, PAGE_LIMIT).await?.success().context(|| call.what.clone())?;
    }
}

/// A few tags, for a message.
pub(crate) async fn some(of: &Repository, count: usize) -> Result<Vec<String>> {
    let (_, fetched) = first(of, count).await?;
    let mut tags = page(&fetched)?;
    tags.truncate(count);
    Ok(tags)
}

/// The first page. Servers may refuse pages of a size that they do not give, or know no sizes at all.
async fn first(of: &Repository, count: usize) -> Result<(Call, Fetched)> {
    let smaller = [count, SMALL_PAGE].map(Some).into_iter().filter(|size| *size <= Some(count));
    let mut refused = None;
    for count in smaller.chain([None]) {
        let rest = count.map_or_else(|| "tags/list".to_owned(), |n| format!("tags/list?n={n}"));
        let none = HeaderMap::new();
        let call = of.read_call(Method::GET, &rest, "listing the tags of", &none).await?;
        let fetched = of.fetch(&call, PAGE_LIMIT).await?;
        match fetched.status.as_u16() {
            // It is not about the size.
            404 | 410 => {
                let error = fetched.error().with_hint(absent(&fetched.who));
                return Err(error).context(|| call.what);
            }
            401 | 403 => return Err(fetched.error()).context(|| call.what),
            200..=299 => return Ok((call, fetched)),
            _ => refused = refused.or(Some((fetched.error(), call.what))),
        }
    }
    let (error, what) = refused.ok_or_else(no_page)?;
    Err(error).context(|| what)
}

fn page(fetched: &Fetched) -> Result<Vec<String>> {
    let page: Option<Page> = serde_json::from_slice(&fetched.bytes).map_err(|error| {
        let message = "the server's list of tags is malformed";
        fetched
            .foreign()
            .unwrap_or_else(|| Error::new(ErrorKind::Corrupt, message).caused_by(error))
    })?;
    let tags = page.and_then(|page| page.tags).unwrap_or_default();
    Ok(tags.into_iter().flatten().collect())
}

fn no_page() -> Error {
    Error::new(ErrorKind::Unexpected, "no page was asked for")
}
