//! What users of this command and of its peers met with: inputs of their kinds, through the command.
//!
//! `cargo xtask cases` runs these. Each test names in its first line what people have, and the peers' issues where they
//! told of it. All rows of a case are tried, and those that do not hold are listed together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::doc_markdown, reason = "names of repositories on trackers")]
#![allow(clippy::format_push_string, reason = "a few lines of text")]
#![cfg(all(
    unix,
    feature = "docker-archive",
    feature = "oci-layout",
    feature = "directory",
    feature = "registry"
))]

mod archives;
mod case;
mod choices;
mod forms;
mod images;
mod layouts;
mod lists;
mod outputs;
mod pulls;
mod pushes;
mod server;
#[path = "../cli/session.rs"]
#[expect(dead_code, reason = "snapshots are the other tests'")]
mod session;
mod signals;
