use std::time::{Duration, Instant};

use bytes::Bytes;
use transship_core::{Archives, Error, ErrorKind, ReadOptions, Transport};
use transship_test_registry::{Auth, Fault, Registry as Server, Rule, TokenAuth, User};

use transship_registry::{Credential, Registry, Secret};

use crate::common::{client, image, noise, open, plain, pull, push, serve};

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
async fn pages_without_an_end() {
    let server = open();
    push(&plain(), &server, "a:1", &image("x")).await.unwrap();
    server.inject(Rule::new(Fault::EndlessPages).path("tags").always());
    let at = plain().parse(&format!("//{}/a", server.host())).unwrap();
    server.forget_exchanges();
    let error = plain().read(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    assert!(error.to_string().contains("without an end"), "{error}");
    assert!(server.exchanges().len() < 200, "{}", server.exchanges().len());
}

/// The next page is where the first one was, whatever host is named.
#[tokio::test]
async fn a_next_page_is_never_elsewhere() {
    let (server, other) = (guarded(), open());
    push(&with_password(), &server, "a:1", &image("x")).await.unwrap();
    let at = plain().parse(&format!("//{}/a", server.host())).unwrap();
    for (to, is_page) in [
        (format!("http://{}/v2/a/tags/list?last=1", other.host()), true),
        ("http://169.254.169.254/v2/a/tags/list?last=1".to_owned(), true),
        ("file:///etc/passwd".to_owned(), false),
        ("http://169.254.169.254/latest".to_owned(), false),
    ] {
        server.clear_faults();
        let value = format!("<{to}>; rel=next");
        // The first is the question who we are.
        server.inject(Rule::new(Fault::Header { name: "link", value }).path("tags").times(2));
        let read = with_password().read(&at, &ReadOptions::default()).await;
        assert_eq!(read.is_ok(), is_page, "{read:?}");
    }
    assert!(other.exchanges().is_empty());
}

/// A registry that wants a password.
fn guarded() -> Server {
    let user = User::new("me", PASSWORD);
    serve(|options| options.auth = Auth::Basic(vec![user]))
}

const PASSWORD: &str = "hunter2-secret";

fn with_password() -> Registry {
    client(|options| {
        let (user, secret) = ("me".to_owned(), Secret::new(PASSWORD));
        options.credential = Some(Credential::Basic { user, secret });
        options.anonymous = false;
    })
}

/// Somebody asked, and did not say who.
fn assert_no_secret(server: &Server) {
    assert!(!server.exchanges().is_empty());
    for one in server.exchanges() {
        assert_eq!(one.header("authorization"), None, "{one:?}");
        assert!(!format!("{one:?}").contains(PASSWORD), "{one:?}");
    }
}

#[tokio::test]
async fn uploads_that_lead_nowhere_good() {
    for (to, kind) in [
        ("file:///tmp/x", ErrorKind::Denied),
        ("ftp://127.0.0.1/x", ErrorKind::Denied),
        ("http://169.254.169.254/x", ErrorKind::Denied),
        ("http://me:secret@127.0.0.1:1/x", ErrorKind::Denied),
        ("http://[", ErrorKind::Corrupt),
    ] {
        let server = open();
        let fault = Fault::Header { name: "location", value: to.to_owned() };
        server.inject(Rule::new(fault).method("POST").always());
        let error = push(&plain(), &server, "a:1", &image("x")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{to}: {error}");
        assert_eq!(server.count("PUT", ""), 0, "{to}");
    }
}

#[tokio::test]
async fn an_upload_elsewhere_gets_no_credential() {
    let (server, other) = (guarded(), open());
    let to = format!("http://{}/v2/a/blobs/uploads/elsewhere?_state=x", other.host());
    let fault = Fault::Header { name: "location", value: to };
    server.inject(Rule::new(fault).method("POST").always());
    assert!(push(&with_password(), &server, "a:1", &image("x")).await.is_err());
    assert_no_secret(&other);
}

#[tokio::test]
async fn writes_that_are_sent_on_say_who_we_are_to_nobody() {
    let (server, other) = (guarded(), open());
    let to = format!("http://{}{{path}}", other.host());
    server.inject(Rule::new(Fault::Redirect { to }).method("PUT").path("/manifests/").always());
    let sent = image("x");
    for (descriptor, bytes) in &sent.blobs {
        other.put_blob("a", bytes.clone());
        assert!(other.blob("a", descriptor.digest.as_ref()).is_some());
    }
    push(&with_password(), &server, "a:1", &sent).await.unwrap();
    assert!(other.manifest("a", "1").is_some());
    assert_no_secret(&other);
}

#[tokio::test]
async fn headers_and_errors_without_an_end() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(4 << 20));
    let (_, error) =
        after([Rule::new(Fault::Raw(Bytes::from(long))).path("manifests").always()]).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let body = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {0}\r\n\r\n{1}",
        4 << 20,
        " ".repeat(4 << 20)
    );
    let (_, error) =
        after([Rule::new(Fault::Raw(Bytes::from(body))).path("manifests").always()]).await;
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::LimitExceeded), "{error}");
}

/// The bytes decide. Proxies and old registries announce nothing, rubbish, or the digest of another document.
#[tokio::test]
async fn a_digest_that_is_announced_wrongly_is_no_harm() {
    let header =
        |value: &str| Fault::Header { name: "docker-content-digest", value: value.to_owned() };
    let other = format!("sha256:{}", "0".repeat(64));
    for fault in [header("no digest"), header(""), header(&other), Fault::WrongDigest] {
        let (server, sent) = (open(), image(noise(3000)));
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        let what = format!("{fault:?}");
        server.inject(Rule::new(fault).path("manifests").always());
        let back = pull(&plain(), &server, "a:1").await.unwrap();
        assert_eq!(back.manifest.descriptor(), sent.manifest.descriptor(), "{what}");
        let committed = push(&plain(), &server, "a:2", &sent).await.unwrap();
        assert_eq!(committed.descriptor, *sent.manifest.descriptor(), "{what}");
    }
}

#[tokio::test]
async fn a_token_without_an_end() {
    let user = User::new("me", PASSWORD);
    let server = serve(|options| options.auth = Auth::Token(TokenAuth::new([user])));
    server.inject(Rule::new(Fault::Endless).path("/token").always());
    let error = push(&with_password(), &server, "a:1", &image("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let sent: u64 = server.exchanges().iter().map(|one| one.sent).sum();
    assert!(sent < 32 << 20, "{sent}");
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
    let read = pull(&plain(), &server, "a:1").await.unwrap();
    assert_eq!(read.blobs[0].1, sent.blobs[0].1, "they are not used");
}

#[tokio::test]
async fn a_realm_that_is_no_place_for_a_password() {
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
