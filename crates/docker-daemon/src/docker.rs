//! [`DockerDaemon`]: the transport of docker's engines.

use std::sync::Arc;

use transship_core::{Identity, Result, Settings, TransportOption, register_transport};

use crate::SCHEME;
use crate::api::Daemon;
use crate::engine::{Engine, Locator};
use crate::find::Surroundings;
use crate::reference;
use crate::transport::{Engines, Kind};

/// Images of a docker engine.
pub type DockerDaemon = Engines<Docker>;

/// The engine that the settings name, else the one that docker's own command would speak to.
#[derive(Clone, Debug)]
pub struct Docker(Arc<dyn Engine>);

impl Kind for Docker {
    const SCHEME: &'static str = SCHEME;
    const SYNTAX: &'static str = "[NAME[:TAG]|NAME@DIGEST|sha256:ID]";

    fn new(settings: &Settings) -> Self {
        Self(Arc::new(Daemon::new(Surroundings::of_process(settings))))
    }

    fn parse(&self, text: &str) -> Result<(Arc<dyn Engine>, Locator)> {
        let parsed = reference::parse(text);
        let image = parsed.map_err(|error| match digits_of_id(text) {
            Some(_) => error.hint(ID_IN_FULL),
            None => error,
        })?;
        Ok((Arc::clone(&self.0), image))
    }

    fn identity(&self, image: &Locator) -> Identity {
        match image {
            Locator::Name(name) => Identity::of_name(name),
            _ => Identity::unnamed(),
        }
    }
}

/// How an ID is written. `docker images` shows the first digits alone.
pub(crate) const ID_IN_FULL: &str = "an ID is written sha256: and all of its 64 digits";

/// A text that was meant as an ID, it seems, or as the beginning of one.
pub(crate) fn digits_of_id(text: &str) -> Option<&str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    ((12..=64).contains(&text.len()) && text.bytes().all(is_digit)).then_some(text)
}

const HOST: TransportOption = TransportOption::value(
    "daemon-host",
    "URL",
    "The {side} engine, as in DOCKER_HOST: unix://PATH, tcp://HOST:PORT, ssh://HOST",
);
const CERTIFICATES: TransportOption = TransportOption::value(
    "daemon-cert-path",
    "FOLDER",
    "The folder with ca.pem, cert.pem and key.pem for the {side} engine",
);

register_transport!(SCHEME, [HOST, CERTIFICATES], |settings: &Settings| {
    Ok(Arc::new(DockerDaemon::new(settings)))
});
