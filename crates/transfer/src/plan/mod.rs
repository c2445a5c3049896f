//! Plans a transfer: documents in, a plan out. No blob is copied.

pub(crate) mod dry_run;
pub(crate) mod image;
pub(crate) mod layer_type;
pub(crate) mod layers;
pub(crate) mod manifests;
pub(crate) mod names;
pub(crate) mod nodes;
pub(crate) mod referrers;
pub(crate) mod select;
pub(crate) mod since;
pub(crate) mod sniff;
pub(crate) mod tree;
