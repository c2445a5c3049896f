//! The laws of the conformance kit, for a repository of a registry in the test's own process.
#![allow(clippy::expect_used, reason = "tests")]

mod renamed;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use transship_conformance::{Claims, Fixture, Place};
use transship_core::Transport;
use transship_registry::{Registry, RegistryOptions};
use transship_test_registry::{Options, Parts, ReferrersApi, Registry as Server};

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
        // Names are tags, which the test's own transport makes of any name.
        Claims::registry()
    }
}

mod with_the_referrers_api {
    transship_conformance::conformance!(super::Repositories { server: super::with_api });
}

/// What the tag that lists referrers can change. All else is the same, and every request has its price.
mod without_it {
    use super::{Repositories, without_api};

    fn holds(law: &str) {
        let fixture = Repositories { server: without_api };
        let law = transship_conformance::law(law).expect("a law");
        let package = env!("CARGO_MANIFEST_DIR");
        transship_conformance::test(fixture, law, package, module_path!());
    }

    macro_rules! laws {
        ($($law:ident)*) => { $(#[test] fn $law() { holds(stringify!($law)); })* };
    }

    laws! {
        a_committed_image_reads_back_equal
        a_dropped_commit_is_all_or_nothing
        a_dropped_destination_leaves_no_trace
        many_processes_lose_nothing
        nothing_shows_before_commit
        reading_changes_nothing
        referrers_come_with_their_image
        the_same_puts_give_the_same_bytes
    }
}
