//! `containers-storage:`: images of podman, and of whatever shares its store: buildah, CRI-O, skopeo.
//!
//! # References
//!
//! | text | means |
//! |---|---|
//! | `containers-storage:NAME[:TAG]` | the image of a name; without a tag `latest` |
//! | `containers-storage:NAME@DIGEST` | the image of a digest; for reading only; a tag beside it says nothing |
//! | `containers-storage:[NAME[:TAG]]@ID` | the image of an ID, or of its first 3 digits or more; for reading only |
//! | `containers-storage:HEX` | the image of that name, else the one whose ID begins so |
//! | `containers-storage:` | all images, but for those that podman calls intermediate |
//!
//! A name without a domain is one of `docker.io`, as in skopeo; what `podman build -t app` makes is `localhost/app`.
//!
//! Before all of these, `[DRIVER@ROOT+RUNROOT:OPTION,OPTION]` names another store: what `podman --storage-driver`, `--root`,
//! `--runroot` and `--storage-opt` take. `DRIVER@`, `+RUNROOT` and the options may be absent.
//!
//! # How the store is reached
//!
//! Always by podman: the store is the private state of its library, and only that library may write it.
//!
//! - Another store: by the command `podman`.
//! - Else by the API at the setting `containers-storage.podman-url`, or by the command of the setting
//!   `containers-storage.podman`; by the API at `CONTAINER_HOST`; by the API at `$XDG_RUNTIME_DIR/podman/podman.sock` or
//!   `/run/podman/podman.sock`, where this user owns that socket and it answers; by the command `podman`.
//! - The command is `podman`, or what the variable `PODMAN` names.
//!
//! # Reading
//!
//! One save, which is a docker archive with plain layers, goes to the destination while it comes: the image ID stays, the
//! digest of the manifest does not. A save that fails or ends early is an error with podman's words.
//!
//! # Writing
//!
//! One tar without names is loaded; the image is looked at, and only then gets its names. So a name never stands for an image
//! that is not whole. podman keeps the image ID and the manifest, and holds one platform of an index. Layers that it has are
//! left out; where it does not find them, all are sent, once.
//!
//! # Deleting
//!
//! The image alone is removed. Images without names that it was built on stay; podman before 4.3 removes them, too,
//! so there a copy that fails leaves its image, without a name, and warns of it.
//!
//! # Settings
//!
//! | key | value |
//! |---|---|
//! | `containers-storage.podman-url` | podman's API, as in `CONTAINER_HOST` |
//! | `containers-storage.podman` | the command; no API is asked |

mod command;
mod find;
mod podman;
mod process;
mod reference;
mod service;
mod transport;

pub use transport::{ContainersStorage, Storage};

/// What stands before the colon.
pub const SCHEME: &str = "containers-storage";
