//! The repositories of a registry: listed, and read as one archive.

use transship_core::{Archives as _, ErrorKind, ReadOptions, Reference, Result, Transport};
use transship_registry::{Credential, Registry, Secret};
use transship_test_registry::{Auth, Fault, Registry as Server, Rule, TokenAuth, User};

use crate::common::{client, image, open, plain, push, serve};

const ALL: [&str; 5] = ["app", "team/a", "team/b/c", "teamwork/d", "z"];

async fn fill(server: &Server, registry: &Registry) {
    for (at, name) in ALL.into_iter().enumerate() {
        let sent = image(name);
        for tag in 0..=at % 2 {
            push(registry, server, &format!("{name}:{tag}"), &sent).await.unwrap();
        }
    }
    server.forget_exchanges();
}

async fn repositories(registry: &Registry, server: &Server, below: &str) -> Result<Vec<String>> {
    let at = registry.parse(&format!("//{}/{below}", server.host()))?;
    let found = registry.repositories(&at, &transship_core::Observer::default()).await?;
    let host = format!("//{}/", server.host());
    let path = |one: &Reference| one.locator().strip_prefix(&host).unwrap().to_owned();
    Ok(found.iter().map(path).collect())
}

#[tokio::test]
async fn pages_are_read_to_the_last() {
    let server = serve(|options| options.page = Some(2));
    fill(&server, &plain()).await;
    assert_eq!(repositories(&plain(), &server, "").await.unwrap(), ALL);
    assert_eq!(server.count("GET", "/v2/_catalog"), 3);
    // A prefix ends where a part of a name does.
    let some = repositories(&plain(), &server, "team/").await.unwrap();
    assert_eq!(some, ["team/a", "team/b/c"]);
    assert_eq!(repositories(&plain(), &server, "nothing/").await.unwrap(), [""; 0]);
    let error = repositories(&plain(), &server, "app").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_prefix_is_an_archive_of_all_tags_below_it() {
    let server = open();
    fill(&server, &plain()).await;
    let registry = plain();
    let at = registry.parse(&format!("//{}/team/", server.host())).unwrap();
    let reader = registry.archives().unwrap().read(&at, &ReadOptions::default()).await.unwrap();
    assert_eq!(*reader.reference(), at);
    let names: Vec<String> =
        reader.entries().iter().flat_map(|entry| &entry.names).map(ToString::to_string).collect();
    let host = server.host();
    assert_eq!(names, ["a:0", "a:1", "b/c:0"].map(|name| format!("{host}/team/{name}")));
    for entry in reader.entries() {
        let own = plain().source(&entry.reference, &ReadOptions::default()).await.unwrap();
        let root = reader.open(entry).await.unwrap().root().await.unwrap();
        assert_eq!(own.root().await.unwrap().bytes(), root.bytes());
    }
    let at = registry.parse(&format!("//{}/none/", server.host())).unwrap();
    let error = registry.read(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn not_all_registries_list_what_they_have() {
    for (said, kind) in [
        (401, ErrorKind::Denied),
        (403, ErrorKind::Denied),
        (404, ErrorKind::Unsupported),
        (405, ErrorKind::Unsupported),
        (500, ErrorKind::Unavailable),
    ] {
        let server = open();
        let fault = Fault::Status { status: said, retry_after: None };
        server.inject(Rule::new(fault).path("/v2/_catalog").always());
        let error = repositories(&plain(), &server, "").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{said}: {error}");
        assert!(error.to_string().contains(server.host()), "{error}");
    }
}

#[tokio::test]
async fn the_right_to_list_is_asked_for() {
    let user = User::new("me", "secret");
    let server = serve(|options| options.auth = Auth::Token(TokenAuth::new([user])));
    let registry = client(|options| {
        options.anonymous = false;
        let secret = Secret::new("secret");
        options.credential = Some(Credential::Basic { user: "me".to_owned(), secret });
    });
    fill(&server, &registry).await;
    assert_eq!(repositories(&registry, &server, "").await.unwrap(), ALL);
    let error = repositories(&plain(), &server, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}
