//! [`ContainersStorage`]: the transport.

use std::sync::Arc;

use transship_core::{Result, Settings, TransportOption, register_transport};
use transship_docker_daemon::engine::{Engine, Locator};
use transship_docker_daemon::{Engines, Kind};

use crate::SCHEME;
use crate::find::Surroundings;
use crate::podman::Podman;
use crate::reference;

/// Images of podman.
pub type ContainersStorage = Engines<Storage>;

/// The stores that podman can open, its own among them.
#[derive(Clone, Debug)]
pub struct Storage {
    surroundings: Arc<Surroundings>,
    own: Arc<dyn Engine>,
}

impl Kind for Storage {
    const SCHEME: &'static str = SCHEME;
    const SYNTAX: &'static str = "[[DRIVER@ROOT+RUNROOT]][NAME[:TAG]|NAME@DIGEST|@ID]";

    fn new(settings: &Settings) -> Self {
        let surroundings = Arc::new(Surroundings::of_process(settings));
        let own = Podman::new(Arc::clone(&surroundings), reference::Store::default());
        Self { surroundings, own: Arc::new(own) }
    }

    fn parse(&self, text: &str) -> Result<(Arc<dyn Engine>, Locator)> {
        let (store, image) = reference::parse(text)?;
        if store.is_own() {
            return Ok((Arc::clone(&self.own), image));
        }
        Ok((Arc::new(Podman::new(Arc::clone(&self.surroundings), store)), image))
    }
}

const URL: TransportOption = TransportOption::value(
    "podman-url",
    "URL",
    "The API of podman for the {side} store, as in CONTAINER_HOST: unix://PATH, tcp://HOST:PORT, ssh://HOST",
);
const PROGRAM: TransportOption = TransportOption::value(
    "podman",
    "PATH",
    "The command podman for the {side} store; no API is asked",
);

register_transport!(SCHEME, [URL, PROGRAM], |settings: &Settings| {
    Ok(Arc::new(ContainersStorage::new(settings)))
});
