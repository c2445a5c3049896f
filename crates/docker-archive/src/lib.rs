//! `docker-archive:`: images in the archives that `docker save` writes.

mod archive;
mod choose;
mod commit;
mod config;
mod contents;
mod destination;
mod diff_check;
mod form;
mod image;
mod layer;
mod legacy;
mod reference;
mod source;
mod stored;
mod transport;
mod writing;

pub use reference::{Locator, Selector};
pub use transport::DockerArchive;

/// What stands before the colon.
pub const SCHEME: &str = "docker-archive";
