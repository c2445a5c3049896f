//! Registries that answer in ways of their own. What comes of it is decided by the digest of the bytes.

use std::io::Cursor;
use std::time::{Duration, Instant};

use bytes::Bytes;
use transship_core::{
    Archives, Body, Commit, ErrorKind, Expect, ReadOptions, Result, Stored, Transport, WriteOptions,
};
use transship_registry::Registry;
use transship_test_registry::{Fault, Options, Registry as Server, Rule};

use crate::common::{
    asked, client, destination, eventually, image, noise, open, plain, pull, push, put, serve,
    source,
};

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

fn error(status: u16, code: &str) -> Fault {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"said so"}}]}}"#);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}");
    Fault::Raw(head.into())
}

/// A layer that passes once, as one that is compressed on its way.
async fn stream(registry: &Registry, server: &Server, bytes: &Bytes) -> Result<Stored> {
    let to = destination(registry, server, "a:1", &WriteOptions::default()).await?;
    let body = Body::from_reader(Cursor::new(bytes.clone()));
    let stored = to.put_blob(Expect::anything(), body).await?;
    assert_eq!(server.blob("a", stored.digest.as_ref()).unwrap(), bytes);
    Ok(stored)
}

async fn listed(server: &Server) -> Vec<String> {
    let at = plain().parse(&format!("//{}/a", server.host())).unwrap();
    let reader = plain().read(&at, &ReadOptions::default()).await.unwrap();
    reader.entries().iter().map(|entry| entry.raw_names[0].clone()).collect()
}

/// A server that fails at the end of each upload and forgets it then gets the blob a few times, and not for ever.
#[tokio::test]
async fn uploads_end() {
    let bytes = noise(300_000);
    for pieces in [None, Some(100_000)] {
        for known in [true, false] {
            let server = open();
            server.inject(Rule::new(status(500)).method("PUT").path("uploads").always());
            server.inject(Rule::new(status(404)).method("GET").path("uploads").always());
            let registry = client(|options| options.chunk_size = pieces);
            let to =
                destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
            let (expect, body) = if known {
                let digest = transship_core::sha256(&bytes);
                (Expect::digest(digest), Body::from_bytes(bytes.clone()))
            } else {
                (Expect::anything(), Body::from_reader(Cursor::new(bytes.clone())))
            };
            let error = to.put_blob(expect, body).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(!error.retryable(), "{error}");
            let begun = server.count("POST", "uploads");
            assert!((2..=6).contains(&begun), "{pieces:?} {known}: {begun} times");
            eventually("sessions are given up", || server.count("DELETE", "uploads") == begun)
                .await;
        }
    }
}

/// A server that loses the session each time makes no progress with each new one.
#[tokio::test]
async fn sessions_that_are_lost_end() {
    let (server, bytes) = (open(), noise(1 << 20));
    server.inject(Rule::new(status(404)).method("GET").path("uploads").always());
    let cut = Fault::CutRequest { after: 500_000 };
    server.inject(Rule::new(cut).method("PATCH").always());
    assert!(stream(&plain(), &server, &bytes).await.is_err());
    assert!(server.count("POST", "uploads") <= 6, "{:?}", asked(&server));
}

/// More than is held in memory is sent as one piece, which is never too small.
#[tokio::test]
async fn a_least_piece_that_is_too_large_is_not_gathered() {
    let server = serve(|options| options.min_chunk = Some(1_000_000_000_000));
    let registry = client(|options| options.chunk_size = Some(100_000));
    let bytes = noise(500_000);
    stream(&registry, &server, &bytes).await.unwrap();
    assert_eq!(server.count("PATCH", "uploads"), 1);
}

