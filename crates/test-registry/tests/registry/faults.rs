use std::time::{Duration, SystemTime};

use transship_test_registry::{Fault, Registry, RetryAfter, Rule, gzip_of_zeros};

use crate::client::{Answer, ask, send};
use crate::registry;

const MIB: usize = 1024 * 1024;

/// A registry with a blob, and what reading it comes to under a fault.
fn read(fault: Fault, size: usize) -> (Registry, Answer) {
    let registry = registry(|_| {});
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let digest = registry.put_blob("a", bytes);
    registry.inject(Rule::new(fault));
    let answer = ask(registry.host(), &format!("GET /v2/a/blobs/{digest}"));
    assert_eq!(registry.pending_faults(), 0);
    assert!(registry.exchanges()[0].faulty);
    let again = ask(registry.host(), &format!("GET /v2/a/blobs/{digest}"));
    assert_eq!((again.status, again.body.len(), again.whole), (200, size, true), "it is over");
    (registry, answer)
}

#[test]
fn a_cut_is_exact() {
    for after in [0, 1, 5000, 2 * MIB + 7] {
        let (registry, answer) = read(Fault::CutResponse { after: after as u64 }, 3 * MIB);
        assert_eq!((answer.status, answer.body.len(), answer.whole), (200, after, false));
        assert_eq!(registry.exchanges()[0].sent, after as u64);
    }
}

#[test]
fn statuses_and_when_to_come_again() {
    let after = Some(RetryAfter::Seconds(7));
    let (_, answer) = read(Fault::Status { status: 429, retry_after: after }, 1);
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    let after = Some(RetryAfter::Date(Duration::from_secs(100)));
    let (_, answer) = read(Fault::Status { status: 503, retry_after: after }, 1);
    let date = httpdate::parse_http_date(answer.header("retry-after")).unwrap();
    let left = date.duration_since(SystemTime::now()).unwrap();
    assert!((90..=100).contains(&left.as_secs()), "{left:?}");
    let (_, answer) = read(Fault::Status { status: 500, retry_after: None }, 1);
    assert_eq!((answer.status, answer.header("retry-after")), (500, ""));
}

#[test]
fn a_client_that_sends_gets_its_status() {
    let registry = registry(|_| {});
    registry.inject(Rule::new(Fault::Status { status: 429, retry_after: None }).method("POST"));
    let answer = send(registry.host(), "POST /v2/a/blobs/uploads/", &[], &vec![0; 8 * MIB]);
    assert_eq!(answer.status, 429);
}

#[test]
fn connections_that_end() {
    let (_, answer) = read(Fault::Close, 10);
    assert_eq!(answer.status, 0);
    let registry = registry(|_| {});
    registry.inject(Rule::new(Fault::CutBeforeAnswer).method("POST"));
    assert_eq!(ask(registry.host(), "POST /v2/a/blobs/uploads/").status, 0);
    assert_eq!(registry.sessions(), 1, "it was done all the same");
    registry.inject(Rule::new(Fault::Stall));
    let stalled = std::net::TcpStream::connect(registry.host()).unwrap();
    std::io::Write::write_all(&mut &stalled, b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    stalled.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(std::io::Read::read(&mut &stalled, &mut [0]).is_err());
}

#[test]
fn wrong_in_every_way() {
    let (_, answer) = read(Fault::WrongBytes, 10);
    assert_eq!((answer.whole, answer.body[9]), (true, 9 ^ 1));
    let (_, answer) = read(Fault::WrongDigest, 10);
    assert_eq!(answer.header("docker-content-digest").len(), 71);
    let (_, answer) = read(Fault::WrongLength(5), 10);
    assert_eq!((answer.header("content-length"), answer.body.len()), ("15", 10));
    let (_, answer) = read(Fault::WrongLength(-4), 10);
    assert_eq!((answer.header("content-length"), answer.body.len()), ("6", 6));
    let (_, answer) = read(Fault::Header { name: "content-encoding", value: "gzip".into() }, 10);
    assert_eq!(answer.header("content-encoding"), "gzip");
    let (_, answer) = read(Fault::WithoutHeader("docker-content-digest"), 10);
    assert_eq!(answer.header("docker-content-digest"), "");
    let (_, answer) = read(Fault::Answered(203), 10);
    assert_eq!((answer.status, answer.body.len()), (203, 10));
    let other = Fault::Document { media_type: "text/html".into(), bytes: "<p>".into() };
    let (_, answer) = read(other, 10);
    assert_eq!((answer.header("content-type"), &*answer.body), ("text/html", &b"<p>"[..]));
}

#[test]
fn wrong_ranges() {
    let registry = registry(|_| {});
    let digest = registry.put_blob("a", "0123456789");
    let line = format!("GET /v2/a/blobs/{digest}");
    let get = || send(registry.host(), &line, &[("range", "bytes=4-")], b"");
    registry.inject(Rule::new(Fault::IgnoreRange));
    registry.inject(Rule::new(Fault::WrongRange));
    let (all, shifted, right) = (get(), get(), get());
    assert_eq!((all.status, all.body.len()), (200, 10));
    assert_eq!((shifted.status, shifted.header("content-range")), (206, "bytes 5-10/10"));
    assert_eq!((right.status, right.header("content-range")), (206, "bytes 4-9/10"));
}

#[test]
fn redirects_and_raw_bytes() {
    let to = Fault::Redirect { to: "http://127.0.0.1:9{path}".into() };
    let (registry, answer) = read(to, 10);
    let path = &registry.exchanges()[0].path;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), format!("http://127.0.0.1:9{path}"));
    let raw =
        "HTTP/1.1 302 Found\r\nLocation: http://x/\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
    let (_, answer) = read(Fault::Raw(raw.into()), 10);
    assert_eq!((answer.status, answer.header("location")), (302, "http://x/\rSet-Cookie: a=b"));
}

#[test]
fn slow_and_endless() {
    let slow = Fault::Slow { bytes: 3, pause: Duration::from_millis(1) };
    let (_, answer) = read(slow, 10);
    assert_eq!((answer.body.len(), answer.whole), (10, true));
    let registry = registry(|_| {});
    let digest = registry.put_blob("a", "begin");
    registry.inject(Rule::new(Fault::Endless));
    let stream = std::net::TcpStream::connect(registry.host()).unwrap();
    let head = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: x\r\n\r\n");
    std::io::Write::write_all(&mut &stream, head.as_bytes()).unwrap();
    let limited = std::io::Read::take(&stream, 8 * MIB as u64);
    assert_eq!(std::io::copy(&mut { limited }, &mut std::io::sink()).unwrap(), 8 * MIB as u64);
}

#[test]
fn too_many_at_once() {
    let registry = registry(|options| options.most_at_once = Some(1));
    registry.inject(Rule::new(Fault::Stall).path("/v2/a/tags/list"));
    let stalled = std::net::TcpStream::connect(registry.host()).unwrap();
    std::io::Write::write_all(&mut &stalled, b"GET /v2/a/tags/list HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    while registry.exchanges().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(ask(registry.host(), "GET /v2/").status, 429);
    drop(stalled);
    while ask(registry.host(), "GET /v2/").status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn zeros_become_small() {
    let bomb = gzip_of_zeros(64 * MIB as u64).unwrap();
    assert!(bomb.len() < MIB / 8, "{}", bomb.len());
}
