//! Two entries with one name: the same, or the archive is corrupt.

use transship_core::{Cancel, Error, ErrorKind, Result};

use super::{Entry, EntryKind, Store};

/// Holds two entries with one name to being the same. Some readers take the first, some the last.
pub(super) fn check(store: &Store, first: &Entry, second: &Entry, cancel: &Cancel) -> Result<()> {
    let same = match (&first.kind, &second.kind) {
        (EntryKind::File { offset: a, size: m }, EntryKind::File { offset: b, size: n }) => {
            m == n && equal_files(store, *a, *b, *m, cancel)?
        }
        (EntryKind::Other(_), _) => false,
        (a, b) => a == b,
    };
    if same {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "there are two different entries {:?}, at offsets {} and {}: some readers take the first, some the last",
            second.name, first.header, second.header
        ),
    ))
}

/// Of files that were read in one pass, the digests are known.
fn equal_files(store: &Store, a: u64, b: u64, size: u64, cancel: &Cancel) -> Result<bool> {
    if let (Some(a), Some(b)) = (store.known(a), store.known(b)) {
        return Ok(a.stored == b.stored);
    }
    store.range(a, size)?.same_bytes(&store.range(b, size)?, cancel)
}
