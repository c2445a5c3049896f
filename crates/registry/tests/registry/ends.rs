//! How uploads and downloads go on and end.

use std::io::Cursor;
use std::time::{Duration, Instant};

use bytes::Bytes;
use transship_core::{Body, ErrorKind, Expect, Result, Stored, WriteOptions};
use transship_registry::Registry;
use transship_test_registry::{Fault, Registry as Server, Rule};

use crate::common::{client, destination, image, noise, open, plain, pull, push};

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

async fn stream(registry: &Registry, server: &Server, bytes: &Bytes) -> Result<Stored> {
    let to = destination(registry, server, "a:1", &WriteOptions::default()).await?;
    to.put_blob(Expect::anything(), Body::from_reader(Cursor::new(bytes.clone()))).await
}

/// A token that ends again and again on the way of one blob.
#[tokio::test]
async fn an_upload_outlives_many_tokens() {
    let (server, bytes) = (open(), noise(900_000));
    let registry = client(|options| options.chunk_size = Some(100_000));
    for skip in [1, 2, 3] {
        server.inject(Rule::new(status(401)).method("PATCH").skip(skip));
    }
    stream(&registry, &server, &bytes).await.unwrap();
    assert_eq!(server.pending_faults(), 0);
    // Where nothing comes of it, it ends at once, and says why.
    for (method, sent) in [("PATCH", 2), ("PUT", 2)] {
        server.clear_faults();
        server.forget_exchanges();
        server.inject(Rule::new(status(401)).method(method).path("uploads").always());
        let error = stream(&registry, &server, &noise(250_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("a fault on schedule"), "{error}");
        assert_eq!(server.count(method, "uploads"), sent, "{method}");
    }
}

/// Each token is good for a few requests only, of which small last pieces and the end of the upload are some.
#[tokio::test]
async fn an_upload_goes_on_with_tokens_for_few_requests() {
    for (skips, size) in [(vec![0, 1, 2], 300_001), (vec![2, 3], 300_001), (vec![0], 5)] {
        let (server, bytes) = (open(), noise(size));
        let registry = client(|options| options.chunk_size = Some(100_000));
        for skip in &skips {
            server.inject(Rule::new(status(401)).method("PATCH").skip(*skip));
        }
        server.inject(Rule::new(status(401)).method("PUT").path("uploads"));
        stream(&registry, &server, &bytes).await.unwrap();
        assert_eq!(server.pending_faults(), 0);
        assert_eq!(server.count("GET", "uploads"), 0, "where the server is, is known");
    }
}

/// A server that refuses the request that ends an upload may have the blob all the same.
#[tokio::test]
async fn a_refused_end_is_looked_at() {
    for refusal in [400, 403, 404, 409, 416, 422] {
        let (server, sent) = (open(), image(noise(10_000)));
        server.inject(Rule::new(Fault::Answered(refusal)).method("PUT").path("uploads").always());
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        assert_eq!(server.count("PUT", "uploads"), sent.blobs.len(), "{refusal}");
        stream(&plain(), &server, &noise(10_000)).await.unwrap();
    }
    let (server, sent) = (open(), image(noise(10_000)));
    server.inject(Rule::new(status(409)).method("PUT").path("uploads").always());
    let error = push(&plain(), &server, "a:1", &sent).await.unwrap_err();
    assert!(error.to_string().contains("409"), "{error}");
}

/// Bytes that pass once cannot be sent again from the start; why they would have to be is what went wrong.
#[tokio::test]
async fn why_an_upload_failed_stays_the_reason() {
    let (server, bytes) = (open(), noise(20 << 20));
    server.inject(Rule::new(status(507)).method("PUT").path("uploads"));
    server.inject(Rule::new(status(502)).method("PUT").path("uploads").always());
    server.inject(Rule::new(status(404)).method("GET").path("uploads").always());
    for (said, kind) in [("507", ErrorKind::NoSpace), ("502", ErrorKind::Unavailable)] {
        let error = stream(&plain(), &server, &bytes).await.unwrap_err();
        assert!(error.message().contains(said), "{error}");
        assert_eq!(error.kind(), kind);
    }
}

/// Questions whose answer only spares work are asked once, and not waited for as long as what matters.
#[tokio::test]
async fn questions_beforehand_are_asked_once() {
    let impatient = client(|options| options.idle_timeout = Duration::from_millis(200));
    for fault in [Fault::Stall, status(503), Fault::Close] {
        let (server, sent) = (open(), image(noise(10_000)));
        push(&impatient, &server, "a:1", &sent).await.unwrap();
        server.forget_exchanges();
        server.inject(Rule::new(fault.clone()).method("HEAD").path("blobs").always());
        server.inject(Rule::new(fault).method("POST").path("mount=").always());
        let to = destination(&impatient, &server, "b:1", &WriteOptions::default()).await.unwrap();
        let from =
            transship_core::Transport::parse(&impatient, &format!("//{}/a:1", server.host()));
        let from = from.unwrap();
        for (blob, _) in &sent.blobs {
            assert_eq!(to.has(&Expect::from(blob)).await.unwrap(), None);
            assert_eq!(to.take_from(&Expect::from(blob), &from).await.unwrap(), None);
        }
        let mounts = server.exchanges().iter().filter(|one| one.query.contains("mount=")).count();
        assert_eq!((server.count("HEAD", "blobs"), mounts), (2, 2));
    }
    // A server that says when to come again is asked again: what it has need not be sent.
    let (server, sent) = (open(), image(noise(10_000)));
    push(&impatient, &server, "a:1", &sent).await.unwrap();
    let soon = transship_test_registry::RetryAfter::Seconds(1);
    server.inject(Rule::new(Fault::Status { status: 429, retry_after: Some(soon) }).method("HEAD"));
    let to = destination(&impatient, &server, "a:1", &WriteOptions::default()).await.unwrap();
    assert!(to.has(&Expect::from(&sent.blobs[0].0)).await.unwrap().is_some());
}

/// An answer that did not come in a long time is not waited for as long again.
#[tokio::test]
async fn the_end_of_an_upload_is_waited_for_once() {
    let registry = client(|options| {
        options.idle_timeout = Duration::from_millis(200);
        options.retries = 3;
    });
    let (server, start) = (open(), Instant::now());
    server.inject(Rule::new(Fault::Stall).method("PUT").path("uploads").always());
    let error = push(&registry, &server, "a:1", &image(noise(1000))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(server.count("PUT", "uploads"), 4);
    // Once 2 s, and not four times.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

fn answer(status: &str, bytes: &[u8]) -> Fault {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", bytes.len());
    Fault::Raw([head.as_bytes(), bytes].concat().into())
}

/// A download that was cut goes on with whatever the server sends of the rest.
#[tokio::test]
async fn a_cut_download_goes_on() {
    let sent = image(noise(1_000_000));
    let bytes = &sent.blobs[0].1;
    let refused = [400, 403, 404, 405, 410, 416].map(status);
    let parts = [
        ("206 x\r\nContent-Range: bytes 0-999999/1000000", 0..1_000_000),
        ("206 x\r\nContent-Range: bytes 100-999999/*", 100..1_000_000),
        ("206 x\r\nContent-Range: Bytes=100000-549999/1000000", 100_000..550_000),
        ("206 x\r\nContent-Range: bytes 0-9/1000000", 0..10),
        ("206 x", 0..1_000_000),
        ("206 x", 0..10),
        ("206 x\r\nContent-Range: bytes 999999-999999/1000000", 999_999..1_000_000),
        ("206 x\r\nContent-Range: bytes 0-9/10", 0..10),
        ("200 x", 0..1_000_000),
        ("200 x", 0..10),
    ]
    .map(|(head, range)| answer(head, &bytes[range]));
    for fault in refused.into_iter().chain(parts).chain([Fault::WrongRange]) {
        let (server, what) = (open(), format!("{:.200}", format!("{fault:?}")));
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        let blob = sent.blobs[0].0.digest.as_ref();
        let rule = |fault| Rule::new(fault).method("GET").path(blob);
        server.inject(rule(Fault::CutResponse { after: 400_000 }));
        server.inject(rule(fault));
        let read = pull(&plain(), &server, "a:1").await.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(read.blobs[0].1, bytes, "{what}");
        assert_eq!(server.pending_faults(), 0, "{what}");
    }
}

/// And where it does not, that may be otherwise later.
#[tokio::test]
async fn a_download_that_does_not_go_on_is_not_corrupt() {
    for fault in [status(403), status(404), status(416), answer("200 x", b"short")] {
        let (server, sent, what) = (open(), image(noise(1_000_000)), format!("{fault:?}"));
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        let blob = sent.blobs[0].0.digest.as_ref();
        let rule = |fault| Rule::new(fault).method("GET").path(blob);
        server.inject(rule(Fault::CutResponse { after: 400_000 }));
        server.inject(rule(fault).always());
        let error = pull(&plain(), &server, "a:1").await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error}");
        assert!(error.to_string().contains("does not send the rest"), "{what}: {error}");
    }
}
