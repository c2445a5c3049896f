//! Referrers: by the API, or by the tag that lists them where the server has none.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use transship_core::{
    Descriptor, Digest, Document, Error, ErrorKind, MANIFEST_LIMIT, Manifest, MediaType, Result,
    ResultExt,
};

use super::manifest::{if_given, type_of};
use super::pages::Pages;
use super::{by_name, referrers_tag};
use crate::client::{Fetched, Repository, next_page};
use crate::reference::Wanted;

/// The most referrers of one manifest that are read.
const REFERRERS_LIMIT: usize = 10_000;

/// Referrers, and where they are listed.
#[derive(Debug)]
pub(crate) enum ListedReferrers {
    Api(Vec<Descriptor>),
    /// Under the tag; none where there is no tag.
    Tag(Vec<Descriptor>),
}

impl ListedReferrers {
    /// Wherever they are listed.
    pub(crate) fn into_all(self) -> Vec<Descriptor> {
        match self {
            Self::Api(all) | Self::Tag(all) => all,
        }
    }
}

/// The manifests whose subject is one, after
/// [the spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
pub(crate) async fn referrers(of: &Repository, subject: &Digest) -> Result<ListedReferrers> {
    let doing = format!("listing the referrers of {subject} in");
    let mut call = of.call(Method::GET, &format!("referrers/{subject}"), &doing).await?;
    call.headers
        .insert(ACCEPT, HeaderValue::from_static("application/vnd.oci.image.index.v1+json"));
    let (mut all, mut seen): (Vec<Descriptor>, _) = (Vec::new(), BTreeSet::new());
    let mut pages = Pages::new("referrers", REFERRERS_LIMIT);
    loop {
        let fetched = of.fetch(&call, MANIFEST_LIMIT).await?;
        if !is_list(&fetched) && all.is_empty() {
            let tag = referrers_tag(subject);
            let index = if_given(of, &tag, tagged(of, subject).await)?.flatten();
            return Ok(ListedReferrers::Tag(listed(index.as_ref())));
        }
        let page = fetched.success().context(|| call.what.clone())?;
        for descriptor in page_of(&page).context(|| call.what.clone())? {
            if seen.insert(descriptor.digest.to_string()) {
                all.push(descriptor);
            }
        }
        let Some(next) = next_page(&page).context(|| call.what.clone())? else {
            return Ok(ListedReferrers::Api(all));
        };
        pages.turn(all.len(), &next).context(|| call.what.clone())?;
        call.url = next;
    }
}

/// The index that lists referrers under a tag, if there is one.
pub(crate) async fn tagged(of: &Repository, subject: &Digest) -> Result<Option<Manifest>> {
    let found = by_name(of, Wanted::Tag(&referrers_tag(subject))).await.if_found()?;
    Ok(found.filter(|index| index.document().is_index()))
}

/// Servers without the API answer all kinds of things; those that have it, an index, not always under its type.
fn is_list(fetched: &Fetched) -> bool {
    fetched.status.is_success()
        && (type_of(fetched) == MediaType::ImageIndex
            || Document::parse(&fetched.bytes).is_ok_and(|document| document.is_index()))
}

fn page_of(page: &Fetched) -> Result<Vec<Descriptor>> {
    match Document::parse(&page.bytes)? {
        Document::Index(index) => Ok(index.manifests),
        _ => Err(Error::new(ErrorKind::Corrupt, "the server's list of referrers is no index")),
    }
}

fn listed(index: Option<&Manifest>) -> Vec<Descriptor> {
    match index.map(Manifest::document) {
        Some(Document::Index(index)) => index.manifests.clone(),
        _ => Vec::new(),
    }
}
