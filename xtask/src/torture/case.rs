//! [`Case`]: a place, and how it changes.

use std::fmt;

/// What happens to a place that holds images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// An image comes to those that are there.
    Append,
    /// An image comes in place of all that are there.
    Replace,
    /// One of the images goes.
    Delete,
    /// Blobs go that no image needs.
    Gc,
}

/// A place, and how it changes.
pub(super) struct Case {
    pub(super) scheme: &'static str,
    pub(super) place: &'static str,
    pub(super) change: Change,
}

const fn case(scheme: &'static str, place: &'static str, change: Change) -> Case {
    Case { scheme, place, change }
}

pub(super) const CASES: &[Case] = &[
    case("oci", "layout", Change::Append),
    case("oci-archive", "layout.tar", Change::Append),
    case("docker-archive", "saved.tar", Change::Append),
    case("oci", "layout", Change::Replace),
    case("oci-archive", "layout.tar", Change::Replace),
    case("docker-archive", "saved.tar", Change::Replace),
    case("dir", "folder", Change::Replace),
    case("oci", "layout", Change::Delete),
    case("oci-archive", "layout.tar", Change::Delete),
    case("docker-archive", "saved.tar", Change::Delete),
    case("oci", "layout", Change::Gc),
];

impl Case {
    /// Whether it holds one image only.
    pub(super) fn is_single(&self) -> bool {
        self.scheme == "dir"
    }

    /// Whether it needs no room on the disk: then it has to succeed where there is none.
    pub(super) fn needs_no_room(&self) -> bool {
        self.change == Change::Gc
    }

    /// Whether blobs may stay that no image needs.
    pub(super) fn collects(&self) -> bool {
        self.scheme == "oci"
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.scheme, self.change)
    }
}
