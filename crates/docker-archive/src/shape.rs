//! [`Shape`]: how entries are named.

use transship_archive::docker_save::{MANIFEST_NAME, REPOSITORIES_NAME};
use transship_archive::layout::{INDEX_FILE, blob_path};
use transship_core::Digest;

use crate::writing::{config_file, layer_file};

/// What is written anew when an archive is joined.
pub(crate) const DOCUMENTS: &[&str] = &[INDEX_FILE, MANIFEST_NAME, REPOSITORIES_NAME];

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
