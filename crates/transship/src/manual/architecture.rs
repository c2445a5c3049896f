//! How it is built: the crates, the stages of the engine, and what holds everywhere.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | image | a manifest, its config and its layers |
//! | index | a manifest that lists manifests, one per platform |
//! | blob | bytes with a digest: a config or a layer |
//! | transport | a way to keep images, e.g. `oci`; a crate that implements [`Transport`](crate::transport::Transport) |
//! | reference | `scheme:locator`, where one image is; a plain value |
//! | archive | any place that holds several images: a tar, a layout, a repository of a registry |
//! | image name | the text an image is stored under in its archive; a [`DockerName`](crate::DockerName) is the parsed, canonical kind |
//! | source, destination | one image being read, one image being written |
//! | batch | all that one transfer reads and writes, open |
//! | task | what a transfer does for one image, or for one blob |
//!
//! # Crates
//!
//! | crate | is | uses |
//! |---|---|---|
//! | `core` | the words and traits: references, manifests, bodies, errors, the walk | |
//! | `compression` | gzip and zstd, as readers | |
//! | `local` | what places on a disk share: locks, staging, caches | `core` |
//! | `archive` | tars, read and written so that no two readers see two images | `core`, `local`, `compression` |
//! | `docker-archive`, `oci-layout` | `docker-archive:`; `oci:` and `oci-archive:` | `core`, `local`, `archive` |
//! | `directory` | `dir:` | `core`, `local` |
//! | `registry` | `docker://` | `core` |
//! | `serve` | a registry over places of any transport | `core`, `local` |
//! | `trust` | policies, signatures and keys | `core`, `local` |
//! | `transfer` | the engine | `core`, `compression`, `trust` |
//! | `transship` | the facade: the engine, the transports, [`Image`](crate::Image), this manual | all above |
//! | `cli` | the command | `transship` |
//! | `test-registry` | a registry for tests; paths, queries, ranges, pages and errors are those of `serve` | `core`, `serve`; used by tests only |
//! | `conformance` | the laws of transports | `core`; used by tests only |
//!
//! Transports never name each other, and the engine never names a transport: it asks a destination what it
//! [accepts](crate::transport::Accepts) and a source what it has. `cargo xtask ci` fails on any other arrow.
//!
//! # The engine: five stages, a folder each
//!
//! ```text
//!            references, streams, opened places
//!                          |
//!   open    open()         v             Batch { sources, writer }
//!                          |
//!   plan    plan()         v             TransferPlan { ImageTask { ImagePlan, BlobTask .. } .. }
//!                          |                     `-- describe() -> Plan, what --dry-run prints
//!   copy    copy()         v             Stored, for each BlobTask
//!                          |
//!   commit  commit()       v             ImageReport, image by image, in the order of the plan
//!                          |
//!           finish()       v             Report
//! ```
//!
//! [`Transfer::run`](crate::Transfer::run) calls them one after the other, and the whole is in `transfer.rs`:
//!
//! | stage | takes | gives | does |
//! |---|---|---|---|
//! | `open` | [`Source`](crate::Source)s, a [`Destination`](crate::Destination) | `Batch` | opens all; one image is a batch of one, a place for one image a writer of one. A stream is read here, and its blobs staged |
//! | `plan` | `&Batch` | `TransferPlan` | opens the place of each image, in order; then for each image, several at once: compares it with what is there where that costs less than reading, reads its documents (`tree`), chooses platforms (`select`), says what becomes of each manifest (`manifests`) and layer (`layers`), checks the digest that the destination says; holds the names of all images against each other (`names`) |
//! | `copy` | `TransferPlan` | `Report` | copies each blob once, however many images share it (`schedule`); one blob's way is one file, `blob`: reuse, read, change, put, retry |
//! | `commit` | `ImageTask`, what its blobs became | `ImageReport` | makes the new manifests (`manifests`, edits in place by `convert`), puts them, then the signatures, and commits in the image's turn |
//! | `finish` | `Batch`, `Report` | `Report` | publishes what an archive shows at its end |
//!
//! Beside them: `events` (an event for all that begins and ends; a ledger sees to one end each), `verify`, which reads images
//! again and tells what is broken, absent or unreachable, and `turn`, by which images that are worked on at once open their
//! places and commit in order.
//!
//! - **The plan that is shown is the plan that runs.** A dry run stops after `plan` and asks, by the function that the copy asks, which
//!   blobs are there. Choices follow from documents and options alone.
//! - **One walk.** Indexes, manifests and configs are followed in one place, [`walk`](crate::transport::walk()), with a visitor: the engine's tree,
//!   deltas, digests, `verify`, `inspect` and `list`. It has the one limit of depth, and of manifests.
//! - **One future an image**, from its first blob to its commit. Nothing is spawned, so dropping the transfer stops all of it; and
//!   whatever is polled beside others awaits nothing that those hold.
//! - **Bounded.** [`jobs`](crate::TransferOptions::jobs) bounds streams; layers that change form are bounded by memory and
//!   processors apart. Plans of more than 64 MiB together are made again when their turn comes.
//!
//! # Facts, hints, results, edits
//!
//! Four types where other tools have one. A [`Descriptor`](crate::Descriptor) is a fact, an [`Expect`](crate::transport::Expect) a
//! hint, a [`Stored`](crate::transport::Stored) a result; edits live in the engine's plan. Descriptors and manifests keep every field
//! and byte that they were read with: what need not change keeps its digest.
//!
//! # Bytes have one door
//!
//! A transport says where bytes are; [`Body`](crate::Body) hashes, counts and limits them. Every copy is checked because
//! there is no way to read a blob that does not check it. Hashing runs on a thread of its own, so that a verified copy runs
//! at the speed of SHA-256. The engine alone changes bytes: it decompresses for a destination that holds plain layers,
//! compresses when asked, and checks every diff ID on the way.
//!
//! # What holds everywhere
//!
//! - **Durable and atomic.** What shows after a commit survives a power cut; before it, nothing shows. Killed at any
//!   instant, the old content or the new is there, whole.
//! - **Concurrent.** Any number of processes may write to one layout; none loses another's image.
//! - **Cancelled by drop.** Dropping a future stops its work within one chunk; dropping a destination cleans up, and waits
//!   for nothing.
//! - **Verified.** Digest and size of everything that is read, or found in place, are checked before it counts.
//! - **Bounded.** Documents have limits, memory does not grow with the size of blobs or archives.
//! - **Confined.** No path or link in an archive leads outside it; what two readers could take differently is refused.
//! - **Explained.** One [`Error`](crate::Error) type: a kind to match on, the context, and a hint what to do.
//!
//! # Writing a transport
//!
//! See [`write_a_transport`](super::write_a_transport).
