use transship_core::{Commit, Document, ErrorKind, Expect, ReadOptions, Transport, WriteOptions};
use transship_registry::Registry;
use transship_test_registry::{Fault, ReferrersApi, Registry as Server, Rule};

use crate::common::{
    Heard, Image, about, client, destination, image, open, plain, push, put, serve, source,
};

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
    let digest = sent.manifest.descriptor().digest.encoded().to_owned();
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

/// Where a registry refuses to list referrers, the image counts as having none, and a warning says why. A temporary failure is an
/// error.
#[tokio::test]
async fn lists_and_tags_that_are_refused_stop_no_copy() {
    for (said, paths) in [400, 401, 402, 403, 404, 405].into_iter().flat_map(|said| {
        let (api, tags) = ("/referrers/", "manifests/sha256-");
        [(said, vec![api]), (said, vec![tags]), (said, vec![api, tags])]
    }) {
        let (server, sent) = (open(), image("layer"));
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        for path in &paths {
            let fault = Fault::Status { status: said, retry_after: None };
            server.inject(Rule::new(fault).path(path).always());
        }
        let (heard, mut how) = (Heard::default(), ReadOptions::default());
        how.observer = heard.observer();
        let registry = plain();
        let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
        let from = registry.source(&at, &how).await.unwrap();
        let (root, about) = (&sent.manifest.descriptor().digest, from.referrers().unwrap());
        assert_eq!(about.referrers(root).await.unwrap(), [], "{said} {paths:?}");
        assert_eq!(about.beside(root).await.unwrap(), [], "{said} {paths:?}");
        let told = heard.text().matches("count as absent").count();
        assert_eq!(
            told,
            usize::from(said != 404 && paths.contains(&"manifests/sha256-")),
            "{said} {paths:?}"
        );
    }
    for path in ["/referrers/", "manifests/sha256-"] {
        let (server, sent) = (open(), image("layer"));
        let registry = client(|options| options.retries = 0);
        push(&registry, &server, "a:1", &sent).await.unwrap();
        let fault = Fault::Status { status: 500, retry_after: None };
        server.inject(Rule::new(fault).path(path).always());
        let from = source(&registry, &server, "a:1").await.unwrap();
        let (root, about) = (&sent.manifest.descriptor().digest, from.referrers().unwrap());
        let asked = match path {
            "/referrers/" => about.referrers(root).await.map(|_| ()),
            _ => about.beside(root).await.map(|_| ()),
        };
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

/// The image is there, whatever becomes of the list of what is about it. What may pass is tried again and is an error.
#[tokio::test]
async fn a_list_that_cannot_be_written_is_lost() {
    for status in [400, 403, 404, 405, 409, 412, 500] {
        let server = serve(|options| options.referrers = ReferrersApi::Off);
        let registry = client(|options| options.retries = 1);
        let (sent, subject) = (image("layer"), image("subject"));
        let about = about(subject.manifest.descriptor(), "one");
        let fault = Fault::Status { status, retry_after: None };
        server.inject(Rule::new(fault).method("PUT").path("manifests/sha256-").always());
        let to = destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
        put(&*to, &sent).await.unwrap();
        put(&*to, &about).await.unwrap();
        to.put_manifest(&about.manifest).await.unwrap();
        let committed = to.commit(Commit::new(&sent.manifest)).await;
        let tries = server.count("PUT", "manifests/sha256-");
        if status == 500 {
            assert_eq!(committed.unwrap_err().kind(), ErrorKind::Unavailable);
            assert_eq!(tries, 2);
            continue;
        }
        let lost = committed.unwrap().lost;
        let digest = about.manifest.descriptor().digest.to_string();
        assert!(lost.len() == 1 && lost[0].contains(&digest), "{status}: {lost:?}");
        assert!(lost[0].contains(&status.to_string()), "{lost:?}");
        assert_eq!((server.tags("a").len(), tries), (1, 1), "{status}");
        // Of what is about another image itself, the tag is there, too.
        let to = destination(&registry, &server, "a:2", &WriteOptions::default()).await.unwrap();
        put(&*to, &about).await.unwrap();
        let committed = to.commit(Commit::new(&about.manifest)).await.unwrap();
        assert_eq!(committed.references.len(), 1);
        assert!(committed.lost.len() == 1 && server.tags("a").len() == 2, "{committed:?}");
    }
}

/// A tag beside an image says what it is about: it moves to the new signatures. Where it may not, that is said.
#[tokio::test]
async fn a_tag_beside_an_image_moves() {
    let (server, registry, sent) = (open(), plain(), image("layer"));
    let tag = format!("sha256-{}.sig", sent.manifest.descriptor().digest.encoded());
    let sign = async |text: &str| {
        let signatures = about(sent.manifest.descriptor(), text);
        let to = destination(&registry, &server, "a:1", &WriteOptions::default()).await.unwrap();
        put(&*to, &sent).await.unwrap();
        put(&*to, &signatures).await.unwrap();
        to.put_manifest(&signatures.manifest).await.unwrap();
        to.beside().unwrap().put_beside(&tag, &signatures.manifest).await.unwrap();
        let committed = to.commit(Commit::new(&sent.manifest)).await.unwrap();
        let (_, tagged) = server.manifest("a", &tag).unwrap();
        (committed.lost, tagged == *signatures.manifest.bytes())
    };
    assert_eq!(sign("one").await, (vec![], true));
    assert_eq!(sign("two").await, (vec![], true));
    let fault = Fault::Status { status: 409, retry_after: None };
    server.inject(Rule::new(fault).method("PUT").path(&format!("manifests/{tag}")).always());
    assert_eq!(sign("two").await, (vec![], true), "it is there already");
    let (lost, moved) = sign("three").await;
    assert!(!moved && lost.len() == 1 && lost[0].contains(&tag), "{lost:?}");
}

/// What a delta needs is asked for in another way where HEAD is refused; a registry that is down lacks nothing.
#[tokio::test]
async fn what_a_place_holds_is_not_guessed() {
    let (server, sent) = (open(), image("layer"));
    let registry = client(|options| options.retries = 0);
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let to = destination(&registry, &server, "a:2", &WriteOptions::default()).await.unwrap();
    let contents = to.contents().unwrap();
    let held = Expect::from(&sent.blobs[0].0);
    let absent = Expect::digest(transship_core::sha256(b"absent"));
    let root = Expect::digest(sent.manifest.descriptor().digest.clone());
    for status in [405, 403, 501, 503] {
        server.clear_faults();
        let fault = Fault::Status { status, retry_after: None };
        server.inject(Rule::new(fault).method("HEAD").always());
        let found = contents.holds(&held).await.map_err(|error| error.kind());
        if status == 503 {
            assert_eq!(found, Err(ErrorKind::Unavailable));
            continue;
        }
        assert_eq!(found, Ok(true), "{status}");
        assert!(contents.holds(&root).await.unwrap(), "{status}");
        assert!(!contents.holds(&absent).await.unwrap(), "{status}");
    }
}
