//! The laws of the conformance kit, for layouts in folders and in tars.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{
    Abandoned, Claims, Fixture, Leftover, Names, Outcome, Place, Processes, Settings, Taken,
    is_child, law, run,
};
use transship_core::Transport;
use transship_oci_layout::{OciArchive, OciLayout};

/// What holds of both.
fn layouts() -> Claims {
    Claims::archive().with(Names::OciOrDocker).with(Taken::InItsPlace)
}

#[derive(Debug)]
struct Folders;

impl Fixture for Folders {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(OciLayout::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout")
    }

    fn claims(&self) -> Claims {
        // The folder stays, and with it the lock that is in it.
        let leftover = Leftover::UntilCollected;
        layouts().with(Abandoned::Blobs).with(leftover)
    }
}

#[derive(Debug)]
struct Archives;

impl Fixture for Archives {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(OciArchive::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout.tar")
    }

    fn claims(&self) -> Claims {
        layouts()
    }
}

mod oci {
    transship_conformance::conformance!(super::Folders);
}

mod oci_archive {
    transship_conformance::conformance!(super::Archives);
}

/// A layout of which more is claimed than it needs.
#[derive(Debug)]
struct Needless(Claims);

impl Fixture for Needless {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(OciLayout::new())
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("layout")
    }

    fn claims(&self) -> Claims {
        self.0.clone()
    }
}

/// The claim is made without need, and this law fails.
fn is_needless(claims: Claims, name: &str, test: &str) {
    let fixture = Needless(claims);
    if is_child(&fixture) {
        return;
    }
    let law = law(name).expect("the law is listed");
    let settings = Settings::default().with_shrinks(0).with_test(test);
    let (outcome, _) = run(Arc::new(fixture), law, &settings);
    assert!(matches!(outcome, Outcome::Broken { .. }), "{name}: {outcome:?}");
}

#[test]
fn one_process_is_claimed_without_need() {
    let test = "one_process_is_claimed_without_need";
    is_needless(Folders.claims().with(Processes::One), "what_one_process_has_no_other_sees", test);
}

#[test]
fn names_of_docker_are_claimed_without_need() {
    let test = "names_of_docker_are_claimed_without_need";
    is_needless(
        Folders.claims().with(Names::Docker),
        "names_beyond_what_is_accepted_are_refused",
        test,
    );
}

#[test]
fn a_name_taken_over_stands_in_its_place() {
    let test = "a_name_taken_over_stands_in_its_place";
    is_needless(Folders.claims().with(Taken::AtTheEnd), "a_name_taken_over_moves", test);
}
