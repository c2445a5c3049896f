//! `docker://` — images in a registry, over the
//! [OCI distribution protocol](https://github.com/opencontainers/distribution-spec/blob/main/spec.md).
//!
//! # Grammar
//!
//! `docker://[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]` is one image. The canonical text is fully qualified:
//! `docker://alpine:3` is `docker://docker.io/library/alpine:3`.
//!
//! | part | meaning |
//! |---|---|
//! | `HOST` | the first component, if it has `.` or `:` or is `localhost`; otherwise it is `docker.io`. IPv6: `[::1]:5000` |
//! | `TAG` | without tag and digest, an image is read and written as `latest` |
//! | `DIGEST` | reading: it decides, whatever the tag is; writing: the image has to have it, and then gets the tag |
//!
//! `docker://[HOST[:PORT]/][PREFIX/]`, with a slash at the end, is a prefix below which images are written under their own names:
//! each goes to the prefix and its repository without the domain and without `library/`, with its tag. Read, it is an
//! archive of all tags of all repositories there, if the registry lists its repositories.
//!
//! # Archives
//!
//! A repository is an archive of its tags; without any tag it is `NotFound`. Several images can be written to
//! `docker://HOST/REPOSITORY` if their names are tags or names in that repository, and to a prefix under any docker names. Each image can
//! be pulled from its commit on, and overwrites the tag if it exists. A repository as a whole cannot be replaced.

mod check;
mod client;
mod config;
mod configs;
mod credentials;
mod delete;
mod destination;
mod download;
mod hints;
mod naming;
mod options;
mod places;
mod pull;
mod push;
mod reader;
mod reference;
mod replicate;
mod source;
mod surroundings;
mod target;
mod tls;
mod transport;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use check::check;
pub use config::short_name;
pub use credentials::{Credential, LoggedIn, LoggedOut, Secret, forget, keep};
pub use download::Downloads;
pub use options::RegistryOptions;
pub use surroundings::Surroundings;
pub use transport::Registry;

/// How many things of one image are done at once. How many requests a host gets at once is a matter of the host.
const AT_ONCE: usize = 8;

/// What a mutex holds, also after a panic: no update here stops half way.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stands before the colon.
pub const SCHEME: &str = "docker";
