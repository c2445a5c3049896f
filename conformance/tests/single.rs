//! A place that holds one image, which can be deleted: the smallest correct transport of that kind keeps all laws.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Claims, Fixture, Memory, Place, Processes};
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
        Claims::single_image().with(Processes::One)
    }
}

transship_conformance::conformance!(InMemory(Memory::of_one()));
