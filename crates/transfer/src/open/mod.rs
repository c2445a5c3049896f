//! Opens what a transfer reads and writes: references, streams and what the caller has open.

pub(crate) mod base;
pub(crate) mod destination;
pub(crate) mod rename;
pub(crate) mod source;
pub(crate) mod sources;
pub(crate) mod stream;
