//! The laws of the conformance kit, with one claim.
#![allow(clippy::expect_used, reason = "tests")]

mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use transship::transport::Transport;
use transship_conformance::{Claims, Fixture, Place, Space};
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

    /// The rows instead of the file: where in it they are is the affair of SQLite.
    fn snapshot(&self, place: &Place) -> std::io::Result<BTreeMap<String, String>> {
        let mut facts = place.files()?;
        if facts.remove("images.db").is_some() {
            facts.extend(rows::of(place.locator())?);
        }
        Ok(facts)
    }

    /// Deleted rows leave free pages, which the next image uses. `auto_vacuum` would shrink the file, but cuts it after the last sync.
    fn claims(&self) -> Claims {
        Claims::default().with(Space::Pages)
    }
}

transship_conformance::conformance!(Databases);
