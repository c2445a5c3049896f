//! Reads a repository: manifests, blobs, tags, referrers.

mod blob;
mod catalog;
mod manifest;
mod pages;
mod pieces;
mod referrers;
mod tags;

pub(crate) use blob::{open as open_blob, size as size_of_blob};
pub(crate) use catalog::repositories;
pub(crate) use manifest::{
    Root, by_descriptor, by_name, head as head_manifest, if_given, is_digest_of, referrers_tag,
    root as root_of,
};
pub(crate) use referrers::{ListedReferrers, referrers, tagged as tagged_referrers};
pub(crate) use tags::{some as some_tags, tags};
