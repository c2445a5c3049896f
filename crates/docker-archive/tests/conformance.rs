//! The laws of the conformance kit.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{
    Artifacts, Claims, Collection, Fixture, Indexes, Layers, Manifests, Names, Place, Referrers,
    Signatures,
};
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
        Claims::default()
            .with(Manifests::Rebuilt)
            .with(Names::Docker)
            .with(Indexes::Refused)
            .with(Layers::Plain)
            .with(Artifacts::Refused)
            .with(Referrers::Refused)
            .with(Signatures::None)
            .with(Collection::None)
    }
}

transship_conformance::conformance!(Archives);
