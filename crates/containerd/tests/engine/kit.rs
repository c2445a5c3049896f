//! The laws of the conformance kit. Each place is a namespace of one containerd.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use transship_conformance::{
    Claims, Digests, Dropped, Empty, Fixture, Manifests, Place, Reading, Replaces, Settings, Taken,
    is_child, test_all,
};
use transship_core::Transport;

use super::server::{Running, folder, store};

const TEST: &str = "kit::laws";

#[derive(Debug)]
struct Namespaces {
    folder: PathBuf,
}

impl Fixture for Namespaces {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(store(&self.folder))
    }

    fn place(&self) -> io::Result<Place> {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Ok(Place::new(format!("kit{serial}//"), ()))
    }

    fn claims(&self) -> Claims {
        Claims::engine()
            .with(Manifests::Kept)
            // What has no name is collected, and blobs are read at random.
            .with(Replaces::Images)
            .with(Reading::AtRandom)
            // Its connection is kept.
            .with(Dropped::AtOnce)
            // A name's age is that of its record.
            .with(Taken::WithItsNames)
            .with(Empty::None)
            .with(Digests::Sha256)
    }
}

#[test]
fn laws() {
    let of_parent = folder(std::os::unix::process::parent_id(), "kit");
    if is_child(&Namespaces { folder: of_parent }) {
        return;
    }
    let Some(running) = Running::start("kit") else { return };
    let fixture: Arc<dyn Fixture> = Arc::new(Namespaces { folder: running.folder().to_owned() });
    let settings = Settings::default().with_cases(1).with_env().with_test(TEST);
    test_all(&fixture, &settings, 1, env!("CARGO_MANIFEST_DIR"));
}
