use transship_test_registry::{Deletes, RangeRequests};

use crate::client::{ask, send};
use crate::registry;

#[test]
fn read_whole_and_in_part() {
    let registry = registry(|_| {});
    let digest = registry.put_blob("a/b", "0123456789");
    let path = format!("/v2/a/b/blobs/{digest}");
    let get = |range| send(registry.host(), &format!("GET {path}"), &[("range", range)], b"");

    let whole = ask(registry.host(), &format!("GET {path}"));
    assert_eq!((whole.status, &*whole.body), (200, &b"0123456789"[..]));
    assert_eq!(whole.header("docker-content-digest"), digest.as_ref());
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let head = ask(registry.host(), &format!("HEAD {path}"));
    assert_eq!((head.status, head.header("content-length")), (200, "10"));
    assert!(head.body.is_empty());
    let part = get("bytes=3-5");
    assert_eq!((part.status, &*part.body), (206, &b"345"[..]));
    assert_eq!(part.header("content-range"), "bytes 3-5/10");
    let rest = get("bytes=8-");
    assert_eq!((rest.status, &*rest.body), (206, &b"89"[..]));
    let beyond = get("bytes=10-");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    assert_eq!(registry.count("GET", "/blobs/"), 4);
    assert_eq!(registry.exchanges()[0].sent, 10);
}

#[test]
fn ranges_may_be_ignored() {
    let registry = registry(|options| options.ranges = RangeRequests::Ignored);
    let digest = registry.put_blob("a", "0123456789");
    let line = format!("GET /v2/a/blobs/{digest}");
    let all = send(registry.host(), &line, &[("range", "bytes=3-5")], b"");
    assert_eq!((all.status, all.body.len(), all.header("accept-ranges")), (200, 10, ""));
}

#[test]
fn a_blob_is_where_it_was_put() {
    let registry = registry(|_| {});
    let digest = registry.put_blob("a", "x");
    let other = ask(registry.host(), &format!("GET /v2/b/blobs/{digest}"));
    assert_eq!((other.status, &*other.code()), (404, "BLOB_UNKNOWN"));
    let malformed = ask(registry.host(), "GET /v2/a/blobs/sha256:beef");
    assert_eq!((malformed.status, &*malformed.code()), (400, "DIGEST_INVALID"));
}

#[test]
fn deleted_where_that_is_allowed() {
    for (deletes, status, left) in [(Deletes::Allowed, 202, false), (Deletes::Refused, 405, true)] {
        let registry = registry(|options| options.deletes = deletes);
        let digest = registry.put_blob("a", "x");
        let answer = ask(registry.host(), &format!("DELETE /v2/a/blobs/{digest}"));
        assert_eq!(answer.status, status);
        assert_eq!(registry.blob("a", digest.as_ref()).is_some(), left);
    }
}
