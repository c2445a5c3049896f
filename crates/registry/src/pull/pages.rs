//! [`Pages`]: whether a list that comes page by page is getting anywhere.

use std::collections::HashSet;

use reqwest::Url;
use transship_core::{Error, ErrorKind, Result};

/// So many pages may be as small as they like.
const FREE: usize = 100;

/// What a page has to bring after those, on average.
const LEAST: usize = 10;

#[derive(Debug)]
pub(crate) struct Pages {
    /// What is listed, for messages.
    what: &'static str,
    most: usize,
    turned: usize,
    /// Where pages were that were read already, or are next.
    known: HashSet<String>,
}

impl Pages {
    /// For a list of at most so many entries.
    pub(crate) fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, turned: 0, known: HashSet::new() }
    }

    /// Another page was read, and the server says where the next one is. `entries` is how many there are by now. A page of which
    /// all is filtered out is empty, and still not the last.
    ///
    /// # Errors
    /// `LimitExceeded` for a next page that was read already, for pages that are many and nearly empty, and for too many entries.
    pub(crate) fn turn(&mut self, entries: usize, next: &Url) -> Result<()> {
        self.turned += 1;
        let what = self.what;
        let message = if entries > self.most {
            format!("the server lists more than {} {what}", self.most)
        } else if !self.known.insert(next.to_string())
            || (self.turned > FREE && entries < self.turned.saturating_mul(LEAST))
        {
            format!("the server lists {what} without an end")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::LimitExceeded, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(pages: impl IntoIterator<Item = usize>) -> Result<()> {
        let (mut all, mut entries) = (Pages::new("tags", 2000), 0);
        pages.into_iter().enumerate().try_for_each(|(at, new)| {
            entries += new;
            all.turn(entries, &page(at))
        })
    }

    fn page(at: usize) -> Url {
        Url::parse(&format!("http://h/v2/a/tags/list?last={at}")).unwrap()
    }

    #[test]
    fn lists_get_somewhere() {
        assert!(turned([1; FREE]).is_ok());
        assert!(turned([LEAST; 150]).is_ok());
        assert!(turned([5, 0, 0, 5]).is_ok(), "what is filtered out leaves pages empty");
        assert!(turned([1; FREE + 1]).is_err());
        assert!(turned([0; FREE + 1]).is_err());
        assert!(turned([1500, 501]).is_err());
    }

    #[test]
    fn lists_that_go_round_end() {
        let mut pages = Pages::new("tags", 2000);
        assert!(pages.turn(1000, &page(1)).is_ok() && pages.turn(1001, &page(2)).is_ok());
        assert!(pages.turn(1002, &page(1)).is_err());
    }
}
