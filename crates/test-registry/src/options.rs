//! What kind of registry it is.

use super::auth::Auth;

/// What kind of registry it is. The default is an open one that can everything.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Which users may do what.
    pub auth: Auth,
    /// Plain HTTP, or TLS with certificates made on the spot.
    pub tls: Tls,
    /// The loopback address.
    pub listen: Listen,
    /// Byte ranges on blobs.
    pub ranges: RangeRequests,
    /// The referrers API; without it, clients keep the tag scheme.
    pub referrers: ReferrersApi,
    /// What a manifest names must be there first.
    pub parts: Parts,
    /// `DELETE` of manifests, tags and blobs.
    pub deletes: Deletes,
    /// `POST` with the whole blob.
    pub single_post: SinglePost,
    /// `PATCH`.
    pub chunked: ChunkedUploads,
    /// `OCI-Chunk-Min-Length`: chunks but the last must not be smaller.
    pub min_chunk: Option<u64>,
    /// Chunks with `Content-Range` that are larger get 416.
    pub max_chunk: Option<u64>,
    /// What stays of an upload whose connection broke.
    pub partial: Partial,
    /// The form of `Location`.
    pub locations: Locations,
    /// The most entries in one page of tags, of the catalog, or of referrers.
    pub page: Option<usize>,
    /// Requests beyond so many at once get 429.
    pub most_at_once: Option<usize>,
    /// No mount succeeds: each `POST` with `mount` opens an upload session.
    pub refuse_mounts: bool,
}

/// Plain HTTP or TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tls {
    /// Plain HTTP.
    #[default]
    Off,
    /// TLS 1.2 and 1.3, for `127.0.0.1`, `::1` and `localhost`.
    On(ClientCertificates),
}

/// Whether clients are asked for a certificate of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// No.
    #[default]
    NotAsked,
    /// Yes, and one that does not hold breaks the handshake; none is fine.
    Asked,
    /// Yes, and without one the handshake breaks.
    Required,
}

/// The loopback address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// `127.0.0.1`
    #[default]
    V4,
    /// `[::1]`
    V6,
}

/// Byte ranges on blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RangeRequests {
    /// Answered with 206.
    #[default]
    Answered,
    /// Ignored: 200 with the whole blob.
    Ignored,
}

/// The referrers API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferrersApi {
    /// Answers, `OCI-Subject` and `OCI-Filters-Applied` included.
    #[default]
    On,
    /// 404, as from servers of version 1.0.
    Off,
}

/// Whether what a manifest names must be there when it is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parts {
    /// Configs, layers (but foreign ones) and the manifests of an index, as docker-registry wants it.
    #[default]
    Required,
    /// Configs and layers; an index may be sparse.
    SparseIndexes,
    /// Nothing.
    Optional,
}

/// `DELETE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deletes {
    /// Done.
    #[default]
    Allowed,
    /// Of manifests and blobs; tags get 400 `DIGEST_INVALID`, as from docker-registry 2.
    ByDigest,
    /// 405, as from docker-registry without configuration.
    Refused,
}

/// `POST ../uploads/?digest=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinglePost {
    /// Stores the blob.
    #[default]
    Stores,
    /// Opens a session, as the specification allows.
    OpensSession,
}

/// `PATCH` of upload sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkedUploads {
    /// Taken, with `Content-Range` or as a stream.
    #[default]
    Taken,
    /// 405.
    Refused,
}

/// What stays of an upload whose connection broke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partial {
    /// All that arrived: the client asks how much, and goes on.
    #[default]
    Kept,
    /// Nothing, not even the session.
    Dropped,
}

/// The form of `Location`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Locations {
    /// `/v2/..`
    #[default]
    Relative,
    /// `http://HOST/v2/..`
    Absolute,
}
