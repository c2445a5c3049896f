//! The laws of the conformance kit, for a repository of a registry in the test's own process.
#![allow(clippy::expect_used, reason = "tests")]

mod renamed;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use transship_conformance::{Claims, Fixture, Place};
use transship_core::Transport;
use transship_registry::{Registry, RegistryOptions};
use transship_test_registry::{Options, Parts, ReferrersApi, Registry as Server};

use renamed::Renamed;

/// Each place is a repository of its own.
#[derive(Debug)]
struct Repositories {
    servers: &'static Servers,
}

static WITH_API: Servers = Servers { referrers: ReferrersApi::On, current: Mutex::new(None) };

static WITHOUT_API: Servers = Servers { referrers: ReferrersApi::Off, current: Mutex::new(None) };

/// Servers that take indexes of which parts are absent. [`PLACES`] places share one, and then a new one is started, as a server
/// keeps a record of each request.
#[derive(Debug)]
struct Servers {
    referrers: ReferrersApi,
    current: Mutex<Option<(Arc<Server>, usize)>>,
}

/// How many places a server has.
const PLACES: usize = 50;

impl Servers {
    fn place(&self) -> io::Result<Place> {
        let mut current = self.current.lock().expect("nothing panics here");
        let (server, serial) = match current.take() {
            Some((server, serial)) if serial < PLACES => (server, serial),
            _ => (self.start()?, 0),
        };
        let place = Place::new(format!("//{}/place/{serial}", server.host()), Arc::clone(&server));
        *current = Some((server, serial + 1));
        Ok(place)
    }

    fn start(&self) -> io::Result<Arc<Server>> {
        let mut options = Options::default();
        options.parts = Parts::SparseIndexes;
        options.referrers = self.referrers;
        Server::start(options).map(Arc::new)
    }
}

impl Fixture for Repositories {
    fn transport(&self) -> Arc<dyn Transport> {
        let mut options = RegistryOptions::default();
        options.first_wait = Duration::from_millis(1);
        options.anonymous = true;
        options.sparse = true;
        Arc::new(Renamed(Registry::new(options)))
    }

    fn place(&self) -> io::Result<Place> {
        self.servers.place()
    }

    fn claims(&self) -> Claims {
        // Names are tags, which the test's own transport makes of any name.
        Claims::registry()
    }
}

mod with_the_referrers_api {
    transship_conformance::conformance!(super::Repositories { servers: &super::WITH_API });
}

/// What the tag that lists referrers can change. All else is the same, and every request has its price.
mod without_it {
    use super::{Repositories, WITHOUT_API};

    fn holds(law: &str) {
        let fixture = Repositories { servers: &WITHOUT_API };
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
