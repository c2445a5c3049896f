//! Each bullet in the docs of the traits is the promise of a law, and each promise of a law is there.
#![allow(clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::Path;

fn docs() -> Option<String> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/core/src");
    let files = [
        "transport.rs",
        "source.rs",
        "destination.rs",
        "archive.rs",
        "options.rs",
        "collection.rs",
        "pass.rs",
    ];
    // A published package does not have them beside it.
    let texts: Option<Vec<_>> =
        files.iter().map(|file| fs::read_to_string(core.join(file)).ok()).collect();
    texts.map(|texts| texts.concat())
}

/// The docs as one line, so that a promise may be broken across lines.
fn joined(docs: &str) -> String {
    let lines = docs.lines().map(str::trim).filter_map(|line| line.strip_prefix("///"));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_promise_of_a_law_is_in_the_docs() {
    let Some(docs) = docs() else { return };
    let docs = joined(&docs);
    for law in transship_conformance::ALL {
        assert!(!law.promises.is_empty(), "{}: it protects no promise", law.name);
        for promise in law.promises {
            assert!(docs.contains(promise), "{}: the docs do not promise {promise:?}", law.name);
        }
    }
}

#[test]
fn each_bullet_is_the_promise_of_a_law() {
    let Some(docs) = docs() else { return };
    let bullets: Vec<&str> =
        docs.lines().filter_map(|line| line.trim().strip_prefix("/// - ")).collect();
    assert!(bullets.len() > 30, "only {} bullets were found", bullets.len());
    for bullet in bullets {
        let held = transship_conformance::ALL
            .iter()
            .flat_map(|law| law.promises)
            // A promise may be the beginning of a bullet, or go beyond its first line.
            .any(|promise| bullet.starts_with(promise) || promise.starts_with(bullet));
        assert!(held, "no law holds a transport to {bullet:?}");
    }
}
