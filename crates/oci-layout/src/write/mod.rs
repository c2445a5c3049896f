//! Writing, which comes next.

use std::path::PathBuf;

use transship_core::{
    ArchiveWriter, Error, ErrorKind, ImageDestination, Result, WriteMode, WriteOptions,
};

use crate::reference::Locator;

/// How a layout is written.
#[derive(Debug)]
pub(crate) enum Way {
    /// To a folder; its blobs may be in another one.
    Folder { shared: Option<PathBuf> },
    /// To a tar, with a `manifest.json` for docker or without.
    Tar { docker_manifest: bool },
}

pub(crate) async fn destination(
    way: Way,
    _: Locator,
    _: WriteMode,
    _: &WriteOptions,
) -> Result<Box<dyn ImageDestination>> {
    Err(Error::new(ErrorKind::Unsupported, format!("{way:?}: writing comes next")))
}

pub(crate) async fn writer(
    way: Way,
    _: Locator,
    _: WriteMode,
    _: &WriteOptions,
) -> Result<Box<dyn ArchiveWriter>> {
    Err(Error::new(ErrorKind::Unsupported, format!("{way:?}: writing comes next")))
}
