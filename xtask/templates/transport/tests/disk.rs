//! The laws of the conformance kit.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Claims, Fixture, Place};
use transship_core::Transport;
use transship_scaffold::Scaffold;

#[derive(Debug)]
struct OnDisk;

impl Fixture for OnDisk {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Scaffold::new())
    }

    // Decide: where a fresh place is. In a folder of its own, everything that is left lying about is seen.
    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("images")
    }

    // Decide: what cannot be otherwise in your place. Each claim takes something away from those who use it.
    fn claims(&self) -> Claims {
        // What no image uses goes with each change: there is nothing to collect.
        Claims::archive()
    }
}

transship_conformance::conformance!(OnDisk);
