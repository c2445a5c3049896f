//! `list`, `inspect`, `verify`.

use std::fs;

use crate::make;
use crate::session::Session;

#[test]
fn of_a_docker_archive() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "list docker-archive:hello.tar",
        "list --json docker-archive:hello.tar",
        "list docker-archive:hello.tar:@1",
        "inspect docker-archive:hello.tar:example/world:1",
        "inspect --json docker-archive:hello.tar:@0",
        "inspect docker-archive:hello.tar",
        "verify docker-archive:hello.tar",
        "verify --json docker-archive:hello.tar:@1",
        "verify --quiet docker-archive:hello.tar:example/hello:latest docker-archive:hello.tar:@1",
    ]));
}

#[test]
fn of_an_index() {
    let session = Session::new();
    make::golden("skopeo-oci-archive-index.tar", &session.path("index.tar"));
    insta::assert_snapshot!(session.transcript([
        "list index.tar",
        "list --json index.tar",
        "inspect index.tar",
        "inspect --json index.tar",
        "inspect --platform linux/arm64 index.tar",
        "inspect --platform linux/s390x index.tar",
        "inspect --config --platform linux/arm64 index.tar",
        "verify index.tar",
    ]));
}

#[test]
fn of_a_sparse_index() {
    let session = Session::new();
    make::golden("ctr-export-sparse.tar", &session.path("sparse.tar"));
    insta::assert_snapshot!(session.transcript([
        "list sparse.tar",
        "inspect sparse.tar",
        "verify sparse.tar",
        "verify --json sparse.tar",
        "inspect --platform linux/arm64 sparse.tar",
    ]));
}

#[test]
fn of_a_folder() {
    let session = Session::new();
    session.ok("copy hello.tar:example/world:1 dir:folder");
    insta::assert_snapshot!(session.transcript([
        "list dir:folder",
        "inspect dir:folder",
        "verify dir:folder",
    ]));
}

#[test]
fn raw_and_config_are_the_bytes_themselves() {
    let session = Session::new();
    session.ok("copy hello.tar:example/world:1 dir:folder");
    let manifest = fs::read(session.path("folder/manifest.json")).unwrap();
    assert_eq!(session.run("inspect --raw dir:folder").stdout, manifest);
    let id = "dcd2909d1b2c0cfde083d6fdcef11522cba21a41944d533469575bacc350c0fd";
    let config = fs::read(session.path(&format!("folder/{id}"))).unwrap();
    assert_eq!(session.run("inspect --config dir:folder").stdout, config);
    assert_eq!(session.run("inspect --config hello.tar:@1").stdout, config);
}
