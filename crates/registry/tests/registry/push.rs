use std::io::Cursor;

use transship_core::{
    Body, Commit, ErrorKind, Expect, ImageName, Transport, WriteMode, WriteOptions,
};
use transship_test_registry::{Fault, Locations, Options, Partial, Registry as Server, Rule};

use crate::common::{
    Heard, asked, client, destination, eventually, image, noise, open, plain, pull, push, put,
    serve,
};

#[tokio::test]
async fn what_a_push_costs() {
    let (server, sent) = (open(), image(noise(100_000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let methods: Vec<String> =
        asked(&server).iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect();
    // Each blob: is it there, a session, its bytes. Then the manifest.
    assert_eq!(methods, ["HEAD", "POST", "PUT", "HEAD", "POST", "PUT", "PUT"]);
    server.forget_exchanges();
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let methods: Vec<String> =
        asked(&server).iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(methods, ["HEAD", "HEAD", "PUT"]);
}

/// A body that passes once, and whose digest is not known.
async fn stream(server: &Server, bytes: &bytes::Bytes, heard: &Heard) -> transship_core::Stored {
    let registry = plain();
    let mut how = WriteOptions::default();
    how.observer = heard.observer();
    let to = destination(&registry, server, "a:1", &how).await.unwrap();
    let body = Body::from_reader(Cursor::new(bytes.clone()));
    let stored = to.put_blob(Expect::anything(), body).await.unwrap();
    assert_eq!(server.blob("a", stored.digest.as_ref()).unwrap(), bytes);
    stored
}

#[tokio::test]
async fn a_stream_of_unknown_digest_is_sent_in_one_pass() {
    let (server, bytes) = (open(), noise(3_000_000));
    let stored = stream(&server, &bytes, &Heard::default()).await;
    assert_eq!(stored.size, 3_000_000);
    let methods: Vec<_> = server.exchanges().iter().map(|one| one.method.clone()).collect();
    assert_eq!(methods, ["POST", "PATCH", "PUT"]);
    assert_eq!(server.sessions(), 0);
}

#[tokio::test]
async fn a_cut_stream_goes_on_from_where_the_server_is() {
    for options in [Options::default(), {
        let mut options = Options::default();
        options.locations = Locations::Absolute;
        options
    }] {
        let (server, bytes, heard) =
            (Server::start(options).unwrap(), noise(5 << 20), Heard::default());
        for after in [10, 1_000_000, 3_000_000] {
            server.inject(Rule::new(Fault::CutRequest { after }).method("PATCH"));
        }
        stream(&server, &bytes, &heard).await;
        assert_eq!((server.pending_faults(), server.sessions()), (0, 0));
        assert!(heard.retries() >= 3, "{heard:?}");
        let received: u64 = server.exchanges().iter().map(|one| one.received).sum();
        assert!(received < (5 << 20) + 100_000, "{received}");
    }
}

#[tokio::test]
async fn a_cut_blob_of_known_digest_goes_on_too() {
    let (server, sent) = (open(), image(noise(5 << 20)));
    server.inject(Rule::new(Fault::CutRequest { after: 2_000_000 }).method("PUT"));
    server.inject(Rule::new(Fault::CutRequest { after: 1_000_000 }).method("PATCH"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    assert_eq!(server.pending_faults(), 0);
    let received: u64 = server.exchanges().iter().map(|one| one.received).sum();
    assert!(received < (5 << 20) + 100_000, "{received}");
    pull(&plain(), &server, "a:1").await.unwrap();
}

#[tokio::test]
async fn a_server_that_keeps_nothing_gets_the_blob_again() {
    let server = serve(|options| options.partial = Partial::Dropped);
    let sent = image(noise(2 << 20));
    server.inject(Rule::new(Fault::CutRequest { after: 1_000_000 }).method("PUT"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    pull(&plain(), &server, "a:1").await.unwrap();
    assert_eq!((server.pending_faults(), server.sessions()), (0, 0));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_not_a_lost_blob() {
    let (server, sent) = (open(), image(noise(100_000)));
    server.inject(Rule::new(Fault::CutBeforeAnswer).method("PUT").path("uploads"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let puts = server.count("PUT", "/blobs/uploads/");
    assert_eq!(puts, 2, "one for each blob, and none twice");
}

#[tokio::test]
async fn chunks_are_as_large_as_the_server_wants() {
    let server = serve(|options| options.min_chunk = Some(1 << 20));
    let registry = client(|options| options.chunk_size = Some(100_000));
    let sent = image(noise(2_500_000));
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let sizes: Vec<u64> = server
        .exchanges()
        .iter()
        .filter(|one| one.method == "PATCH")
        .map(|one| one.received)
        .collect();
    assert_eq!(sizes[..3], [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]);
    pull(&plain(), &server, "a:1").await.unwrap();
}

#[tokio::test]
async fn out_of_step_is_brought_into_step() {
    let (server, bytes) = (open(), noise(300_000));
    let fault = Fault::Status { status: 416, retry_after: None };
    server.inject(Rule::new(fault).method("PATCH"));
    stream(&server, &bytes, &Heard::default()).await;
    assert_eq!(server.pending_faults(), 0);
}

#[tokio::test]
async fn wrong_bytes_and_failing_bodies_leave_nothing() {
    let server = open();
    let registry = plain();
    let to = destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
    let wrong = Expect::digest(transship_core::sha256(b"right")).with_size(5);
    let error = to.put_blob(wrong, Body::from_bytes("wrong")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let failing = Body::from_reader(Failing(2_000_000));
    let error = to.put_blob(Expect::anything(), failing).await.unwrap_err();
    assert!(error.to_string().contains("the disk is on fire"), "{error}");
    eventually("sessions are cancelled", || server.sessions() == 0).await;
    assert!(server.repositories().iter().all(|name| name != "a"), "{:?}", server.repositories());
}

struct Failing(usize);

impl std::io::Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::Error::other("the disk is on fire"));
        }
        let n = out.len().min(self.0);
        self.0 -= n;
        Ok(n)
    }
}

#[tokio::test]
async fn an_abandoned_upload_is_cancelled() {
    let server = open();
    let registry = plain();
    let to = destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
    server.inject(Rule::new(Fault::Stall).method("PATCH"));
    let put = to.put_blob(Expect::anything(), Body::from_reader(Cursor::new(noise(100_000))));
    let begun = eventually("it has begun", || server.count("PATCH", "/blobs/uploads/") == 1);
    match futures_util::future::select(Box::pin(put), Box::pin(begun)).await {
        futures_util::future::Either::Left(_) => panic!("it ended"),
        futures_util::future::Either::Right(((), put)) => drop(put),
    }
    eventually("the session is cancelled", || server.sessions() == 0).await;
    assert_eq!(server.count("DELETE", "/blobs/uploads/"), 1);
}

#[tokio::test]
async fn a_digest_in_the_reference_is_held() {
    let (server, one, other) = (open(), image("one"), image("other"));
    let digest = &one.manifest.descriptor().digest;
    push(&plain(), &server, &format!("a:1@{digest}"), &one).await.unwrap();
    assert_eq!(server.tags("a"), [("1".to_owned(), digest.to_string())]);
    push(&plain(), &server, &format!("b@{digest}"), &one).await.unwrap();
    assert!(server.tags("b").is_empty() && server.manifest("b", digest.as_ref()).is_some());
    server.forget_exchanges();
    let error = push(&plain(), &server, &format!("a:1@{digest}"), &other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(server.count("PUT", "/manifests/"), 0);
}

#[tokio::test]
async fn several_tags_in_one_repository() {
    let (server, sent) = (open(), image("layer"));
    let registry = plain();
    let mut how = WriteOptions::default();
    how.names = vec![ImageName::new("2").unwrap(), ImageName::new("x.y-z").unwrap()];
    let to = destination(&registry, &server, "a:1", &how).await.unwrap();
    assert_eq!(to.names().len(), 3);
    put(&*to, &sent).await.unwrap();
    to.commit(Commit::new(&sent.manifest)).await.unwrap();
    let tags: Vec<String> = server.tags("a").into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags, ["1", "2", "x.y-z"]);
}

#[tokio::test]
async fn creating_refuses_a_tag_that_is_there() {
    let (server, sent) = (open(), image("layer"));
    let registry = plain();
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let mut how = WriteOptions::default();
    how.mode = Some(WriteMode::Create);
    let error = destination(&registry, &server, "a:1", &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    destination(&registry, &server, "a:2", &how).await.unwrap();
}

#[tokio::test]
async fn blobs_are_mounted_from_another_repository() {
    let (server, sent) = (open(), image(noise(100_000)));
    let registry = plain();
    push(&registry, &server, "a:1", &sent).await.unwrap();
    server.forget_exchanges();
    // Another value, which knows only what the source's reference says.
    let other = plain();
    let from = other.parse(&format!("//{}/a:1", server.host())).unwrap();
    let to = destination(&other, &server, "b:1", &WriteOptions::default()).await.unwrap();
    for (descriptor, _) in &sent.blobs {
        let want = Expect::from(descriptor);
        assert_eq!(to.has(&want).await.unwrap(), None);
        assert!(to.take_from(&want, &from).await.unwrap().is_some());
    }
    to.commit(Commit::new(&sent.manifest)).await.unwrap();
    let blobs: u64 = server
        .exchanges()
        .iter()
        .filter(|one| one.path.contains("/blobs/"))
        .map(|one| one.received)
        .sum();
    assert_eq!((blobs, server.sessions()), (0, 0));
}

#[tokio::test]
async fn a_session_in_place_of_a_mount_is_used() {
    let server = serve(|options| options.refuse_mounts = true);
    let sent = image(noise(100_000));
    let registry = plain();
    push(&registry, &server, "a:1", &sent).await.unwrap();
    server.forget_exchanges();
    let to = destination(&registry, &server, "b:1", &WriteOptions::default()).await.unwrap();
    let from = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let want = Expect::from(&sent.blobs[0].0);
    assert_eq!(to.take_from(&want, &from).await.unwrap(), None);
    to.put_blob(want, Body::from_bytes(sent.blobs[0].1.clone())).await.unwrap();
    let want = Expect::from(&sent.blobs[1].0);
    assert_eq!(to.take_from(&want, &from).await.unwrap(), None);
    assert_eq!(server.count("POST", "/blobs/uploads/"), 2);
    drop(to);
    eventually("what is not used is cancelled", || server.sessions() == 0).await;
}

#[tokio::test]
async fn what_is_missing_is_refused_before_the_manifest() {
    let server = serve(|options| options.parts = transship_test_registry::Parts::Optional);
    let sent = image("layer");
    let registry = plain();
    let to = destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
    let error = to.commit(Commit::new(&sent.manifest)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(server.count("PUT", ""), 0);
}
