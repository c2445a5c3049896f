//! The tags of a repository, page by page.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::Deserialize;
use transship_core::{Error, ErrorKind, Result, ResultExt};

use super::pages::Pages;
use crate::client::{Call, Fetched, Repository};

/// The largest page that is read, in bytes.
const PAGE_LIMIT: u64 = 4 << 20;

/// The most tags that are read.
const TAGS_LIMIT: usize = 200_000;

/// How many are asked for at once; servers give fewer if they like.
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// All tags, in the server's order, each once.
pub(crate) async fn tags(of: &Repository) -> Result<Vec<String>> {
    let mut call = first(of, PAGE).await?;
    let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
    let mut pages = Pages::new("tags", TAGS_LIMIT);
    loop {
        let fetched = of.fetch(&call, PAGE_LIMIT).await?;
        let fetched = fetched.success().context(|| call.what.clone())?;
        for tag in page(&fetched).context(|| call.what.clone())? {
            if seen.insert(tag.clone()) {
                all.push(tag);
            }
        }
        let Some(next) = of.next_page(&fetched).context(|| call.what.clone())? else {
            return Ok(all);
        };
        pages.turn(all.len()).context(|| call.what.clone())?;
        call.url = next;
    }
}

/// A few tags, for a message.
pub(crate) async fn some(of: &Repository, count: usize) -> Result<Vec<String>> {
    let call = first(of, count).await?;
    let fetched = of.fetch(&call, PAGE_LIMIT).await?.success()?;
    let mut tags = page(&fetched)?;
    tags.truncate(count);
    Ok(tags)
}

async fn first(of: &Repository, count: usize) -> Result<Call> {
    of.call(Method::GET, &format!("tags/list?n={count}"), "listing the tags of").await
}

fn page(fetched: &Fetched) -> Result<Vec<String>> {
    let page: Page = serde_json::from_slice(&fetched.bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "the server's list of tags is malformed").caused_by(error)
    })?;
    Ok(page.tags.unwrap_or_default())
}
