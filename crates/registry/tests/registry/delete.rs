//! Deletion: of a tag alone where the server can, else of the manifest, if no other tag goes with it or all may.

use transship_core::{
    DeleteMode, DeleteOptions, DeletedNames, Document, ErrorKind, Hint, Result, Transport,
    WriteOptions,
};
use transship_registry::{Credential, Registry, Secret};
use transship_test_registry::{
    Action, Auth, Deletes, Fault, ReferrersApi, Registry as Server, Right, Rule, TokenAuth, User,
};

use crate::common::{
    Heard, Image, about, asked, client, destination, image, open, plain, push, put, serve,
};

async fn delete(registry: &Registry, server: &Server, rest: &str) -> Result<()> {
    delete_with(registry, server, rest, &DeleteOptions::default()).await
}

async fn delete_with(
    registry: &Registry,
    server: &Server,
    rest: &str,
    how: &DeleteOptions,
) -> Result<()> {
    let at = registry.parse(&format!("//{}/{rest}", server.host())).unwrap();
    registry.deletion().unwrap().delete(&at, how).await
}

/// An image under three tags, and another one under a fourth.
async fn fill(server: &Server) -> (Image, Image) {
    let (one, other) = (image("layer"), image("another"));
    for tag in ["1", "1.2", "latest"] {
        push(&plain(), server, &format!("a:{tag}"), &one).await.unwrap();
    }
    push(&plain(), server, "a:2", &other).await.unwrap();
    server.forget_exchanges();
    (one, other)
}

fn tags(server: &Server) -> Vec<String> {
    server.tags("a").into_iter().map(|(tag, _)| tag).collect()
}

fn deletions(server: &Server) -> usize {
    server.count("DELETE", "/")
}

