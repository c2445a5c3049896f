//! [`Pages`]: whether a list that comes page by page is getting anywhere.

use transship_core::{Error, ErrorKind, Result};

/// So many pages may be as small as they like.
const FREE: usize = 100;

/// What a page has to bring after those, on average.
const LEAST: usize = 10;

/// Counts the pages of a list.
#[derive(Debug)]
pub(crate) struct Pages {
    /// What is listed, for messages.
    what: &'static str,
    most: usize,
    turned: usize,
    entries: usize,
}

impl Pages {
    /// For a list of at most so many entries.
    pub(crate) fn new(what: &'static str, most: usize) -> Self {
        Self { what, most, turned: 0, entries: 0 }
    }

    /// Another page was read, and the server says that there is a next one. `entries` is how many there are by now.
    ///
    /// # Errors
    /// `LimitExceeded` for a page that brought nothing new, for pages that are many and nearly empty, and for too many entries.
    pub(crate) fn turn(&mut self, entries: usize) -> Result<()> {
        let new = entries > self.entries;
        (self.turned, self.entries) = (self.turned + 1, entries);
        let what = self.what;
        let message = if entries > self.most {
            format!("the server lists more than {} {what}", self.most)
        } else if !new || (self.turned > FREE && entries < self.turned.saturating_mul(LEAST)) {
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
        pages.into_iter().try_for_each(|new| {
            entries += new;
            all.turn(entries)
        })
    }

    #[test]
    fn lists_get_somewhere() {
        assert!(turned([1; FREE]).is_ok());
        assert!(turned([LEAST; 150]).is_ok());
        assert!(turned([1; FREE + 1]).is_err());
        assert!(turned([5, 0]).is_err());
        assert!(turned([1500, 501]).is_err());
    }
}
