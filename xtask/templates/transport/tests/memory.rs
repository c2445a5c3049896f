//! The laws of the conformance kit.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Claims, Fixture, Place};
use transship_core::Transport;
use transship_scaffold::Scaffold;

#[derive(Debug)]
struct InMemory(Scaffold);

impl Fixture for InMemory {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.0.clone())
    }

    // Decide: where a fresh place is. What is a file or folder comes from `Place::in_folder("images")`;
    // where processes share a server, give each place a name of its own with `Place::new`.
    fn place(&self) -> std::io::Result<Place> {
        Ok(Place::in_memory())
    }

    // Decide: what cannot be otherwise in your place. On a disk, what is stored can be seen: claim nothing to begin with.
    fn claims(&self) -> Claims {
        // What no image uses goes with each change: there is nothing to collect.
        Claims::in_memory()
    }
}

transship_conformance::conformance!(InMemory(Scaffold::new()));
