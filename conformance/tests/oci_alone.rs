//! Where manifests of OCI alone are accepted, the samples of the kit are of OCI: the smallest correct transport that does so keeps all
//! laws.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Claims, Fixture, Memory, Place};
use transship_core::Transport;

#[derive(Debug)]
struct InMemory(Memory);

impl Fixture for InMemory {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.0.clone())
    }

    fn place(&self) -> std::io::Result<Place> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Ok(Place::new(format!("place-{}", NEXT.fetch_add(1, Ordering::Relaxed)), ()))
    }

    fn claims(&self) -> Claims {
        Claims::in_memory()
    }
}

transship_conformance::conformance!(InMemory(Memory::of_oci()));
