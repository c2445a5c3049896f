use bytes::Bytes;
use serde_json::json;
use transship_core::{
    Commit, Descriptor, Document, EMPTY_JSON_DIGEST, Manifest, MediaType, WriteOptions,
    parse_digest,
};
use transship_registry::Registry;
use transship_test_registry::{ReferrersApi, Registry as Server};

use crate::common::{Image, destination, image, open, plain, push, put, serve, source};

/// An artifact about an image.
fn about(subject: &Descriptor, text: &str) -> Image {
    let empty = Descriptor::new(MediaType::EmptyJSON, parse_digest(EMPTY_JSON_DIGEST).unwrap(), 2);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageManifest.as_ref(),
        "artifactType": "application/vnd.example.sbom",
        "config": empty,
        "layers": [empty],
        "subject": subject,
        "annotations": { "text": text },
    });
    let manifest = Manifest::new(manifest.to_string()).unwrap();
    Image { manifest, blobs: vec![(empty, Bytes::from_static(b"{}"))] }
}

async fn write(registry: &Registry, server: &Server) -> (Image, Vec<Image>) {
    let sent = image("layer");
    let referrers: Vec<Image> =
        ["one", "two"].iter().map(|text| about(sent.manifest.descriptor(), text)).collect();
    let to = destination(registry, server, "a:1", &WriteOptions::default()).await.unwrap();
    put(&*to, &sent).await.unwrap();
    for referrer in referrers.iter().chain([&referrers[0]]) {
        put(&*to, referrer).await.unwrap();
        to.put_manifest(&referrer.manifest).await.unwrap();
    }
    to.commit(Commit::new(&sent.manifest)).await.unwrap();
    (sent, referrers)
}

async fn check(registry: &Registry, server: &Server, sent: &Image, want: &[Image]) {
    let from = source(registry, server, "a:1").await.unwrap();
    let digest = &sent.manifest.descriptor().digest;
    let found = from.referrers().unwrap().referrers(digest).await.unwrap();
    assert_eq!(found.len(), want.len());
    for (entry, referrer) in found.iter().zip(want) {
        assert_eq!(entry.artifact_type.as_deref(), Some("application/vnd.example.sbom"));
        assert!(entry.annotations.contains_key("text"));
        let read = from.manifest(entry).await.unwrap();
        assert!(want.iter().any(|one| one.manifest.bytes() == read.bytes()), "{referrer:?}");
    }
    let none = from.referrers().unwrap().referrers(&transship_core::sha256(b"x")).await.unwrap();
    assert_eq!(none, []);
}

#[tokio::test]
async fn by_the_api() {
    let (server, registry) = (open(), plain());
    let (sent, referrers) = write(&registry, &server).await;
    check(&registry, &server, &sent, &referrers).await;
    assert_eq!(server.tags("a").len(), 1);
}

#[tokio::test]
async fn by_the_tag_where_there_is_no_api() {
    let server = serve(|options| options.referrers = ReferrersApi::Off);
    let registry = plain();
    let (sent, referrers) = write(&registry, &server).await;
    check(&registry, &server, &sent, &referrers).await;
    let digest = sent.manifest.descriptor().digest.digest().to_owned();
    let (_, index) = server.manifest("a", &format!("sha256-{digest}")).unwrap();
    let Document::Index(index) = Document::parse(&index).unwrap() else { panic!() };
    assert_eq!(index.manifests.len(), 2);
}

#[tokio::test]
async fn many_at_once_lose_none() {
    let server = serve(|options| options.referrers = ReferrersApi::Off);
    let registry = plain();
    let sent = image("layer");
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let all: Vec<Image> =
        (0..8).map(|at| about(sent.manifest.descriptor(), &at.to_string())).collect();
    let names: Vec<String> = (0..8).map(|at| format!("a:{at}")).collect();
    let writes = all.iter().zip(&names).map(|(one, name)| async {
        let to = destination(&registry, &server, name, &WriteOptions::default()).await?;
        put(&*to, &sent).await?;
        put(&*to, one).await?;
        to.put_manifest(&one.manifest).await?;
        to.commit(Commit::new(&sent.manifest)).await
    });
    futures_util::future::try_join_all(writes).await.unwrap();
    check(&registry, &server, &sent, &all).await;
}
