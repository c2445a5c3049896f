//! The laws of the conformance kit.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Claims, Fixture, Place};
use transship_core::Transport;
use transship_directory::Directory;

#[derive(Debug)]
struct Folders;

impl Fixture for Folders {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Directory::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("image")
    }

    fn claims(&self) -> Claims {
        Claims::single_image()
    }
}

transship_conformance::conformance!(Folders);
