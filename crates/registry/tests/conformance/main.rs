//! The laws of the conformance kit, for a repository of a registry in the test's own process.
#![allow(clippy::expect_used, reason = "tests")]

mod renamed;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use transship_conformance::registry::{Options, Parts, ReferrersApi, Registry as Server};
use transship_conformance::{
    Chosen, Claims, Collection, Deletion, Empty, Fixture, Found, Listed, Nameless, Names, Place,
    Replaces, Signatures, Stored, Taken, Unfinished, Untagged,
};
use transship_core::Transport;
use transship_registry::{Registry, RegistryOptions};

use renamed::Renamed;

/// One server for all cases; each has a repository of its own.
#[derive(Debug)]
struct Repositories {
    server: fn() -> &'static Server,
}

fn with_api() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(sparse()).expect("a registry"))
}

/// A server that takes indexes of which parts are absent.
fn sparse() -> Options {
    let mut options = Options::default();
    options.parts = Parts::SparseIndexes;
    options
}

fn without_api() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut options = sparse();
        options.referrers = ReferrersApi::Off;
        Server::start(options).expect("a registry")
    })
}

impl Fixture for Repositories {
    fn transport(&self) -> Arc<dyn Transport> {
        let mut options = RegistryOptions::default();
        options.first_wait = Duration::from_millis(1);
        options.anonymous = true;
        options.sparse = true;
        Arc::new(Renamed(Registry::new(options)))
    }

    fn place(&self) -> std::io::Result<Place> {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let server = (self.server)();
        Ok(Place::new(format!("//{}/place/{serial}", server.host()), ()))
    }

    fn claims(&self) -> Claims {
        Claims {
            // A repository holds tags, which the test's own transport makes of any name.
            names: Names::Docker,
            untagged: Untagged::One,
            nameless: Nameless::Goes,
            taken: Taken::InItsPlace,
            // The tag moves, and the manifest is found by its digest alone.
            listed: Listed::Names,
            deletion: Deletion::None,
            signatures: Signatures::None,
            stored: Stored::Hidden,
            // A repository comes with its first image.
            empty: Empty::None,
            replaces: Replaces::Images,
            unfinished: Unfinished::Shows,
            // A repository without a tag is its `latest`.
            chosen: Chosen::ByName,
            // A mount says neither the size nor the bytes.
            found: Found::Trusted,
            // Who may delete, and what is collected then, is the server's affair.
            collection: Collection::None,
            ..Claims::default()
        }
    }
}

mod with_the_referrers_api {
    transship_conformance::conformance!(super::Repositories { server: super::with_api });
}

mod without_it {
    transship_conformance::conformance!(super::Repositories { server: super::without_api });
}
