//! Commits images whose blobs are copied: new manifests, signatures, the report.

pub(crate) mod convert;
pub(crate) mod delta;
pub(crate) mod image;
pub(crate) mod manifests;
pub(crate) mod published;
pub(crate) mod report;
pub(crate) mod signatures;
