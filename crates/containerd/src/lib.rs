//! `containerd:`: images in the content store of containerd, through its API.
//!
//! # References
//!
//! | text | means |
//! |---|---|
//! | `containerd:[NAMESPACE//]NAME[:TAG]` | the image of a name; without a tag `latest` |
//! | `containerd:[NAMESPACE//]NAME[:TAG]@DIGEST` | the same, which has to be of that root |
//! | `containerd:[NAMESPACE//]@DIGEST` | the image of a root, whatever its names |
//! | `containerd:[NAMESPACE//]sha256:HEX` | the image of an ID, as Kubernetes keeps it; for reading and deleting |
//! | `containerd:NAMESPACE//`, `containerd:` | all images of a namespace |
//!
//! Names are completed as docker completes them: containerd keeps them in full, as `docker.io/library/alpine:3`. Without a
//! namespace it is the one of the setting `containerd.containerd-namespace`, else of `CONTAINERD_NAMESPACE`, else `default`, as with `ctr` and
//! `nerdctl`. Kubernetes uses `k8s.io`. That word alone is refused, for it is no image: `k8s.io//` is the namespace.
//!
//! # Which containerd
//!
//! The one at the socket of the setting `containerd.containerd-address`, else of `CONTAINERD_ADDRESS`, else at
//! `/run/containerd/containerd.sock`. k3s and rke2 listen at `/run/k3s/containerd/containerd.sock`. The socket belongs to root.
//!
//! # Reading
//!
//! An image is as it is stored: an index may lack the platforms that nobody pulled. Blobs come in pieces of at most 1 MiB, and from any
//! offset.
//!
//! # Writing
//!
//! A lease keeps what is written; blobs that are there, or in another namespace of the same containerd, are not sent; a blob that was
//! cut goes on where it stopped. Manifests and indexes are labelled with what they refer to, so that containerd's collection of garbage
//! keeps it. The names move last, to a whole image. Then the lease is deleted, and what nothing refers to goes. The lease of a copy that
//! was killed expires after a day. A copy whose lease is gone, because it took longer or somebody deleted it, fails before a name moves.
//! Several names move all or none; where containerd cannot be reached any more to give them back, the error says which have moved.
//!
//! An image without a name is kept under its digest. An image whose last name another one gets goes.
//!
//! # Settings
//!
//! | key | value |
//! |---|---|
//! | `containerd.containerd-address` | the socket |
//! | `containerd.containerd-namespace` | the namespace where a reference names none |

mod api;
mod connect;
mod delete;
mod destination;
mod find;
mod labels;
mod lease;
mod proto;
mod publish;
mod reader;
mod reference;
mod source;
mod status;
mod transport;
mod upload;

pub use transport::ContainerdStore;

/// What stands before the colon.
pub const SCHEME: &str = "containerd";
