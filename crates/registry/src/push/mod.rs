//! Writes a repository: blobs, manifests, the tags that list referrers.

mod blob;
mod ending;
mod feed;
mod manifest;
mod pump;
mod recover;
mod referrers;
mod session;
mod upload;

pub(crate) use blob::{has, look, mount};
pub(crate) use manifest::{
    StoredManifest, delete as delete_manifest, list as list_referrer, lost_beside,
    put as put_manifest, put_beside,
};
pub(crate) use referrers::remove as unlist_referrer;
pub(crate) use session::{Mounted, Session};
pub(crate) use upload::upload;
