//! `docker-archive:`: images in the archives that `docker save` writes.

mod reference;

pub use reference::{Locator, Selector};

/// What stands before the colon.
pub const SCHEME: &str = "docker-archive";
