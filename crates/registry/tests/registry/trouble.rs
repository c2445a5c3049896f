use std::time::{Duration, Instant};

use transship_core::{ErrorKind, ReadOptions, Transport};
use transship_test_registry::{Fault, RetryAfter, Rule};

use crate::common::{Heard, client, image, noise, open, plain, pull, push, serve};

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (server, sent) = (open(), image(noise(100_000)));
    for status in [408, 429, 500, 502, 503, 504] {
        server.inject(Rule::new(Fault::Status { status, retry_after: None }).skip(1));
    }
    server.inject(Rule::new(Fault::Close).method("PUT").path("manifests"));
    // All of them in a row.
    let patient = client(|options| options.retries = 6);
    push(&patient, &server, "a:1", &sent).await.unwrap();
    server.inject(Rule::new(Fault::Close).method("GET").times(2));
    server.inject(Rule::new(Fault::CutResponse { after: 5 }).path("manifests"));
    pull(&plain(), &server, "a:1").await.unwrap();
    assert_eq!(server.pending_faults(), 0);
}

#[tokio::test]
async fn each_try_is_reported_and_they_end() {
    let server = open();
    let heard = Heard::default();
    let fault = Fault::Status { status: 503, retry_after: None };
    server.inject(Rule::new(fault).path("manifests").always());
    let registry = client(|options| options.retries = 3);
    let mut how = ReadOptions::default();
    how.observer = heard.observer();
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let error = registry.source(&at, &how).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!error.retryable(), "it was tried often enough");
    assert_eq!((heard.retries(), server.count("GET", "manifests")), (3, 4));
    assert!(heard.text().contains("503"), "{}", heard.text());
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let (server, sent) = (open(), image("x"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    for after in [RetryAfter::Seconds(1), RetryAfter::Date(Duration::from_secs(2))] {
        let fault = Fault::Status { status: 429, retry_after: Some(after) };
        server.inject(Rule::new(fault).path("manifests"));
        let start = Instant::now();
        pull(&plain(), &server, "a:1").await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(900));
    }
    let fault = Fault::Status { status: 429, retry_after: Some(RetryAfter::Seconds(86_400)) };
    server.inject(Rule::new(fault).path("manifests"));
    let error = pull(&plain(), &server, "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn silence_is_given_up_and_slowness_is_not() {
    let (server, sent) = (open(), image(noise(400)));
    let registry = client(|options| {
        options.idle_timeout = Duration::from_millis(300);
        options.retries = 2;
    });
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let slow = Fault::Slow { bytes: 50, pause: Duration::from_millis(80) };
    server.inject(Rule::new(slow).path(sent.blobs[0].0.digest.as_ref()));
    pull(&registry, &server, "a:1").await.unwrap();
    server.inject(Rule::new(Fault::Stall).path("manifests"));
    pull(&registry, &server, "a:1").await.unwrap();
    server.inject(Rule::new(Fault::Stall).path("manifests").always());
    let error = pull(&registry, &server, "a:1").await.unwrap_err();
    assert!(error.to_string().contains("silent"), "{error}");
}

#[tokio::test]
async fn a_host_that_has_enough_gets_less() {
    let server = serve(|options| options.most_at_once = Some(2));
    let registry = client(|options| {
        options.retries = 30;
        options.first_wait = Duration::from_millis(5);
    });
    let images: Vec<_> = (0..12).map(|at| image(noise(20_000 + at))).collect();
    let names: Vec<String> = (0..12).map(|at| format!("r{at}:1")).collect();
    let pushes = images.iter().zip(&names).map(|(sent, name)| push(&registry, &server, name, sent));
    futures_util::future::try_join_all(pushes).await.unwrap();
    assert_eq!(server.repositories().len(), 12);
}

#[tokio::test]
async fn nobody_there() {
    let registry = plain();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = registry.parse(&format!("//{closed}/a:1")).unwrap();
    let error = registry.source(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_dropped_connection_under_a_mount_or_a_session_is_begun_again() {
    let (server, sent) = (open(), image(noise(1000)));
    server.inject(Rule::new(Fault::CutBeforeAnswer).method("POST"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    assert_eq!(server.count("POST", "uploads"), 3);
}
