//! [`Output`]: where an archive is written: a new one, or more of one that is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_archive::docker_save::{MANIFEST_NAME, REPOSITORIES_NAME};
use transship_archive::layout::{INDEX_FILE, blob_path};
use transship_archive::{Appender, ArchiveOutput, Base, Compressor, Documents, TarWriter};
use transship_core::{Cancel, Digest, Result, WriteMode};
use transship_local::LockWait;

use crate::writing::{config_file, layer_file};

/// What is written anew when an archive is joined.
pub(crate) const DOCUMENTS: &[&str] = &[INDEX_FILE, MANIFEST_NAME, REPOSITORIES_NAME];

/// Where an archive is written.
#[derive(Debug)]
pub(crate) enum Output {
    New(ArchiveOutput),
    Appended(Box<Appender>),
}

/// How entries are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As podman and skopeo do.
    Saved,
    /// As in a layout, which stands in the same tar.
    Layout,
}

impl Shape {
    /// The entry of a plain layer.
    pub(crate) fn layer(self, diff_id: &Digest) -> String {
        match self {
            Self::Saved => layer_file(diff_id),
            Self::Layout => blob_path(diff_id),
        }
    }

    /// The entry of a config.
    pub(crate) fn config(self, id: &Digest) -> String {
        match self {
            Self::Saved => config_file(id),
            Self::Layout => blob_path(id),
        }
    }
}

impl Output {
    /// Begins an archive. Nothing shows.
    pub(crate) fn begin(
        path: &Path,
        mode: WriteMode,
        (spool, compressor): (Option<&PathBuf>, Option<Compressor>),
        cancel: &Cancel,
    ) -> Result<(Self, TarWriter)> {
        if mode == WriteMode::Append {
            Compressor::check_append(compressor, path)?;
            let (appender, tar) = Appender::begin(path, DOCUMENTS, cancel)?;
            return Ok((Self::Appended(Box::new(appender)), tar));
        }
        let (output, tar) = ArchiveOutput::begin(path, mode, spool, compressor)?;
        Ok((Self::New(output), tar))
    }

    /// The archive that is joined.
    pub(crate) fn base(&self) -> Option<&Arc<Base>> {
        match self {
            Self::New(_) => None,
            Self::Appended(appender) => appender.base(),
        }
    }

    /// Lets an entry that was put take the place of the one of that name in the archive that is joined.
    pub(crate) fn replace(&mut self, name: &str) {
        if let Self::Appended(appender) = self {
            appender.replace(name);
        }
    }

    /// Puts the documents and shows the archive.
    pub(crate) fn publish(
        self,
        mut tar: TarWriter,
        documents: &mut Documents<'_>,
        wait: &LockWait,
        cancel: &Cancel,
    ) -> Result<()> {
        match self {
            Self::New(output) => {
                tar.set_cancel(cancel);
                documents(None, &mut tar)?;
                output.publish(tar, wait, cancel)
            }
            Self::Appended(appender) => appender.publish(tar, documents, wait, cancel),
        }
    }
}
