//! The laws of the conformance kit.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Claims, Fixture, Manifests, Names, Place};
use transship_core::Transport;
use transship_docker_archive::DockerArchive;

#[derive(Debug)]
struct Archives;

impl Fixture for Archives {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(DockerArchive::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("images.tar")
    }

    fn claims(&self) -> Claims {
        Claims::archive().with(Manifests::Rebuilt).with(Names::Docker)
    }
}

transship_conformance::conformance!(Archives);
