//! A crate that is only named in Cargo.toml is not linked, and its transports are silently not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use transship::{Settings, Transports};

/// Every transport there is, and whether its feature is on.
const ALL: [(&str, bool); 8] = [
    ("containerd", cfg!(feature = "containerd")),
    ("containers-storage", cfg!(feature = "containers-storage")),
    ("dir", cfg!(feature = "directory")),
    ("docker", cfg!(feature = "registry")),
    ("docker-archive", cfg!(feature = "docker-archive")),
    ("docker-daemon", cfg!(feature = "docker-daemon")),
    ("oci", cfg!(feature = "oci-layout")),
    ("oci-archive", cfg!(feature = "oci-layout")),
];

#[test]
fn what_is_linked_is_what_is_enabled() {
    let linked = Transports::linked(&Settings::new()).unwrap();
    let linked: Vec<&str> = linked.iter().map(|transport| transport.scheme()).collect();
    let enabled: Vec<&str> = ALL.iter().filter(|(_, on)| *on).map(|(scheme, _)| *scheme).collect();
    assert_eq!(linked, enabled);
}

#[test]
fn every_feature_is_known_here() {
    let manifest = include_str!("../Cargo.toml");
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    // `serve` is no transport.
    let features = features.lines().filter(|line| line.contains("dep:") && !line.contains("serve"));
    let count = features.count();
    // `oci-layout` has two transports.
    assert_eq!(count + 1, ALL.len(), "a new feature needs its schemes in ALL");
}

#[test]
fn settings_reach_the_transports_or_are_refused() {
    let typo = Settings::new().with("oci", "shared-blobs", "x");
    let error = Transports::linked(&typo).unwrap_err();
    if cfg!(feature = "oci-layout") {
        assert!(error.advice().unwrap().to_string().contains("shared-blob-dir"), "{error}");
    } else {
        assert!(error.to_string().contains("not here"), "{error}");
    }
}
