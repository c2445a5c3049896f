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

/// What a list of repositories may be, and what it may not be.
#[tokio::test]
async fn documents_of_catalogs() {
    let server = open();
    for (body, found) in [
        (r#"{"repositories":["app","team/a"]}"#, Ok(vec!["app", "team/a"])),
        (r#"{"repositories":["z","app","app",null],"more":1}"#, Ok(vec!["app", "z"])),
        (r#"{"repositories":["App","a//b","../x","a b","-","ok","a:1","a@b",""]}"#, Ok(vec!["ok"])),
        (r#"{"repositories":null}"#, Ok(vec![])),
        (r#"{"repositories":[]}"#, Ok(vec![])),
        ("{}", Ok(vec![])),
        ("null", Ok(vec![])),
        ("", Err(ErrorKind::Corrupt)),
        ("<html>", Err(ErrorKind::Corrupt)),
        (r#"{"repositories":{}}"#, Err(ErrorKind::Corrupt)),
    ] {
        server.clear_faults();
        let document =
            Fault::Document { media_type: "application/json".to_owned(), bytes: body.into() };
        server.inject(Rule::new(document).path("/v2/_catalog"));
        let listed = repositories(&plain(), &server, "").await.map_err(|error| error.kind());
        let expected = found.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(listed, expected, "{body}");
    }
}

/// A server that always has another page, or the same one again, ends with an error.
#[tokio::test]
async fn pages_without_an_end_are_an_error() {
    let server = open();
    fill(&server, &plain()).await;
    let body = r#"{"repositories":["app"]}"#;
    let link = "Link: </v2/_catalog?last=app>; rel=\"next\"";
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{link}\r\n\r\n{body}");
    server.inject(Rule::new(Fault::Raw(answer.into())).path("/v2/_catalog").always());
    let error = repositories(&plain(), &server, "").await.unwrap_err();
    assert!(error.kind().is_of_content(), "{error}");
    assert!(server.count("GET", "/v2/_catalog") < 100);
    // One that is too large is not read to its end.
    server.clear_faults();
    let large = format!("{{\"repositories\":[\"{}\"]}}", "a".repeat(5 << 20));
    let document =
        Fault::Document { media_type: "application/json".to_owned(), bytes: large.into() };
    server.inject(Rule::new(document).path("/v2/_catalog"));
    let error = repositories(&plain(), &server, "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

/// A repository that is listed and has no tags is none of the archive's.
#[tokio::test]
async fn repositories_without_tags_are_left_out() {
    let server = open();
    fill(&server, &plain()).await;
    let null = Fault::Document {
        media_type: "application/json".to_owned(),
        bytes: r#"{"name":"team/a","tags":null}"#.into(),
    };
    server.inject(Rule::new(null).path("team/a/tags/list").always());
    let registry = plain();
    let at = registry.parse(&format!("//{}/team/", server.host())).unwrap();
    let reader = registry.archives().unwrap().read(&at, &ReadOptions::default()).await.unwrap();
    let names: Vec<_> = reader.entries().iter().flat_map(|entry| &entry.names).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].as_str().ends_with("/team/b/c:0"), "{names:?}");
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
