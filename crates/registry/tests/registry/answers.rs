//! Answers that differ from the specification, or are rare: each is taken as Go's clients take it, and the digest of the bytes
//! decides.

use std::io::Cursor;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use transship_core::{Archives, Body, ErrorKind, Expect, ReadOptions, Transport, WriteOptions};
use transship_registry::{Credential, Registry, Secret, Surroundings};
use transship_test_registry::{ClientCertificates, Fault, Registry as Server, Rule, Tls};

use crate::common::{
    asked, client, destination, image, noise, open, plain, pull, push, serve, source,
};

/// An answer, whole.
pub(crate) fn raw(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers: String =
        headers.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat()).collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {length}");
    Fault::Raw(format!("{head}\r\n{headers}\r\n{body}").into())
}

fn header(name: &'static str, value: &str) -> Fault {
    Fault::Header { name, value: value.to_owned() }
}

fn me(secret: &str) -> Registry {
    client(|options| {
        options.anonymous = false;
        let secret = Secret::new(secret);
        options.credential = Some(Credential::Basic { user: "me".to_owned(), secret });
    })
}

async fn tags(registry: &Registry, server: &Server) -> transship_core::Result<Vec<String>> {
    let at = registry.parse(&format!("//{}/a", server.host()))?;
    let reader = registry.read(&at, &ReadOptions::default()).await?;
    Ok(reader.entries().iter().map(|entry| entry.raw_names[0].clone()).collect())
}

