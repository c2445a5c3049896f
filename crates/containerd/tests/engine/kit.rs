//! The laws of the conformance kit. Each place is a namespace of one containerd.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use transship_conformance::{
    ALL, Claims, Digests, Dropped, Empty, Fixture, Manifests, Outcome, Place, Reading, Replaces,
    Settings, Taken, is_child, run,
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
            .with(Taken::InItsPlace)
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
    let fixture = Arc::new(Namespaces { folder: running.folder().to_owned() });
    let cases = std::env::var("TRANSSHIP_CASES").ok().and_then(|text| text.parse().ok());
    let settings = Settings::from_env().with_cases(cases.unwrap_or(1)).with_test(TEST);
    let only = std::env::var("TRANSSHIP_LAW").ok();
    let mut failed = Vec::new();
    for law in ALL.iter().filter(|law| only.as_deref().is_none_or(|only| only == law.name)) {
        let (outcome, took) = run(Arc::clone(&fixture) as Arc<dyn Fixture>, law, &settings);
        eprintln!("{:6} ms {}", took.as_millis(), law.name);
        if let Outcome::Broken { why, .. } = &outcome {
            eprintln!("{why}");
            failed.push(format!("{}: {why}", law.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
