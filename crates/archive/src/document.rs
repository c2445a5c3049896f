//! Documents in an archive, read whole and within limits.

use bytes::Bytes;
use transship_core::{Error, ErrorKind, Result};

use crate::TarIndex;

impl TarIndex {
    /// Reads a whole file of at most `limit` bytes; `what` says what it is, in errors.
    ///
    /// # Errors
    /// `LimitExceeded` naming the document and the limit; as [`get`](Self::get).
    pub fn document(&self, name: &str, limit: u64, what: &str) -> Result<Bytes> {
        let range = self.get(name)?;
        if range.len() > limit {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("{what} {name:?} has {} bytes, more than the {limit} allowed", range.len()),
            ));
        }
        let mut bytes = vec![0; usize::try_from(range.len()).unwrap_or(usize::MAX)];
        range.read_at(0, &mut bytes)?;
        Ok(bytes.into())
    }
}
