//! Documents in an archive, read whole and within limits.

use bytes::Bytes;
use transship_core::Result;

use crate::TarIndex;

impl TarIndex {
    /// Reads a whole file of at most `limit` bytes; `what` says what it is, in errors.
    ///
    /// # Errors
    /// `LimitExceeded` naming the document and the limit; as [`get`](Self::get).
    pub fn document(&self, name: &str, limit: u64, what: &str) -> Result<Bytes> {
        self.get(name)?.bytes(limit, format_args!("{what} {name:?}"))
    }
}
