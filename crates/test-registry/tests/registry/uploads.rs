use transship_core::sha256;
use transship_test_registry::{
    ChunkedUploads, Fault, Locations, Partial, Registry, Rule, SinglePost,
};

use crate::client::{Answer, ask, send};
use crate::registry;

const BLOB: &[u8] = b"0123456789";

fn open(registry: &Registry) -> String {
    let begun = ask(registry.host(), "POST /v2/a/blobs/uploads/");
    assert_eq!((begun.status, begun.header("range")), (202, "0-0"));
    begun.header("location").to_owned()
}

fn patch(registry: &Registry, at: &str, range: &str, bytes: &[u8]) -> Answer {
    send(registry.host(), &format!("PATCH {at}"), &[("content-range", range)], bytes)
}

fn put(registry: &Registry, at: &str, bytes: &[u8]) -> Answer {
    send(registry.host(), &format!("PUT {at}&digest={}", sha256(BLOB)), &[], bytes)
}

fn stored(registry: &Registry) -> bool {
    registry.blob("a", sha256(BLOB).as_ref()).is_some_and(|blob| blob == BLOB)
}

#[test]
fn post_and_put() {
    let registry = registry(|_| {});
    let at = open(&registry);
    let done = put(&registry, &at, BLOB);
    assert_eq!(done.status, 201);
    assert_eq!(done.header("docker-content-digest"), sha256(BLOB).as_ref());
    assert!(stored(&registry));
    assert_eq!(registry.exchanges()[1].received, 10);
    assert_eq!(put(&registry, &at, BLOB).status, 404, "the session has ended");
}

#[test]
fn one_post() {
    let registry = registry(|_| {});
    let line = format!("POST /v2/a/blobs/uploads/?digest={}", sha256(BLOB));
    assert_eq!(send(registry.host(), &line, &[], BLOB).status, 201);
    assert!(stored(&registry));
    let other = crate::registry(|options| options.single_post = SinglePost::OpensSession);
    let begun = send(other.host(), &line, &[], BLOB);
    assert_eq!(begun.status, 202);
    assert_eq!(put(&other, begun.header("location"), BLOB).status, 201);
    assert!(stored(&other));
}

#[test]
fn chunks() {
    let registry = registry(|_| {});
    let at = open(&registry);
    let first = patch(&registry, &at, "0-3", &BLOB[..4]);
    assert_eq!((first.status, first.header("range")), (202, "0-3"));
    let gap = patch(&registry, &at, "5-9", &BLOB[5..]);
    assert_eq!((gap.status, gap.header("range")), (416, "0-3"));
    let wrong_length = patch(&registry, &at, "4-9", &BLOB[4..6]);
    assert_eq!((wrong_length.status, &*wrong_length.code()), (400, "SIZE_INVALID"));
    let malformed = patch(&registry, &at, "bytes 4-5/10", &BLOB[4..6]);
    assert_eq!(malformed.status, 400);
    assert_eq!(patch(&registry, &at, "4-7", &BLOB[4..8]).status, 202);
    let status = ask(registry.host(), &format!("GET {at}"));
    assert_eq!((status.status, status.header("range")), (204, "0-7"));
    assert_eq!(put(&registry, &at, &BLOB[8..]).status, 201);
    assert!(stored(&registry));
}

#[test]
fn a_stream_without_a_length() {
    let registry = registry(|_| {});
    let at = open(&registry);
    let chunked = [("transfer-encoding", "chunked")];
    let body = b"4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n";
    let sent = send(registry.host(), &format!("PATCH {at}"), &chunked, body);
    assert_eq!((sent.status, sent.header("range")), (202, "0-9"));
    assert_eq!(put(&registry, &at, b"").status, 201);
    assert!(stored(&registry));
}

#[test]
fn small_chunks_are_the_last() {
    let registry = registry(|options| options.min_chunk = Some(4));
    let begun = ask(registry.host(), "POST /v2/a/blobs/uploads/");
    assert_eq!(begun.header("oci-chunk-min-length"), "4");
    let at = begun.header("location");
    assert_eq!(patch(&registry, at, "0-4", &BLOB[..5]).status, 202);
    assert_eq!(patch(&registry, at, "5-6", &BLOB[5..7]).status, 202);
    assert_eq!(patch(&registry, at, "7-9", &BLOB[7..]).status, 400);
}

#[test]
fn what_does_not_fit_its_digest_is_refused() {
    let registry = registry(|_| {});
    let at = open(&registry);
    let wrong = put(&registry, &at, b"012345678X");
    assert_eq!((wrong.status, &*wrong.code()), (400, "DIGEST_INVALID"));
    assert!(!stored(&registry));
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let at = open(&registry);
    let wrong = send(registry.host(), &format!("PUT {at}&digest={sha512}"), &[], BLOB);
    assert_eq!((wrong.status, &*wrong.code()), (400, "DIGEST_INVALID"));
}

#[test]
fn the_query_of_a_location_must_come_back() {
    let registry = registry(|options| options.locations = Locations::Absolute);
    let begun = ask(registry.host(), "POST /v2/a/blobs/uploads/");
    let at = begun.header("location").strip_prefix(&registry.url()).unwrap();
    let (path, _) = at.split_once('?').unwrap();
    let bare = send(registry.host(), &format!("PUT {path}?digest={}", sha256(BLOB)), &[], BLOB);
    assert_eq!(bare.status, 400);
    assert_eq!(put(&registry, at, BLOB).status, 201);
}

#[test]
fn sessions_end_when_they_are_deleted() {
    let registry = registry(|_| {});
    let at = open(&registry);
    assert_eq!(registry.sessions(), 1);
    assert_eq!(ask(registry.host(), &format!("DELETE {at}")).status, 204);
    assert_eq!(registry.sessions(), 0);
    assert_eq!(ask(registry.host(), &format!("GET {at}")).status, 404);
    let refusing = crate::registry(|options| options.chunked = ChunkedUploads::Refused);
    let at = open(&refusing);
    assert_eq!(patch(&refusing, &at, "0-9", BLOB).status, 405);
}

#[test]
fn mounts() {
    let registry = registry(|_| {});
    let digest = registry.put_blob("from/here", BLOB);
    let mount = |from| {
        let line = format!("POST /v2/a/blobs/uploads/?mount={digest}&from={from}");
        ask(registry.host(), &line).status
    };
    assert_eq!(mount("not/here"), 202);
    assert!(!stored(&registry));
    assert_eq!(mount("from%2Fhere"), 201);
    assert!(stored(&registry));
    let refusing = crate::registry(|options| options.refuse_mounts = true);
    refusing.put_blob("from", BLOB);
    let line = format!("POST /v2/a/blobs/uploads/?mount={digest}&from=from");
    assert_eq!(ask(refusing.host(), &line).status, 202);
}

#[test]
fn what_arrived_before_a_cut_is_kept_or_dropped() {
    for (partial, status, range) in [(Partial::Kept, 204, "0-6"), (Partial::Dropped, 404, "")] {
        let registry = registry(|options| options.partial = partial);
        let at = open(&registry);
        registry.inject(Rule::new(Fault::CutRequest { after: 7 }).method("PATCH"));
        assert_eq!(patch(&registry, &at, "0-9", BLOB).status, 0);
        let status_now = ask(registry.host(), &format!("GET {at}"));
        assert_eq!((status_now.status, status_now.header("range")), (status, range));
        if partial == Partial::Kept {
            assert_eq!(patch(&registry, &at, "7-9", &BLOB[7..]).status, 202);
            assert_eq!(put(&registry, &at, b"").status, 201);
            assert!(stored(&registry));
        }
    }
}