#[tokio::test]
async fn a_tag_goes_alone_where_the_server_can() {
    let server = open();
    let (one, _) = fill(&server).await;
    delete(&plain(), &server, "a:1").await.unwrap();
    assert_eq!(tags(&server), ["1.2", "2", "latest"]);
    // The last one looks whether it is gone.
    let one_tag = ["HEAD", "DELETE", "HEAD"].map(|method| format!("{method} /v2/a/manifests/1"));
    assert_eq!(asked(&server), one_tag);
    let digest = one.manifest.descriptor().digest.to_string();
    assert!(server.manifest("a", &digest).is_some());
    // A digest beside the tag is held to what the tag is.
    let error = delete(&plain(), &server, &format!("a:2@{digest}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    delete(&plain(), &server, &format!("a:1.2@{digest}")).await.unwrap();
    assert_eq!(tags(&server), ["2", "latest"]);
}

#[tokio::test]
async fn a_tag_does_not_take_others_along_unasked() {
    let server = serve(|options| options.deletes = Deletes::ByDigest);
    fill(&server).await;
    let error = delete(&plain(), &server, "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.advice(), Some(&Hint::DeleteAllNames));
    let text = error.to_string();
    assert!(text.contains("1.2, latest would go with it") && text.contains("a:1"), "{text}");
    assert_eq!(tags(&server), ["1", "1.2", "2", "latest"]);
    // The only tag goes with its manifest.
    delete(&plain(), &server, "a:2").await.unwrap();
    assert_eq!(tags(&server), ["1", "1.2", "latest"]);
    let all = DeleteOptions::default().with_names(DeletedNames::All);
    delete_with(&plain(), &server, "a:1", &all).await.unwrap();
    assert_eq!(tags(&server), Vec::<String>::new());
    let error = delete(&plain(), &server, "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_image_that_an_index_lists_is_not_taken_from_it_unasked() {
    let server = serve(|options| options.deletes = Deletes::ByDigest);
    let (_, other) = fill(&server).await;
    let child = other.manifest.descriptor();
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [child],
    });
    let media_type = "application/vnd.oci.image.index.v1+json";
    server.put_manifest("a", Some("all"), media_type, index.to_string());
    let error = delete(&plain(), &server, "a:2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("all would go with it"), "{error}");
    assert_eq!(tags(&server), ["1", "1.2", "2", "all", "latest"]);
}

#[tokio::test]
async fn a_digest_is_the_image_with_all_tags() {
    let server = open();
    let (one, _) = fill(&server).await;
    let at = format!("a@{}", one.manifest.descriptor().digest);
    delete(&plain(), &server, &at).await.unwrap();
    assert_eq!(tags(&server), ["2"]);
    let error = delete(&plain(), &server, &at).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = delete(&plain(), &server, "nothing:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn looking_changes_nothing_and_says_which_tags_are_the_same() {
    for (names, words) in [
        (DeletedNames::Given, "1.2, latest, of the same image, stay only if"),
        (DeletedNames::All, "1.2, latest, of the same image, go too"),
    ] {
        let server = open();
        fill(&server).await;
        let heard = Heard::default();
        let how = DeleteOptions::default()
            .with_mode(DeleteMode::Look)
            .with_names(names)
            .with_observer(heard.observer());
        delete_with(&plain(), &server, "a:1", &how).await.unwrap();
        assert!(heard.text().contains(words), "{}", heard.text());
        assert_eq!((deletions(&server), tags(&server).len()), (0, 4));
        let error = delete_with(&plain(), &server, "a:9", &how).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains('9'));
    }
}

#[tokio::test]
async fn what_servers_answer() {
    // The answer to the deletion of a tag, how it ends, and how many tags are left of four.
    for (said, kind, left) in [
        (202, None, 3),
        (400, Some(ErrorKind::Unsupported), 4),
        (401, Some(ErrorKind::Denied), 4),
        (403, Some(ErrorKind::Denied), 4),
        (404, Some(ErrorKind::Unsupported), 4),
        (405, Some(ErrorKind::Unsupported), 4),
        (409, Some(ErrorKind::Unexpected), 4),
        (500, Some(ErrorKind::Unavailable), 4),
        (501, Some(ErrorKind::Unsupported), 4),
    ] {
        let server = open();
        fill(&server).await;
        if said != 202 {
            let fault = Fault::Status { status: said, retry_after: None };
            server.inject(Rule::new(fault).method("DELETE").path("manifests/1").always());
        }
        let ended = delete(&plain(), &server, "a:1").await;
        assert_eq!(
            ended.as_ref().err().map(transship_core::Error::kind),
            kind,
            "{said}: {ended:?}"
        );
        assert_eq!(tags(&server).len(), left, "{said}");
    }
    let server = serve(|options| options.deletes = Deletes::Refused);
    fill(&server).await;
    let error = delete(&plain(), &server, "a:2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.advice().unwrap().to_string().contains("storage.delete.enabled"), "{error:?}");
    assert_eq!(tags(&server).len(), 4);
}

/// The answers that registries are known to give: to the deletion of a tag, then to that of its manifest, which is tried only where no
/// other tag goes with it.
#[tokio::test]
async fn what_known_registries_answer() {
    let gone = (None, "");
    let refused = |says| (Some(ErrorKind::Unsupported), says);
    for (registry, tag, manifest, (kind, says)) in [
        ("docker-registry 3", 202, 202, gone),
        ("docker-registry 2.8, which takes a tag for a malformed digest", 400, 202, gone),
        (
            "docker-registry 2.8 without storage.delete.enabled",
            405,
            405,
            refused("storage.delete.enabled"),
        ),
        ("Harbor with an immutable tag", 412, 412, (Some(ErrorKind::Unexpected), "412")),
        ("GitLab, where the tag is gone at once", 200, 202, gone),
        ("GitLab, where the user may not", 403, 403, (Some(ErrorKind::Denied), "403")),
        ("GHCR, which deletes nothing in this way", 405, 405, refused("405")),
        ("ECR, which wants digests", 400, 200, gone),
        ("a proxy or old server that does not know the route", 404, 404, refused("404")),
        ("a server that is not done", 501, 501, (Some(ErrorKind::Unavailable), "501")),
    ] {
        let server = open();
        fill(&server).await;
        let answer = |status, path: &str| {
            let fault = Fault::Status { status, retry_after: None };
            server.inject(Rule::new(fault).method("DELETE").path(path).always());
        };
        if tag >= 300 {
            answer(tag, "manifests/2");
        }
        if manifest >= 300 {
            answer(manifest, "manifests/sha256");
        }
        let ended = delete(&plain(), &server, "a:2").await;
        let error = ended.as_ref().err();
        assert_eq!(error.map(transship_core::Error::kind), kind, "{registry}: {ended:?}");
        assert!(
            error.is_none_or(|error| error.to_string().contains(says)),
            "{registry}: {ended:?}"
        );
        assert_eq!(tags(&server).contains(&"2".to_owned()), kind.is_some(), "{registry}");
        // Whatever it answers, other tags stay.
        assert!(
            ["1", "1.2", "latest"].iter().all(|tag| tags(&server).contains(&(*tag).to_owned()))
        );
    }
}

/// 202 is a promise.
#[tokio::test]
async fn what_is_shown_after_its_deletion_was_accepted_is_said() {
    let server = open();
    let (_, other) = fill(&server).await;
    let digest = other.manifest.descriptor().digest.to_string();
    for (named, path) in
        [("a:2".to_owned(), "manifests/2"), (format!("a@{digest}"), "manifests/sha256")]
    {
        server.clear_faults();
        let fault = Fault::Status { status: 202, retry_after: None };
        server.inject(Rule::new(fault).method("DELETE").path(path).always());
        let heard = Heard::default();
        let how = DeleteOptions::default().with_observer(heard.observer());
        delete_with(&plain(), &server, &named, &how).await.unwrap();
        assert!(heard.text().contains("still shows it"), "{named}: {}", heard.text());
        server.clear_faults();
        if named == "a:2" {
            continue;
        }
        let heard = Heard::default();
        let how = DeleteOptions::default().with_observer(heard.observer());
        delete_with(&plain(), &server, &named, &how).await.unwrap();
        assert!(!heard.text().contains("still shows it"), "{}", heard.text());
    }
}

/// The request was done, and its answer lost: the next try finds nothing, which is what was asked for.
#[tokio::test]
async fn a_lost_answer_is_no_failure() {
    let server = open();
    fill(&server).await;
    server.inject(Rule::new(Fault::CutBeforeAnswer).method("DELETE").path("manifests/1"));
    delete(&plain(), &server, "a:1").await.unwrap();
    assert_eq!(deletions(&server), 2);
    assert_eq!(tags(&server).len(), 3);
    server.inject(Rule::new(Fault::CutBeforeAnswer).method("DELETE").path("manifests/sha256"));
    let all = DeleteOptions::default().with_names(DeletedNames::All);
    delete_with(&plain(), &server, "a:1.2", &all).await.unwrap();
    assert_eq!(tags(&server), ["2"]);
}

/// The token is asked for with the right to delete, and the error says who may not.
#[tokio::test]
async fn the_right_to_delete_is_asked_for() {
    let all = User::new("me", "secret");
    let reader = User::new("reader", "secret").only([Right::new("", [Action::Pull, Action::Push])]);
    let server = serve(|options| options.auth = Auth::Token(TokenAuth::new([all, reader])));
    let login = |user: &str| {
        let credential = Credential::Basic { user: user.to_owned(), secret: Secret::new("secret") };
        client(|options| {
            options.anonymous = false;
            options.credential = Some(credential);
        })
    };
    push(&login("me"), &server, "a:1", &image("layer")).await.unwrap();
    for registry in [plain(), login("reader")] {
        let error = delete(&registry, &server, "a:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert_eq!(tags(&server), ["1"]);
    }
    delete(&login("me"), &server, "a:1").await.unwrap();
    assert_eq!(tags(&server), Vec::<String>::new());
}

/// What was about an image and is deleted is listed no more, and what is about an image that is deleted stays.
#[tokio::test]
async fn lists_of_referrers_stay_true() {
    for deletes in [Deletes::Allowed, Deletes::ByDigest] {
        let server = serve(|options| {
            options.referrers = ReferrersApi::Off;
            options.deletes = deletes;
        });
        let sent = image("layer");
        let all = ["one", "two"].map(|text| about(sent.manifest.descriptor(), text));
        let to = destination(&plain(), &server, "a:1", &WriteOptions::default()).await.unwrap();
        put(&*to, &sent).await.unwrap();
        for referrer in &all {
            put(&*to, referrer).await.unwrap();
            to.put_manifest(&referrer.manifest).await.unwrap();
        }
        to.commit(transship_core::Commit::new(&sent.manifest)).await.unwrap();
        let root = sent.manifest.descriptor().digest.encoded().to_owned();
        let list = format!("sha256-{root}");
        let listed = || {
            let (_, index) = server.manifest("a", &list)?;
            let Document::Index(index) = Document::parse(&index).unwrap() else { panic!() };
            Some(index.manifests.into_iter().map(|one| one.digest).collect::<Vec<_>>())
        };
        let digests = all.each_ref().map(|one| one.manifest.descriptor().digest.clone());
        delete(&plain(), &server, &format!("a@{}", digests[0])).await.unwrap();
        assert_eq!(listed().unwrap(), digests[1..], "{deletes:?}");
        let heard = Heard::default();
        let how =
            DeleteOptions::default().with_observer(heard.observer()).with_names(DeletedNames::All);
        delete_with(&plain(), &server, "a:1", &how).await.unwrap();
        assert!(heard.text().contains("1 about sha256:"), "{}", heard.text());
        assert_eq!(listed().unwrap(), digests[1..]);
        delete(&plain(), &server, &format!("a@{}", digests[1])).await.unwrap();
        assert_eq!(listed(), None, "{deletes:?}");
    }
}
