//! [`Case`]: an operation and its place.

use std::fmt;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Images come where nothing is.
    New,
    /// An image comes to those that are there.
    Append,
    /// An image comes in place of what is there.
    Replace,
    /// One of the images goes.
    Delete,
    /// Blobs go that no image needs.
    Gc,
    /// A credential is kept.
    Login,
    /// A credential is forgotten.
    Logout,
}

/// Where the place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// In a folder that is there.
    Plain,
    /// In folders that have to be made.
    Deep,
    /// Its blobs in another folder, which has to be made, too.
    Shared,
    /// It is the working folder.
    Here,
}

/// An operation and its place.
pub(super) struct Case {
    pub(super) operation: Operation,
    pub(super) scheme: &'static str,
    pub(super) place: Where,
}

const fn case(operation: Operation, scheme: &'static str, place: Where) -> Case {
    Case { operation, scheme, place }
}

pub(super) const CASES: &[Case] = &[
    case(Operation::New, "oci", Where::Plain),
    case(Operation::New, "oci", Where::Deep),
    case(Operation::New, "oci", Where::Shared),
    case(Operation::New, "oci-archive", Where::Plain),
    case(Operation::New, "docker-archive", Where::Plain),
    case(Operation::New, "dir", Where::Plain),
    case(Operation::New, "dir", Where::Deep),
    case(Operation::Append, "oci", Where::Plain),
    case(Operation::Append, "oci", Where::Shared),
    case(Operation::Append, "oci-archive", Where::Plain),
    case(Operation::Append, "docker-archive", Where::Plain),
    case(Operation::Replace, "oci", Where::Plain),
    case(Operation::Replace, "oci-archive", Where::Plain),
    case(Operation::Replace, "docker-archive", Where::Plain),
    case(Operation::Replace, "dir", Where::Plain),
    case(Operation::Replace, "dir", Where::Here),
    case(Operation::Delete, "oci", Where::Plain),
    case(Operation::Delete, "oci-archive", Where::Plain),
    case(Operation::Delete, "docker-archive", Where::Plain),
    case(Operation::Gc, "oci", Where::Plain),
    case(Operation::Login, "docker", Where::Plain),
    case(Operation::Logout, "docker", Where::Plain),
];

impl Case {
    /// Whether it holds one image only.
    pub(super) fn is_single(&self) -> bool {
        self.scheme == "dir"
    }

    /// Whether what images it shows stays the same.
    pub(super) fn may_change_nothing(&self) -> bool {
        self.operation == Operation::Gc
    }

    /// Whether it cannot be done again where it was done.
    pub(super) fn goes_once(&self) -> bool {
        matches!(self.operation, Operation::Delete | Operation::Logout)
    }

    /// Whether it is about credentials.
    pub(super) fn is_of_credentials(&self) -> bool {
        matches!(self.operation, Operation::Login | Operation::Logout)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {:?}", self.operation, self.scheme, self.place)
    }
}