async fn with_an_image() -> (Server, crate::common::Image) {
    let (server, sent) = (open(), image(noise(30_000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    server.forget_exchanges();
    (server, sent)
}

/// Reads are sent on with each status that sends them on.
#[tokio::test]
async fn reads_are_sent_on() {
    for status in [301, 302, 303, 307, 308] {
        let (server, sent) = with_an_image().await;
        let whole = format!("http://{}/v2/a/manifests/1?moved=%2F", server.host());
        for (path, to) in [("manifests/1", &*whole), ("tags/list", "/v2/a/tags/list")] {
            server.inject(Rule::new(raw(status, &[("Location", to)], "")).path(path));
        }
        let layer = sent.blobs[0].0.digest.to_string();
        let relative = format!("../blobs/{layer}");
        server.inject(Rule::new(raw(status, &[("location", &relative)], "")).path(&layer));
        let pulled = pull(&plain(), &server, "a:1").await;
        assert!(pulled.is_ok(), "{status}: {pulled:?}");
        assert_eq!(tags(&plain(), &server).await.unwrap(), ["1"], "{status}");
        assert_eq!(server.pending_faults(), 0, "{status}");
    }
    // What says nowhere to go is an error, and so is a write that would become a read.
    let (server, sent) = with_an_image().await;
    for status in [300, 301, 302, 305, 307] {
        server.clear_faults();
        server.inject(Rule::new(raw(status, &[], "")).path("manifests/1"));
        assert!(pull(&plain(), &server, "a:1").await.is_err(), "{status}");
    }
    for status in [301, 302, 303] {
        server.clear_faults();
        let to = [("Location", "/v2/a/elsewhere?secret=1")];
        server.inject(Rule::new(raw(status, &to, "")).method("PUT").path("manifests").always());
        let error = push(&plain(), &server, "a:2", &sent).await.unwrap_err();
        let hint = error.advice().unwrap().to_string();
        assert!(hint.contains("/v2/a/elsewhere") && !hint.contains("secret"), "{hint}");
    }
}

/// The next page of a list, however it is named: behind a proxy, by a host that nobody reaches.
#[tokio::test]
async fn links_to_the_next_page() {
    let (server, _) = with_an_image().await;
    let (media_type, bytes) = server.manifest("a", "1").unwrap();
    server.put_manifest("a", Some("2"), &media_type, bytes);
    let first = r#"{"name":"a","tags":["1"]}"#;
    for link in [
        "</v2/a/tags/list?last=1>; rel=\"next\"",
        "<list?last=1>; rel=next",
        "<?last=1>;rel=next",
        "</v2/a/tags/list?last=1>; REL=\"NEXT\"",
        "</v2/a/tags/list>; rel=\"first\", </v2/a/tags/list?last=1>; title=\"a, b\"; rel=\"last next\"",
        "<https://registry.internal.invalid:5000/v2/a/tags/list?last=1>; rel=\"next\"",
        "<http://user:secret@10.255.255.1/v2/a/tags/list?last=1>; rel=\"next\"",
    ] {
        server.clear_faults();
        server.inject(Rule::new(raw(200, &[("Link", link)], first)).path("tags/list"));
        assert_eq!(tags(&plain(), &server).await.expect(link), ["1", "2"], "{link}");
    }
}

/// What a list of tags may be, and what it may not be.
#[tokio::test]
async fn documents_of_tags() {
    let (server, _) = with_an_image().await;
    for (body, found) in [
        (r#"{"name":"a","tags":["1"]}"#, Ok(1)),
        (r#"{"tags":["1",null,"1"],"more":{}}"#, Ok(1)),
        (r#"{"name":null,"tags":["1","2"]}"#, Ok(2)),
        (r#"{"name":"a","tags":null}"#, Err(ErrorKind::NotFound)),
        (r#"{"name":"a"}"#, Err(ErrorKind::NotFound)),
        ("null", Err(ErrorKind::NotFound)),
        ("", Err(ErrorKind::Corrupt)),
        ("<html>", Err(ErrorKind::Corrupt)),
        (r#"{"tags":{}}"#, Err(ErrorKind::Corrupt)),
    ] {
        server.clear_faults();
        server.inject(Rule::new(raw(200, &[("Content-Type", "text/html")], body)).path("tags"));
        let listed = tags(&plain(), &server).await;
        let listed = listed.map(|tags| tags.len()).map_err(|error| error.kind());
        assert_eq!(listed, found, "{body}");
    }
    let unknown = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}"#;
    server.inject(Rule::new(raw(404, &[], unknown)).path("tags"));
    let error = tags(&plain(), &server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("no such repository"), "{error}");
}

/// Types that servers give to manifests, or do not.
#[tokio::test]
async fn types_of_manifests() {
    let (server, sent) = with_an_image().await;
    let own = sent.manifest.descriptor().media_type.to_string();
    for said in [
        format!("{own}; charset=utf-8"),
        own.to_uppercase(),
        format!("{own} ;q=1"),
        "application/json".to_owned(),
        "text/plain; charset=utf-8".to_owned(),
        String::new(),
        "application/vnd.docker.distribution.manifest.v2+json".to_owned(),
        "application/vnd.docker.distribution.manifest.v1+json".to_owned(),
    ] {
        server.clear_faults();
        server.inject(Rule::new(header("content-type", &said)).path("manifests/1").always());
        let back = pull(&plain(), &server, "a:1").await.expect(&said);
        assert_eq!(back.manifest.descriptor(), sent.manifest.descriptor(), "{said}");
        let at = plain().parse(&format!("//{}/a:1", server.host())).unwrap();
        let how = ReadOptions::default().with_compare(true);
        let from = plain().source(&at, &how).await.expect(&said);
        let root = from.root_descriptor().unwrap();
        assert_eq!(root.digest, sent.manifest.descriptor().digest, "{said}");
    }
}

/// The digest that is announced is a hint, in whatever algorithm and on whatever request.
#[tokio::test]
async fn digests_that_are_announced() {
    let (server, sent) = with_an_image().await;
    let sha512 = format!("sha512:{}", "0".repeat(128));
    for said in ["", "sha256:", "md5:00", "none", &sha512, "sha256:ABC"] {
        server.clear_faults();
        let digest = header("docker-content-digest", said);
        server.inject(Rule::new(digest).always());
        assert_eq!(pull(&plain(), &server, "a:1").await.expect(said).manifest, sent.manifest);
        push(&plain(), &server, "a:2", &sent).await.expect(said);
        let digest = sent.manifest.descriptor().digest.to_string();
        pull(&plain(), &server, &format!("a@{digest}")).await.expect(said);
    }
}

/// A pull that was cut goes on, however the server answers to the rest of it.
#[tokio::test]
async fn the_rest_of_a_blob() {
    let bytes = noise(30_000);
    let rest = |range: &str| {
        let range =
            if range.is_empty() { String::new() } else { format!("Content-Range: {range}\r\n") };
        let head = format!("HTTP/1.1 206 So\r\nContent-Length: 20000\r\n{range}\r\n");
        let mut answer = head.into_bytes();
        answer.extend_from_slice(&bytes[10_000..]);
        Fault::Raw(Bytes::from(answer))
    };
    for (what, fault) in [
        ("416", raw(416, &[("Content-Range", "bytes */30000")], "")),
        ("200", Fault::IgnoreRange),
        ("206 without a range", rest("")),
        ("206 in capitals", rest("Bytes 10000-29999/30000")),
        ("206 of a size that is not known", rest("bytes 10000-29999/*")),
        ("206 with an equals sign", rest("bytes=10000-29999/30000")),
        ("503", Fault::Status { status: 503, retry_after: None }),
    ] {
        let (server, sent) = with_an_image().await;
        let layer = sent.blobs[0].0.digest.to_string();
        server.inject(Rule::new(Fault::CutResponse { after: 10_000 }).path(&layer));
        server.inject(Rule::new(fault).path(&layer));
        pull(&plain(), &server, "a:1").await.expect(what);
        assert_eq!(server.pending_faults(), 0, "{what}");
    }
    // A server that refuses all of it is no riddle without an end.
    let (server, sent) = with_an_image().await;
    let layer = sent.blobs[0].0.digest.to_string();
    server.inject(Rule::new(raw(416, &[], "")).path(&layer).always());
    assert!(pull(&plain(), &server, "a:1").await.is_err());
    assert!(server.exchanges().len() < 20);
}

/// HEAD of a blob that says another length than the blob has, as some caches do, is no proof that the blob is not there.
#[tokio::test]
async fn lengths_of_heads() {
    for length in ["0", "7", "x"] {
        let (server, sent) = with_an_image().await;
        let fault = raw(200, &[], "");
        let wrong =
            Fault::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into());
        let fault = if length == "x" { fault } else { wrong };
        server.inject(Rule::new(fault).method("HEAD").path("/blobs/").always());
        let from = source(&plain(), &server, "a:1").await.unwrap();
        assert!(from.holds(&sent.blobs[0].0).await.unwrap(), "{length}");
        push(&plain(), &server, "a:2", &sent).await.expect(length);
    }
}

/// Statuses of success that another one would be by the specification.
#[tokio::test]
async fn statuses_of_success() {
    for (method, path, status) in [
        ("PUT", "manifests", 200),
        ("PUT", "manifests", 202),
        ("PUT", "manifests", 204),
        ("PUT", "uploads", 200),
        ("PUT", "uploads", 202),
        ("PUT", "uploads", 204),
        ("POST", "uploads", 200),
        ("POST", "uploads", 201),
        ("PATCH", "uploads", 200),
        ("PATCH", "uploads", 204),
    ] {
        let (server, sent) = (open(), image(noise(10_000)));
        server.inject(Rule::new(Fault::Answered(status)).method(method).path(path).always());
        if method == "PATCH" {
            let to = destination(&plain(), &server, "a:1", &WriteOptions::default()).await.unwrap();
            let body = Body::from_reader(Cursor::new(noise(50_000)));
            to.put_blob(Expect::anything(), body).await.expect("a stream");
        }
        push(&plain(), &server, "a:1", &sent)
            .await
            .unwrap_or_else(|e| panic!("{method} {path} {status}: {e}"));
        pull(&plain(), &server, "a:1").await.unwrap();
    }
}

/// A piece that was taken without a word of where to go on goes on where it was.
#[tokio::test]
async fn pieces_without_a_location() {
    let server = open();
    server.inject(Rule::new(Fault::WithoutHeader("location")).method("PATCH").always());
    let registry = client(|options| options.chunk_size = Some(20_000));
    let to = destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
    let body = Body::from_reader(Cursor::new(noise(50_000)));
    to.put_blob(Expect::anything(), body).await.unwrap();
    assert_eq!(server.count("PATCH", "uploads"), 3, "{:?}", asked(&server));
    // An upload that begins nowhere does not begin.
    server.inject(Rule::new(Fault::WithoutHeader("location")).method("POST").always());
    let error = push(&plain(), &server, "a:1", &image("x")).await.unwrap_err();
    assert!(error.to_string().contains("location"), "{error}");
}

/// Who takes no body without a length gets pieces.
#[tokio::test]
async fn lengths_are_required() {
    let server = open();
    let fault = Fault::Status { status: 411, retry_after: None };
    server.inject(Rule::new(fault).method("PATCH").path("uploads"));
    let to = destination(&plain(), &server, "a:1", &WriteOptions::default()).await.unwrap();
    let bytes = noise(50_000);
    let body = Body::from_reader(Cursor::new(bytes.clone()));
    let stored = to.put_blob(Expect::anything(), body).await.unwrap();
    assert_eq!(server.blob("a", stored.digest.as_ref()).unwrap(), bytes);
    let mut patches = server.exchanges().into_iter().filter(|one| one.method == "PATCH");
    assert!(patches.next_back().unwrap().header("content-length").is_some());
}

/// How long a server asks to wait, and for what.
#[tokio::test]
async fn waits_that_are_asked_for() {
    for (status, after, least) in [
        (429, "1", 900),
        (503, "1", 900),
        (429, "in two seconds", 900),
        (429, "Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (429, "-1", 0),
        (429, "soon", 0),
        (429, "0", 0),
        (429, "", 0),
    ] {
        let (server, _) = with_an_image().await;
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
        let value = if after == "in two seconds" { &date } else { after };
        let fault = raw(status, &[("Retry-After", value)], "<html>");
        server.inject(Rule::new(fault).path("manifests"));
        let start = Instant::now();
        pull(&plain(), &server, "a:1").await.unwrap_or_else(|e| panic!("{status} {after}: {e}"));
        assert!(start.elapsed() >= Duration::from_millis(least), "{status} {after}");
        assert!(start.elapsed() < Duration::from_secs(10), "{status} {after}");
    }
}

/// What a server says of an error is shown, in whatever form it says it.
#[tokio::test]
async fn words_of_errors() {
    for (body, said) in [
        (r#"{"errors":[{"code":"DENIED","message":"m","detail":{"name":"a/b"}}]}"#, "a/b"),
        (r#"{"errors":[{"code":"DENIED","message":"m","detail":["x"]}]}"#, "m (DENIED)"),
        (r#"{"errors":{"code":"DENIED","message":"of one"}}"#, "of one (DENIED)"),
        (r#"{"errors":["only text"]}"#, "only text"),
        (r#"[{"code":"DENIED","message":"in a list"}]"#, "in a list"),
        (r#"{"error":{"message":"in an object"}}"#, "in an object"),
        (r#"{"message":"bare"}"#, "bare"),
        ("plain words\n", "plain words"),
        ("<!doctype html><title>x</title>", "403 Forbidden"),
        ("", "403 Forbidden"),
        ("{", "403 Forbidden"),
    ] {
        let (server, _) = with_an_image().await;
        server.inject(Rule::new(raw(403, &[], body)).path("manifests").always());
        let error = pull(&plain(), &server, "a:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains(said), "{body}: {error}");
        assert!(!error.to_string().contains("<!"), "{error}");
    }
}

/// Referrers under the type that servers without care give to everything, and what is no list at all.
#[tokio::test]
async fn documents_of_referrers() {
    let (server, sent) = with_an_image().await;
    let digest = &sent.manifest.descriptor().digest;
    let list = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":7}}]}}"#
    );
    for (media_type, body, found) in [
        ("application/vnd.oci.image.index.v1+json", &*list, 1),
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", &list, 1),
        ("Application/JSON", &list, 1),
        ("text/html", "<html>", 0),
        ("application/json", "{}", 0),
        ("application/json", "[]", 0),
    ] {
        server.clear_faults();
        server.inject(Rule::new(raw(200, &[("Content-Type", media_type)], body)).path("referrers"));
        let from = source(&plain(), &server, "a:1").await.unwrap();
        let listed = from.referrers().unwrap().referrers(digest).await;
        assert_eq!(listed.unwrap().len(), found, "{media_type} {body}");
    }
}

/// A stranger may read, and who writes is asked who it is: at the verb that needs it, with or without a challenge there.
#[tokio::test]
async fn asked_at_some_verbs() {
    let challenge = [("WWW-Authenticate", "Basic realm=\"x\"")];
    for (method, path) in [
        ("HEAD", "blobs"),
        ("POST", "uploads"),
        ("PUT", "uploads"),
        ("PUT", "manifests"),
        ("PATCH", "uploads"),
    ] {
        let (server, sent) = (open(), image(noise(20_000)));
        server.inject(Rule::new(raw(401, &challenge, "")).method(method).path(path));
        let registry = me("secret");
        if method == "PATCH" {
            let to =
                destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
            let body = Body::from_reader(Cursor::new(noise(50_000)));
            to.put_blob(Expect::anything(), body).await.expect(method);
        }
        push(&registry, &server, "a:1", &sent)
            .await
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert_eq!(server.pending_faults(), 0, "{method} {path}");
        let last = server.exchanges().pop().unwrap();
        assert!(last.header("authorization").unwrap().starts_with("Basic"), "{method} {path}");
    }
}

/// A realm that moved is followed; what is secret goes to the same service alone.
#[tokio::test]
async fn realms_that_moved() {
    for status in [301, 302, 303, 307, 308] {
        let (server, other) = (with_an_image().await.0, open());
        let challenge = format!("Bearer realm=\"http://{}/auth?x=1\",service=\"s\"", server.host());
        let ask = || Rule::new(raw(401, &[("WWW-Authenticate", &challenge)], "")).path("manifests");
        server.inject(ask());
        server.inject(Rule::new(raw(status, &[("Location", "/moved?y=2")], "")).path("/auth"));
        server.inject(
            Rule::new(raw(200, &[], r#"{"token":null,"access_token":"t"}"#)).path("/moved"),
        );
        pull(&me("hunter2"), &server, "a:1").await.unwrap_or_else(|e| panic!("{status}: {e}"));
        let moved = server.exchanges().into_iter().find(|one| one.path == "/moved").unwrap();
        assert!(moved.header("authorization").unwrap().starts_with("Basic"), "{status}");
        assert_eq!(server.exchanges().last().unwrap().header("authorization"), Some("Bearer t"));
        // Elsewhere.
        server.clear_faults();
        server.inject(ask());
        let to = format!("http://{}/token", other.host());
        server.inject(Rule::new(raw(status, &[("Location", &to)], "")).path("/auth"));
        other.inject(Rule::new(raw(200, &[], r#"{"token":"t"}"#)).path("/token"));
        pull(&me("hunter2"), &server, "a:1").await.unwrap();
        assert_eq!(other.exchanges()[0].header("authorization"), None, "{status}");
    }
    // A secret in a body goes nowhere else at all.
    let (server, other) = (with_an_image().await.0, open());
    let challenge = format!("Bearer realm=\"http://{}/auth\"", server.host());
    server.inject(Rule::new(raw(401, &[("WWW-Authenticate", &challenge)], "")).path("manifests"));
    let to = format!("http://{}/token", other.host());
    server.inject(Rule::new(raw(307, &[("Location", &to)], "")).path("/auth").always());
    let registry = client(|options| {
        options.anonymous = false;
        options.credential = Some(Credential::IdentityToken(Secret::new("hunter2")));
    });
    let error = pull(&registry, &server, "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(other.exchanges().is_empty() && !format!("{error:?}").contains("hunter2"), "{error:?}");
}

/// The storage that a registry sends readers to is mostly of the same authority: what is kept for the registry proves it. Who we are
/// is shown to the registry alone.
#[tokio::test]
async fn storage_of_the_same_authority() {
    let tls = || serve(|options| options.tls = Tls::On(ClientCertificates::Asked));
    let (server, storage, folder) = (tls(), tls(), tempfile::tempdir().unwrap());
    let port = server.host().rsplit_once(':').unwrap().1;
    let host = format!("localhost:{port}");
    let certificates = folder.path().join("etc/containers/certs.d").join(&host);
    std::fs::create_dir_all(&certificates).unwrap();
    let write = |name: &str, text: &str| std::fs::write(certificates.join(name), text).unwrap();
    let (certificate, key) = server.client_pem().unwrap();
    write("me.cert", certificate);
    write("me.key", key);
    write("ca.crt", server.ca_pem().unwrap());
    let layer = noise(20_000);
    server.put_blob("a", layer.clone());
    let digest = storage.put_blob("a", layer.clone());
    let pull = async || {
        let to = format!("https://{}{{path}}", storage.host());
        server.clear_faults();
        server.inject(Rule::new(Fault::Redirect { to }).path("/blobs/").always());
        let registry = client(|options| {
            options.surroundings = Surroundings::below(folder.path());
            options.retries = 0;
        });
        let of = image(layer.clone());
        let media_type = of.manifest.descriptor().media_type.to_string();
        server.put_manifest("a", Some("1"), &media_type, of.manifest.bytes().clone());
        let at = registry.parse(&format!("//{host}/a:1")).unwrap();
        let from = registry.source(&at, &ReadOptions::default()).await?;
        from.blob(&of.blobs[0].0).await?.bytes(1 << 20).await
    };
    let error = pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    write("storage.crt", storage.ca_pem().unwrap());
    assert_eq!(pull().await.unwrap(), layer);
    assert!(server.exchanges().iter().all(|one| one.client_certificate));
    let asked = storage.exchanges();
    assert!(asked.iter().all(|one| !one.client_certificate && one.path.contains(digest.as_ref())));
    assert!(!asked.is_empty());
}
