// Decide: what is said here of where images are and how.

//! `scaffold:` keeps images in @where@.
//!
//! # Grammar
//!
//! `scaffold:PATH[:NAME|:@INDEX|@DIGEST]`
//!
//! - `PATH` ends at the first colon; a colon in it is written `\:`.
//! - `NAME` is any text. One that begins with `@` or `\`, or is hex digits alone, has a `\` before it.
//! - `@INDEX` is the position of an image, from 0, in the order of commits; for reading and deleting.
//! - `@DIGEST` is `@sha256:` or `@sha512:` and all the digest's digits: the image whose manifest or index that is; for
//!   reading and deleting.
//! - With none of them, the place must hold one image.

mod archive;
mod destination;
mod images;
mod reference;
mod source;
mod store;
mod transport;
mod writing;

use std::sync::Arc;

pub use transport::Scaffold;

// Decide: the options that people may give (`--KEY VALUE`, `-o scaffold.KEY=VALUE`), each a `TransportOption` with its help.
transship_core::register_transport!(transport::SCHEME, [], |_| Ok(Arc::new(Scaffold::new())));
