//! Two entries with one name: the same, or the archive is corrupt.

use transship_core::{Cancel, Error, ErrorKind, FileRange, Result};

use super::{Entry, EntryKind, Store};

/// How many bytes are compared at a time.
const CHUNK: usize = 256 << 10;

/// Holds two entries with one name to being the same. Some readers take the first, some the last.
///
/// # Errors
/// `Corrupt` with both offsets, `Cancelled`, I/O errors.
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

/// Of what has passed, the digests are known.
fn equal_files(store: &Store, a: u64, b: u64, size: u64, cancel: &Cancel) -> Result<bool> {
    if let (Some(a), Some(b)) = (store.known(a), store.known(b)) {
        return Ok(a.stored == b.stored);
    }
    equal_bytes(&store.range(a, size)?, &store.range(b, size)?, cancel)
}

fn equal_bytes(a: &FileRange, b: &FileRange, cancel: &Cancel) -> Result<bool> {
    let len = usize::try_from(a.len()).unwrap_or(CHUNK).min(CHUNK);
    let (mut left, mut right) = (vec![0; len], vec![0; len]);
    let mut at = 0;
    while at < a.len() {
        cancel.check()?;
        let n = a.read_at(at, &mut left)?;
        b.read_at(at, &mut right[..n])?;
        if left[..n] != right[..n] {
            return Ok(false);
        }
        at += n as u64;
    }
    Ok(true)
}
