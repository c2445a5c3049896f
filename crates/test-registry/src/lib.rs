//! An OCI registry in the test's own process: on loopback, in memory, and as difficult as a test needs it.
//!
//! It speaks version 1.1 of the [distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md)
//! over HTTP/1.1. Any project that tests a registry client can use it. It is strict: a request that the specification forbids is
//! refused, also where real servers accept it.
//!
//! ```
//! use transship_test_registry::{Auth, Fault, Options, Registry, Rule, User};
//!
//! let mut options = Options::default();
//! options.auth = Auth::Basic(vec![User::new("me", "secret")]);
//! let registry = Registry::start(options)?;
//! let digest = registry.put_blob("team/app", "bytes of a layer");
//! // The next two reads of this blob break off after four bytes.
//! registry.inject(Rule::new(Fault::CutResponse { after: 4 }).path(digest.as_ref()).times(2));
//!
//! // .. a client under test talks to `registry.url()` ..
//!
//! // It sent nothing yet, and so no credential either.
//! assert!(registry.exchanges().iter().all(|exchange| exchange.header("authorization").is_none()));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It runs on a thread of its own until it is dropped, so tests may block or be async. It keeps every request:
//! [`Registry::exchanges`] shows which there were, and where credentials went.
//!
//! | feature | details |
//! |---|---|
//! | uploads | one `POST`; `POST` and `PUT`; chunked `PATCH`, with `Range` from `GET` after a cut; `OCI-Chunk-Min-Length`; `DELETE` |
//! | blobs | byte ranges, mounts from another repository |
//! | manifests | by tag and digest, `Accept` honoured, parts that must be there, `subject` |
//! | lists | tags and catalog in pages with `Link`, referrers with a filter |
//! | authentication | none, basic auth, tokens (`GET` and `OAuth2` `POST`, scopes, expiry, refresh tokens) |
//! | TLS | a CA, a server and a client certificate, made when it starts |
//! | faults | cut connections, wrong lengths, digests and ranges, redirects, statuses, silence, raw bytes: [`Fault`], when a [`Rule`] says so |
//!
//! Memory is not limited: blobs and requests stay until the registry is dropped.

mod auth;
mod blobs;
mod body;
mod exchange;
mod faults;
mod handle;
mod manifests;
mod options;
mod pages;
mod reply;
mod serve;
mod store;
mod tls;
mod tokens;
mod uploads;
mod wire;

pub use auth::{Action, Auth, Right, TokenAuth, TokenField, User};
pub use exchange::Exchange;
pub use faults::{Fault, RetryAfter, Rule};
pub use handle::{Registry, gzip_of_zeros};
pub use options::{
    ChunkedUploads, ClientCertificates, Deletes, Listen, Locations, Options, Partial, Parts,
    RangeRequests, ReferrersApi, SinglePost, Tls,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
