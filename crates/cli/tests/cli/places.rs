//! References, transports, and bare paths that are looked at.

use std::fs;

use crate::make;
use crate::session::Session;

#[test]
fn references_are_parsed_without_looking() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "reference docker-archive:x.tar:alpine",
        "reference docker-archive:x.tar:@1",
        "reference --json oci:layout:a:b",
        "reference oci:layout:",
        "reference dir:a:b",
        "reference docker-archive:",
        "reference docker-archive:x.tar:",
        "reference docker-archive:x.tar:@01",
        "reference docker-archive:x.tar:Alpine",
        "reference hello.tar",
        "reference docker://alpine",
    ]));
}

#[test]
fn transports() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript(["transports", "transports --json"]));
}

#[test]
fn a_bare_path_is_looked_at() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci:layout");
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    session.ok("copy hello.tar:example/world:1 dir:folder");
    fs::create_dir(session.path("empty")).unwrap();
    fs::copy(session.path("hello.tar"), session.path("a:b.tar")).unwrap();
    session.write("text", "no tar at all");
    make::tar(&session.path("other.tar"), &make::files([("etc/passwd", "root")]));
    insta::assert_snapshot!(session.transcript([
        "inspect layout:example/world:1",
        "verify layout layout.tar folder",
        "list a:b.tar",
        "list empty",
        "list text",
        "list other.tar",
        "list missing.tar",
        "copy a:b.tar:example/world:1 missing",
    ]));
}

#[test]
fn compressed_archives_are_looked_into() {
    let session = Session::new();
    session.ok("copy --all-images hello.tar oci-archive:layout.tar");
    for (tool, plain, packed) in [
        ("gzip", "hello.tar", "hello.tar.gz"),
        ("bzip2", "layout.tar", "layout.tar.bz2"),
        ("xz", "hello.tar", "hello.tar.xz"),
        ("zstd", "layout.tar", "layout.tar.zst"),
    ] {
        make::packed(tool, &session.path(plain), &session.path(packed));
        let plain = session.ok(&format!("list {plain}"));
        assert_eq!(session.ok(&format!("list {packed}")), plain, "{tool}");
    }
}
