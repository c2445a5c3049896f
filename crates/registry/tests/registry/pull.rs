use transship_core::{Document, ErrorKind, Transport};
use transship_test_registry::{Fault, Listen, RangeRequests, Rule};

use crate::common::{asked, image, noise, open, plain, pull, push, serve, source};

#[tokio::test]
async fn an_image_comes_back_as_it_went() {
    let (server, sent) = (open(), image(noise(3 << 20)));
    let registry = plain();
    let committed = push(&registry, &server, "team/app:1", &sent).await.unwrap();
    let reference = committed.references[0].to_string();
    assert_eq!(reference, format!("docker://{}/team/app:1", server.host()));
    let back = pull(&registry, &server, "team/app:1").await.unwrap();
    assert_eq!(back.manifest.bytes(), sent.manifest.bytes());
    assert_eq!(back.blobs.len(), 2);
    let digest = &sent.manifest.descriptor().digest;
    // The digest decides, whatever the tag is.
    let by_digest = pull(&registry, &server, &format!("team/app:other@{digest}")).await.unwrap();
    assert_eq!(by_digest.manifest.bytes(), sent.manifest.bytes());
    assert_eq!(server.sessions(), 0);
}

#[tokio::test]
async fn what_a_pull_costs() {
    let (server, sent) = (open(), image("layer"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    server.forget_exchanges();
    pull(&plain(), &server, "a:1").await.unwrap();
    let asked: Vec<String> = asked(&server);
    // The server is on loopback and speaks plain HTTP: TLS, which it does not understand, is no request.
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked[0], "GET /v2/a/manifests/1");
}

#[tokio::test]
async fn only_the_first_tags_are_listed() {
    let (server, registry) = (open(), plain());
    push(&registry, &server, "a:10", &image("layer")).await.unwrap();
    let (media_type, bytes) = server.manifest("a", "10").unwrap();
    for (last, end) in [(29, "28, 29"), (30, "28, 29 and more")] {
        for tag in 11..=last {
            server.put_manifest("a", Some(&tag.to_string()), &media_type, bytes.clone());
        }
        let error = source(&registry, &server, "a:other").await.unwrap_err();
        let hint = error.advice().unwrap().to_string();
        assert!(hint.starts_with("its tags are 10, 11, ") && hint.ends_with(end), "{hint}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (server, sent) = (open(), image("layer"));
    let registry = plain();
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let error = source(&registry, &server, "a:2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.advice(), Some(&"its tags are 1".into()));
    let error = source(&registry, &server, "b:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let from = source(&registry, &server, "a:1").await.unwrap();
    let absent = crate::common::described(transship_core::MediaType::ImageLayer, b"absent");
    assert_eq!(from.blob(&absent).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(from.manifest(&absent).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_part_of_an_image_that_was_deleted_is_a_conflict() {
    let (server, sent) = (open(), image("layer"));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let from = source(&plain(), &server, "a:1").await.unwrap();
    let (layer, root) = (&sent.blobs[0].0, &sent.manifest.descriptor().digest);
    let lacks = |path: &str| {
        server.inject(
            Rule::new(Fault::Status { status: 404, retry_after: None }).path(path).always(),
        );
    };
    lacks(layer.digest.as_ref());
    assert_eq!(from.blob(layer).await.unwrap_err().kind(), ErrorKind::NotFound);
    lacks(root.as_ref());
    let error = from.blob(layer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains("deleted while it was read"), "{error}");
    let child = crate::common::described(transship_core::MediaType::ImageManifest, b"child");
    assert_eq!(from.manifest(&child).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn schema_1_is_refused() {
    let (server, sent) = (open(), image("layer"));
    push(&plain(), &server, "old:1", &sent).await.unwrap();
    let text = r#"{"schemaVersion":1,"fsLayers":[]}"#;
    for media_type in
        ["application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json"]
    {
        let digest = transship_core::sha256(text.as_bytes()).to_string();
        let raw = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nDocker-Content-Digest: {digest}\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        server.inject(Rule::new(Fault::Raw(raw.into())).path("manifests"));
        let error = source(&plain(), &server, "old:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

#[tokio::test]
async fn a_cut_blob_goes_on_where_it_was() {
    let (server, sent) = (open(), image(noise(4 << 20)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    server.forget_exchanges();
    let layer = sent.blobs[0].0.digest.to_string();
    for after in [1, 700_000, 1 << 20, 900_001] {
        server.inject(Rule::new(Fault::CutResponse { after }).path(&layer));
    }
    pull(&plain(), &server, "a:1").await.unwrap();
    assert_eq!(server.pending_faults(), 0);
    let sent_again: u64 =
        server.exchanges().iter().filter(|one| one.path.contains(&layer)).map(|one| one.sent).sum();
    assert!(sent_again < (4 << 20) * 102 / 100 + (1 << 18), "{sent_again}");
}

#[tokio::test]
async fn a_server_without_ranges_sends_again_and_the_bytes_are_true() {
    let server = serve(|options| options.ranges = RangeRequests::Ignored);
    let sent = image(noise(1 << 20));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let layer = sent.blobs[0].0.digest.to_string();
    server.inject(Rule::new(Fault::CutResponse { after: 500_000 }).path(&layer).times(2));
    pull(&plain(), &server, "a:1").await.unwrap();
    assert_eq!(server.pending_faults(), 0);
}

#[tokio::test]
async fn ipv6_hosts() {
    let server = serve(|options| options.listen = Listen::V6);
    let sent = image("layer");
    push(&plain(), &server, "a/b:1", &sent).await.unwrap();
    let back = pull(&plain(), &server, "a/b:1").await.unwrap();
    assert!(matches!(back.manifest.document(), Document::Image(_)));
}

#[tokio::test]
async fn a_tag_that_moves_does_not_move_an_open_source() {
    let (server, old, new) = (open(), image("old"), image("new"));
    let registry = plain();
    push(&registry, &server, "a:1", &old).await.unwrap();
    let from = source(&registry, &server, "a:1").await.unwrap();
    push(&registry, &server, "a:1", &new).await.unwrap();
    assert_eq!(from.root().await.unwrap().bytes(), old.manifest.bytes());
}

#[test]
fn two_slashes_are_needed() {
    let error = plain().parse("alpine").unwrap_err();
    assert_eq!(error.advice(), Some(&"the form is docker://alpine".into()));
}
