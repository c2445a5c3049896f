//! Lists in pages.

use super::query::encode;
use super::{Query, Refusal};

/// Entries of a list, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<String>,
    /// The size of the next page, and the entry that it follows.
    pub next: Option<(usize, String)>,
}

/// The entries after the query's `last`, `n` at most, and never more than `most`. `all` is sorted.
///
/// # Errors
/// 400 for an `n` that is no number.
pub fn page<'a>(
    all: impl Iterator<Item = &'a str>,
    query: &Query,
    most: usize,
) -> Result<Page, Refusal> {
    let asked = match query.get("n").map(str::parse::<usize>) {
        None => usize::MAX,
        Some(Ok(count)) => count,
        Some(Err(_)) => {
            return Err(Refusal::bad("PAGINATION_NUMBER_INVALID", "n is not a number"));
        }
    };
    let most = asked.min(most);
    let last = query.get("last").unwrap_or_default();
    let mut left = all.filter(|entry| *entry > last);
    let entries: Vec<String> = left.by_ref().take(most).map(str::to_owned).collect();
    let next = left.next().and(entries.last()).map(|last| (most, last.clone()));
    Ok(Page { entries, next })
}

/// The value of `Link` for what follows: the request's path and query, with another `n` and `last`.
pub fn next_link(path: &str, query: &Query, (count, last): &(usize, String)) -> String {
    let others = query.without(&["n", "last"]);
    format!("<{path}?n={count}&last={}{others}>; rel=\"next\"", encode(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let of = |query: &str| page(["a", "b", "c"].into_iter(), &Query::parse(query), 2);
        let expected = |entries: &[&str], next: Option<(usize, &str)>| {
            let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
            Page { entries, next: next.map(|(count, last)| (count, last.to_owned())) }
        };
        assert_eq!(of("").unwrap(), expected(&["a", "b"], Some((2, "b"))));
        assert_eq!(of("n=1&last=a").unwrap(), expected(&["b"], Some((1, "b"))));
        assert_eq!(of("n=9&last=aa").unwrap(), expected(&["b", "c"], None));
        assert_eq!(of("n=0").unwrap(), expected(&[], None));
        for bad in ["n=", "n=x", "n=-1"] {
            assert_eq!(of(bad).unwrap_err().code, "PAGINATION_NUMBER_INVALID", "{bad}");
        }
        let query = Query::parse("n=1&ns=a.b:1&last=x");
        let link = next_link("/v2/_catalog", &query, &(1, "a/b".to_owned()));
        assert_eq!(link, "</v2/_catalog?n=1&last=a/b&ns=a.b%3A1>; rel=\"next\"");
    }
}
