//! How it is built: the crates, the arrows between them, and what holds everywhere.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | image | a manifest, its config and its layers |
//! | index | a manifest that lists manifests, one per platform |
//! | blob | bytes with a digest: a config or a layer |
//! | transport | a way to keep images, e.g. `oci`; a crate that implements [`Transport`](crate::Transport) |
//! | reference | `scheme:locator`, where one image is; a plain value |
//! | container (of images) | a place that holds several images: an archive, a layout, a repository |
//! | image name | the text an image is stored under in its container; a [`DockerName`](crate::DockerName) is the parsed, canonical kind |
//! | source, destination | one image being read, one image being written |
//! | transfer | one run of the engine |
//!
//! # Arrows
//!
//! ```text
//! compression <- { archive, transfer }
//! core <- local <- archive <- { docker-archive, oci-layout }
//!         local <- directory
//! core <- transfer
//! { core, local, transfer, transports } <- transship <- cli <- examples
//! core <- { conformance, test-registry }      used by the tests of all crates, and by no crate itself
//! ```
//!
//! Transports never name each other, and the engine never names a transport: it asks a destination what it
//! [accepts](crate::Accepts) and a source what it has. `cargo xtask ci` fails on any other arrow.
//!
//! # Facts, hints, results, edits
//!
//! Four types where other tools have one. A [`Descriptor`](crate::Descriptor) is a fact, an [`Expect`](crate::Expect) a
//! hint, a [`Stored`](crate::Stored) a result; edits live in the engine's plan. Descriptors and manifests keep every field
//! and byte that they were read with: what need not change keeps its digest.
//!
//! # Bytes have one door
//!
//! A transport says where bytes are; [`Body`](crate::Body) hashes, counts and limits them. Every copy is checked because
//! there is no way to read a blob that does not check it. Hashing runs on a thread of its own, so that a verified copy runs
//! at the speed of SHA-256.
//!
//! # The engine
//!
//! A [`Transfer`](crate::Transfer) goes through stages: *select* the images and platforms, *plan* what moves, changes form
//! or is there already, *execute* with bounded concurrency (a blob that images share moves once; the first failure cancels
//! the rest), *commit* in order, *report*. The engine alone changes bytes: it decompresses for a destination that holds plain
//! layers, compresses when asked, and checks every diff ID on the way.
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
//! - **Explained.** One [`Error`](crate::Error) type: a kind to match on, the context, and the way out.
//!
//! # Writing a transport
//!
//! See [`write_a_transport`](super::write_a_transport).
