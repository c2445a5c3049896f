//! `sqlite:` keeps images in an SQLite database: one file, several images, blobs that images share stored once.
//!
//! This is a transport as a third party writes it, in a crate of its own that uses only what is public. To add it to a
//! program, name it (`use transship_sqlite as _;`); `src/main.rs` is the command `transship` with it.
//!
//! # Grammar
//!
//! `sqlite:PATH[:NAME|:@INDEX|@DIGEST]`
//!
//! - `PATH` ends at the first colon. A colon in it is written `\:`; a backslash before a colon or a backslash is an escape.
//! - `NAME` is any text. One that begins with `@` or `\`, or stands behind a path that ends like `@sha256`, has a `\` before it.
//! - `@INDEX` is the position of an image, from 0, in the order of commits; for reading and deleting.
//! - `@DIGEST` is `@sha256:` or `@sha512:` and all the digest's digits: the image whose manifest or index that is; for
//!   reading and deleting.
//! - With none of them, the database must hold one image.
//!
//! # Format
//!
//! The tables are in `src/schema.sql`. Manifests and blobs are cut into rows of 256 KiB. An `application_id` tells that
//! a database is of this kind; others are neither read nor written to. The database has a rollback journal, so that it
//! is one file to move about whenever nobody writes.
//!
//! # Writing
//!
//! What is put waits in an unnamed file in the spool folder. A commit, or the `finish` of a writer, is one transaction:
//! killed at any instant, the database has the old images or the new ones. A writer that finds it locked by another process
//! tries again, up to the option `busy-timeout` in seconds (60).
//!
//! A commit to a new database that fails, for want of room say, may leave an empty file, which counts as no database.

mod archive;
mod blobs;
mod database;
mod destination;
mod failure;
mod parts;
mod publish;
mod reference;
mod source;
mod stage;
mod transport;

use std::sync::Arc;

pub use transport::Sqlite;

transship::register_transport!(transport::SCHEME, [transport::BUSY_TIMEOUT_OPTION], |settings| {
    Ok(Arc::new(Sqlite::new(settings)?))
});
