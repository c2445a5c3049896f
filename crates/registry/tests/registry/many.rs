use transship_core::{
    Archives, Commit, ErrorKind, ImageName, ReadOptions, Transport, WriteOptions,
};

use crate::common::{image, open, plain, push, put, serve};

#[tokio::test]
async fn tags_are_listed_page_by_page() {
    let server = serve(|options| options.page = Some(7));
    let sent = image("layer");
    push(&plain(), &server, "a:t0", &sent).await.unwrap();
    for at in 1..50 {
        let (media_type, bytes) = server.manifest("a", "t0").unwrap();
        server.put_manifest("a", Some(&format!("t{at}")), &media_type, bytes);
    }
    // The list of referrers of an image is no image.
    let hidden = format!("sha256-{}", "a".repeat(64));
    server.put_manifest("a", Some(&hidden), "application/vnd.oci.image.index.v1+json", "{}");
    let registry = plain();
    let at = registry.parse(&format!("//{}/a", server.host())).unwrap();
    let reader = registry.read(&at, &ReadOptions::default()).await.unwrap();
    assert_eq!(reader.entries().len(), 50);
    let entry = &reader.entries()[3];
    assert_eq!(entry.names[0].to_string(), entry.reference.locator()[2..]);
    let details = reader.details(entry).await.unwrap();
    assert_eq!(details.root.unwrap().digest, sent.manifest.descriptor().digest);
    assert_eq!(details.platforms[0].to_string(), "linux/amd64");
    let opened = reader.open(entry).await.unwrap();
    assert_eq!(opened.names(), entry.names);
}

#[tokio::test]
async fn images_keep_their_repositories_below_a_prefix() {
    let (server, one, two) = (open(), image("one"), image("two"));
    let registry = plain();
    let at = registry.parse(&format!("//{}/p/", server.host())).unwrap();
    let mut writer = registry.write(&at, &WriteOptions::default()).await.unwrap();
    let names = |texts: &[&str]| -> Vec<ImageName> {
        texts.iter().map(|text| ImageName::new(text).unwrap()).collect()
    };
    let first = writer.image(&names(&["localhost/app:1", "alpine:3"])).await.unwrap();
    let second = writer.image(&names(&["quay.io/x/y"])).await.unwrap();
    let clash = writer.image(&names(&["ghcr.io/app:1"])).await.unwrap_err();
    assert_eq!(clash.kind(), ErrorKind::AlreadyExists, "{clash}");
    assert!(clash.to_string().contains("localhost/app:1"), "{clash}");
    assert_eq!(writer.image(&[]).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(server.exchanges().iter().all(|one| one.method != "PUT"), "nothing is sent before");
    put(&*first, &one).await.unwrap();
    put(&*second, &two).await.unwrap();
    let committed = first.commit(Commit::new(&one.manifest)).await.unwrap();
    assert_eq!(committed.references.len(), 2);
    second.commit(Commit::new(&two.manifest)).await.unwrap();
    // What is there stays claimed.
    assert!(writer.image(&names(&["ghcr.io/app:1"])).await.is_err());
    writer.finish().await.unwrap();
    assert_eq!(server.repositories(), ["p/alpine", "p/app", "p/x/y"]);
    // The second name of the first image is in another repository: mounted, not sent again.
    let sent: u64 = server
        .exchanges()
        .iter()
        .filter(|one| one.path.contains("p/alpine/blobs"))
        .map(|one| one.received)
        .sum();
    assert_eq!(sent, 0);
}

#[tokio::test]
async fn a_repository_takes_tags() {
    let (server, sent) = (open(), image("one"));
    let registry = plain();
    let at = registry.parse(&format!("//{}/r", server.host())).unwrap();
    let mut writer = registry.write(&at, &WriteOptions::default()).await.unwrap();
    // Tags of one other repository come as those tags.
    let name = |text: &str| ImageName::new(text).unwrap();
    let tags = writer.image(&[name("localhost/app:1"), name("localhost/app:4")]).await.unwrap();
    let reference = format!("docker://{}/r:1", server.host());
    assert_eq!(tags.reference().to_string(), reference);
    for other in ["localhost/other:9", "1"] {
        let clash = writer.image(&[name(other)]).await.unwrap_err();
        assert_eq!(clash.kind(), ErrorKind::AlreadyExists, "{other}: {clash}");
    }
    drop(tags);
    assert_eq!(writer.image(&[name("no name")]).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let own = ImageName::new(&format!("{}/r:2", server.host())).unwrap();
    let place = writer.image(&[own, ImageName::new("3").unwrap()]).await.unwrap();
    put(&*place, &sent).await.unwrap();
    place.commit(Commit::new(&sent.manifest)).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(server.tags("r").len(), 2);
    let tagged = registry.parse(&format!("//{}/r:2", server.host())).unwrap();
    let error = registry.write(&tagged, &WriteOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
