use std::time::{Duration, Instant};

use bytes::Bytes;
use transship_conformance::registry::{Fault, Registry as Server, Rule};
use transship_core::{Archives, Error, ErrorKind, ReadOptions, Transport};

use crate::common::{client, image, noise, open, plain, pull, push};

/// A server with an image, which then does something bad.
async fn after(rules: impl IntoIterator<Item = Rule>) -> (Server, Error) {
    let server = open();
    push(&plain(), &server, "a:1", &image(noise(30_000))).await.unwrap();
    for rule in rules {
        server.inject(rule);
    }
    let start = Instant::now();
    let registry = client(|options| options.retries = 1);
    let error = pull(&registry, &server, "a:1").await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20));
    (server, error)
}

#[tokio::test]
async fn a_manifest_without_an_end() {
    let (server, error) = after([Rule::new(Fault::Endless).path("manifests").always()]).await;
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let sent: u64 = server.exchanges().iter().map(|one| one.sent).sum();
    assert!(sent < 64 << 20, "{sent}");
}

#[tokio::test]
async fn tags_without_an_end() {
    let server = open();
    push(&plain(), &server, "a:1", &image("x")).await.unwrap();
    let registry = plain();
    let at = registry.parse(&format!("//{}/a", server.host())).unwrap();
    let same = r#"</v2/a/tags/list?n=1&last=1>; rel="next""#.to_owned();
    server.inject(Rule::new(Fault::Header { name: "link", value: same }).path("tags").always());
    let error = registry.read(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    server.clear_faults();
    server.inject(Rule::new(Fault::Endless).path("tags").always());
    let error = registry.read(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[tokio::test]
async fn redirects_that_lead_nowhere_good() {
    for (to, kind, says) in [
        ("{path}", ErrorKind::LimitExceeded, "more than 10 times"),
        ("file:///etc/passwd", ErrorKind::Denied, "file"),
        ("ftp://127.0.0.1/x", ErrorKind::Denied, "ftp"),
        ("http://169.254.169.254/latest/meta-data/", ErrorKind::Denied, "169.254.169.254"),
        ("http://[fe80::1]/x", ErrorKind::Denied, "fe80"),
        ("http://[::ffff:169.254.169.254]/x", ErrorKind::Denied, "a9fe"),
        ("http://metadata.google.internal/x", ErrorKind::Denied, "metadata"),
        ("http://me:secret@127.0.0.1:1/x", ErrorKind::Denied, "password"),
        ("http://[", ErrorKind::Corrupt, "no URL"),
    ] {
        for path in ["manifests", "blobs"] {
            let fault = Fault::Redirect { to: to.to_owned() };
            let (_, error) = after([Rule::new(fault).path(path).always()]).await;
            assert_eq!(error.kind(), kind, "{to}: {error}");
            assert!(error.to_string().contains(says), "{to}: {error}");
        }
    }
}

#[tokio::test]
async fn headers_that_are_injected() {
    let raw = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /v2/a\r\n b\r\nX: \x01\r\nContent-Length: 0\r\n\r\n";
    let (_, error) =
        after([Rule::new(Fault::Raw(Bytes::from(raw))).path("manifests").always()]).await;
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Corrupt), "{error}");
    let encoded = Fault::Redirect { to: "/v2/a/manifests/%0d%0aX-Evil:%201".to_owned() };
    let (server, _) = after([Rule::new(encoded).path("manifests/1")]).await;
    assert!(server.exchanges().iter().all(|one| one.header("x-evil").is_none()));
}

#[tokio::test]
async fn lengths_and_digests_that_are_wrong() {
    for (fault, path, kind) in [
        (Fault::WrongDigest, "manifests", ErrorKind::Corrupt),
        (Fault::WrongBytes, "manifests", ErrorKind::Corrupt),
        (Fault::WrongLength(100), "blobs", ErrorKind::Corrupt),
        (Fault::WrongLength(-100), "blobs", ErrorKind::Corrupt),
        (Fault::WrongBytes, "blobs", ErrorKind::Corrupt),
        (Fault::Endless, "blobs", ErrorKind::Corrupt),
    ] {
        let what = format!("{fault:?} of {path}");
        let (_, error) = after([Rule::new(fault).path(path).always()]).await;
        assert_eq!(error.kind(), kind, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_range_of_other_bytes() {
    let server = open();
    let sent = image(noise(30_000));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let layer = sent.blobs[0].0.digest.to_string();
    server.inject(Rule::new(Fault::CutResponse { after: 10_000 }).path(&layer));
    server.inject(Rule::new(Fault::WrongRange).path(&layer));
    let error = pull(&plain(), &server, "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_realm_that_is_no_place_for_a_password() {
    use transship_registry::{Credential, Secret};
    let server = open();
    for realm in ["file:///etc/passwd", "http://169.254.169.254/token", "no url"] {
        let raw = format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\"\r\nContent-Length: 0\r\n\r\n"
        );
        server.clear_faults();
        server.inject(Rule::new(Fault::Raw(raw.into())).path("manifests").always());
        let registry = client(|options| {
            options.credential =
                Some(Credential::Basic { user: "me".to_owned(), secret: Secret::new("x") });
            options.anonymous = false;
        });
        let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
        let error = registry.source(&at, &ReadOptions::default()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unexpected), "{error}");
    }
}