/// The answer to the request that ends an upload may take long, and the blob be there before it.
#[tokio::test]
async fn the_end_of_an_upload_is_waited_for() {
    let patient = || client(|options| options.idle_timeout = Duration::from_millis(300));
    for late in [Duration::from_millis(900), Duration::from_secs(60)] {
        let (server, sent) = (open(), image(noise(100_000)));
        server.inject(Rule::new(Fault::Late(late)).method("PUT").path("uploads").times(2));
        let start = Instant::now();
        push(&patient(), &server, "a:1", &sent).await.unwrap();
        assert_eq!((server.count("PUT", "uploads"), server.pending_faults()), (2, 0), "{late:?}");
        assert!(start.elapsed() < Duration::from_secs(20));
        let (server, bytes) = (open(), noise(100_000));
        server.inject(Rule::new(Fault::Late(late)).method("PUT").path("uploads"));
        stream(&patient(), &server, &bytes).await.unwrap();
        assert_eq!(server.count("PUT", "uploads"), 1, "{late:?}");
    }
}

/// What a server says that it has may be of the last piece, of the first, or of nothing.
#[tokio::test]
async fn ranges_of_pieces_are_not_believed_before_the_digest() {
    let registry = client(|options| options.chunk_size = Some(100_000));
    for range in ["0-99999", "0-5", "bytes=0-7", "0-", "", "5-99", "0-18446744073709551615"] {
        let (server, bytes) = (open(), noise(250_000));
        let fault = Fault::Header { name: "range", value: range.to_owned() };
        server.inject(Rule::new(fault).method("PATCH").always());
        stream(&registry, &server, &bytes).await.unwrap();
        assert_eq!(server.count("POST", "uploads"), 1, "{range:?}");
    }
}

/// Who went on from where a server said that it was, and ends with other bytes, begins anew and does not ask again.
#[tokio::test]
async fn an_upload_that_went_on_at_a_wrong_place_begins_anew() {
    let (server, bytes) = (open(), noise(600_000));
    server.inject(Rule::new(Fault::CutRequest { after: 400_000 }).method("PATCH"));
    let wrong = Fault::Header { name: "range", value: "0-99999".to_owned() };
    server.inject(Rule::new(wrong).method("GET").path("uploads").always());
    stream(&plain(), &server, &bytes).await.unwrap();
    assert_eq!(server.pending_faults(), 0);
}

