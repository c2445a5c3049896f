//! The laws of the conformance kit, for layouts in folders and in tars.
#![allow(clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use transship_conformance::{Abandoned, Claims, Fixture, Leftover, Names, Place, Taken};
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
