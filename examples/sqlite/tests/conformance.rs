//! The laws of the conformance kit, with nothing claimed.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship::Transport;
use transship_conformance::{Fixture, Place};
use transship_sqlite::Sqlite;

#[derive(Debug)]
struct Databases;

impl Fixture for Databases {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Sqlite::default())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("images.db")
    }
}

transship_conformance::conformance!(Databases);