/// Too large for the server, or for what stands before it: smaller pieces.
#[tokio::test]
async fn pieces_that_are_too_large_become_smaller() {
    let cut_once = |server: &Server| {
        server.inject(Rule::new(Fault::CutRequest { after: 5 << 20 }).method("PATCH"));
    };
    let server = serve(|options| options.max_chunk = Some(1 << 20));
    cut_once(&server);
    stream(&plain(), &server, &noise(12 << 20)).await.unwrap();
    for (method, times) in [("PATCH", 1), ("PATCH", 3), ("PUT", 1), ("PUT", 2)] {
        let (server, sent) = (open(), image(noise(3 << 20)));
        let rule = Rule::new(status(413)).method(method).path("uploads").times(times);
        server.inject(rule);
        match method {
            "PATCH" => stream(&plain(), &server, &noise(3 << 20)).await.map(|_| ()).unwrap(),
            _ => push(&plain(), &server, "a:1", &sent).await.map(|_| ()).unwrap(),
        }
        assert_eq!(server.pending_faults(), 0, "{method} {times}");
    }
    // And this ends.
    let server = open();
    server.inject(Rule::new(status(413)).method("PATCH").path("uploads").always());
    let error = stream(&plain(), &server, &noise(3 << 20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(server.count("PATCH", "uploads") < 20, "{}", server.count("PATCH", "uploads"));
}

/// POST and PUT are sent on, by path and to another place, with what they carry.
#[tokio::test]
async fn writes_are_sent_on() {
    for (method, path) in [
        ("POST", "/blobs/uploads/"),
        ("PATCH", "uploads"),
        ("PUT", "uploads"),
        ("PUT", "manifests"),
    ] {
        let (server, sent) = (open(), image(noise(100_000)));
        // The server finds its way by the path; what is added to the query is for us to keep.
        let to = if method == "POST" { "{path}?moved=1" } else { "{path}" };
        let fault = Fault::Redirect { to: to.to_owned() };
        server.inject(Rule::new(fault).method(method).path(path));
        if method == "PATCH" {
            stream(&plain(), &server, &noise(100_000)).await.unwrap();
        }
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        assert_eq!(server.pending_faults(), 0, "{method} {path}");
        pull(&plain(), &server, "a:1").await.unwrap();
    }
    // They end.
    let server = open();
    let round = Fault::Redirect { to: "{path}".to_owned() };
    server.inject(Rule::new(round).method("PUT").always());
    let error = push(&plain(), &server, "a:1", &image("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

/// HEAD is a question beforehand. Without an answer the thing itself is asked for, or sent.
#[tokio::test]
async fn heads_that_fail_are_not_the_end() {
    for fault in [status(405), status(403), status(400), status(501), status(500)] {
        let (server, sent) = (open(), image(noise(10_000)));
        let impatient = client(|options| options.retries = 1);
        let what = format!("{fault:?}");
        server.inject(Rule::new(fault).method("HEAD").always());
        push(&impatient, &server, "a:1", &sent).await.expect(&what);
        // To commit what is there already, it is looked for.
        let to = destination(&impatient, &server, "a:2", &WriteOptions::default()).await.unwrap();
        if !what.contains("500") {
            to.commit(Commit::new(&sent.manifest)).await.expect(&what);
            let from = source(&impatient, &server, "a:1").await.unwrap();
            assert!(from.holds(&sent.blobs[0].0).await.expect(&what));
            let absent = crate::common::described(transship_core::MediaType::ImageLayer, b"no");
            assert!(!from.holds(&absent).await.expect(&what));
        }
        let at = plain().parse(&format!("//{}/a:1", server.host())).unwrap();
        let how = ReadOptions::default().with_compare(true);
        let from = plain().source(&at, &how).await.expect(&what);
        let root = from.root_descriptor().unwrap();
        assert_eq!(root.digest, sent.manifest.descriptor().digest);
    }
}

/// A mount that fails in whatever way stops no copy.
#[tokio::test]
async fn mounts_that_fail_are_not_the_end() {
    for fault in [status(400), status(404), status(409), status(500)] {
        let (server, sent) = (open(), image(noise(10_000)));
        let registry = client(|options| options.retries = 1);
        push(&registry, &server, "a:1", &sent).await.unwrap();
        let to = destination(&registry, &server, "b:1", &WriteOptions::default()).await.unwrap();
        let from = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
        server.inject(Rule::new(fault).method("POST").path("mount=").always());
        for (descriptor, _) in &sent.blobs {
            assert_eq!(to.take_from(&Expect::from(descriptor), &from).await.unwrap(), None);
        }
        put(&*to, &sent).await.unwrap();
        to.commit(Commit::new(&sent.manifest)).await.unwrap();
    }
}

/// Sizes of pages that a server does not give, pages of which all is filtered out, and lists that go round.
#[tokio::test]
async fn lists_of_tags_that_differ() {
    let tagged = |options: Options, tags: usize| async move {
        let server = Server::start(options).unwrap();
        push(&plain(), &server, "a:t0", &image("x")).await.unwrap();
        for at in 1..tags {
            let (media_type, bytes) = server.manifest("a", "t0").unwrap();
            server.put_manifest("a", Some(&format!("t{at}")), &media_type, bytes);
        }
        server.forget_exchanges();
        server
    };
    let server = tagged(Options::default(), 500).await;
    assert_eq!((listed(&server).await.len(), server.exchanges().len()), (500, 1));
    for status_of_large in [400, 413, 416, 422] {
        for times in [1, 2] {
            let server = tagged(Options::default(), 30).await;
            server.inject(Rule::new(status(status_of_large)).path("tags/list").times(times));
            assert_eq!(listed(&server).await.len(), 30, "{status_of_large} {times}");
            let last = server.exchanges().last().unwrap().query.clone();
            assert_eq!(last, ["n=100", ""][times - 1]);
        }
    }
    let mut options = Options::default();
    options.page = Some(7);
    let server = tagged(options, 20).await;
    let empty = Fault::Document {
        media_type: "application/json".to_owned(),
        bytes: r#"{"name":"a","tags":null}"#.into(),
    };
    server.inject(Rule::new(empty).path("tags/list").skip(1));
    // The seven of the second page are lost, and its link is not.
    assert_eq!(listed(&server).await.len(), 13);
}

/// Answers that pass, each once to each kind of request.
#[tokio::test]
async fn statuses_that_pass() {
    for passing in [425, 499, 502, 504, 509, 520, 521, 522, 524, 529, 530] {
        let (server, sent) = (open(), image(noise(10_000)));
        for (method, path) in [("HEAD", ""), ("POST", ""), ("PUT", "uploads"), ("PUT", "manifests")]
        {
            server.inject(Rule::new(status(passing)).method(method).path(path));
        }
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        for path in ["manifests", "blobs"] {
            server.inject(Rule::new(status(passing)).method("GET").path(path));
        }
        pull(&plain(), &server, "a:1").await.unwrap();
        assert_eq!(server.pending_faults(), 0, "{passing}");
    }
}

/// Errors of 400 and 404 that pass, by their code.
#[tokio::test]
async fn codes_that_pass() {
    for (method, path, status, code) in [
        ("PUT", "uploads", 400, "BLOB_UPLOAD_INVALID"),
        ("PATCH", "uploads", 400, "BLOB_UPLOAD_INVALID"),
        ("PUT", "uploads", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", "manifests", 404, "MANIFEST_BLOB_UNKNOWN"),
        ("PUT", "manifests", 400, "MANIFEST_BLOB_UNKNOWN"),
        ("PUT", "manifests", 404, "MANIFEST_UNKNOWN"),
    ] {
        let (server, sent) = (open(), image(noise(10_000)));
        server.inject(Rule::new(error(status, code)).method(method).path(path));
        if method == "PATCH" {
            stream(&plain(), &server, &noise(100_000)).await.unwrap();
        }
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        assert_eq!(server.pending_faults(), 0, "{method} {status} {code}");
    }
}

/// The same answer at every try is asked for once.
#[tokio::test]
async fn answers_that_stay_are_not_tried_again() {
    for (status, code) in
        [(400, "MANIFEST_INVALID"), (500, "UNSUPPORTED"), (503, "DENIED"), (403, "DENIED")]
    {
        let (server, sent) = (open(), image(noise(1000)));
        server.inject(Rule::new(error(status, code)).method("PUT").path("manifests").always());
        let error = push(&plain(), &server, "a:1", &sent).await.unwrap_err();
        assert!(!error.retryable() && error.to_string().contains("said so"), "{error}");
        assert_eq!(server.count("PUT", "manifests"), 1, "{status} {code}");
    }
}

/// A tag that may not move is an error that says so, unless it is where it should be.
#[tokio::test]
async fn tags_that_may_not_move() {
    for (status, code) in
        [(400, "TAG_IMMUTABLE"), (409, "CONFLICT"), (412, "PRECONDITION"), (403, "IMMUTABLE_TAG")]
    {
        let (server, old, new) = (open(), image("old"), image("new"));
        push(&plain(), &server, "a:1", &old).await.unwrap();
        server.inject(Rule::new(error(status, code)).method("PUT").path("manifests/1").always());
        push(&plain(), &server, "a:1", &old).await.expect("it is there");
        let error = push(&plain(), &server, "a:1", &new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        let text = error.to_string();
        assert!(text.contains("tag 1 may not move"), "{text}");
        assert!(text.contains(old.manifest.descriptor().digest.as_ref()), "{text}");
    }
}
