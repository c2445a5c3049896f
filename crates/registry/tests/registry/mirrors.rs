//! What several places say of one thing.

use std::io::Write;

use transship_core::{ErrorKind, ReadOptions, Transport};
use transship_registry::{Credential, Registry, Secret};
use transship_test_registry::{Auth, Fault, Registry as Server, Rule, TokenAuth, User};

use crate::common::{Heard, client, image, noise, open, plain, pull, push, serve};

/// A transport for which one server is the mirror of the other.
fn mirrored(server: &Server, mirror: &Server) -> (Registry, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let (to, from) = (mirror.host(), server.host());
    write!(file, "[[registry]]\nlocation = \"{from}\"\n[[registry.mirror]]\nlocation = \"{to}\"\n")
        .unwrap();
    let path = file.path().to_owned();
    let registry = client(|options| {
        options.registries_conf = Some(path);
        options.retries = 1;
    });
    (registry, file)
}

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

/// What one place lacks and another one cannot be asked for is not absent.
#[tokio::test]
async fn absent_is_what_all_places_lack() {
    let (server, mirror, sent) = (open(), open(), image(noise(3000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    push(&plain(), &mirror, "a:1", &sent).await.unwrap();
    let (registry, _file) = mirrored(&server, &mirror);
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let from = registry.source(&at, &ReadOptions::default()).await.unwrap();
    let layer = &sent.blobs[0].0;
    for (of_mirror, of_server, held) in [
        (404, 503, Err(ErrorKind::Unavailable)),
        (503, 404, Err(ErrorKind::Unavailable)),
        (404, 404, Ok(false)),
        (404, 200, Ok(true)),
        (503, 200, Ok(true)),
        // A HEAD that is refused says nothing; the blob is asked for.
        (405, 404, Ok(true)),
    ] {
        for (place, says) in [(&mirror, of_mirror), (&server, of_server)] {
            place.clear_faults();
            match says {
                200 => {}
                405 => place.inject(Rule::new(status(405)).method("HEAD").path("blobs").always()),
                says => place.inject(Rule::new(status(says)).path("blobs").always()),
            }
        }
        let found = from.holds(layer).await.map_err(|error| error.kind());
        assert_eq!(found, held, "{of_mirror} {of_server}");
        if held == Err(ErrorKind::Unavailable) {
            assert_eq!(from.blob(layer).await.unwrap_err().kind(), ErrorKind::Unavailable);
        }
    }
}

/// An image that the registry itself gave lacks what the registry lacks.
#[tokio::test]
async fn what_the_registry_lacks_is_absent() {
    let (server, mirror, sent) = (open(), open(), image(noise(3000)));
    push(&plain(), &server, "a:1", &sent).await.unwrap();
    let (registry, _file) = mirrored(&server, &mirror);
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let from = registry.source(&at, &ReadOptions::default()).await.unwrap();
    mirror.inject(Rule::new(status(503)).path("blobs").always());
    server.inject(Rule::new(status(404)).path("blobs").always());
    assert!(!from.holds(&sent.blobs[0].0).await.unwrap());
    assert_eq!(from.blob(&sent.blobs[0].0).await.unwrap_err().kind(), ErrorKind::NotFound);
}

/// The same of a tag.
#[tokio::test]
async fn a_tag_is_not_there_where_all_places_say_so() {
    let (server, mirror) = (open(), open());
    let (registry, _file) = mirrored(&server, &mirror);
    let at = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let opened = || async {
        let how = ReadOptions::default();
        registry.source(&at, &how).await.map_err(|error| error.kind()).map(|_| ())
    };
    assert_eq!(opened().await, Err(ErrorKind::NotFound));
    server.inject(Rule::new(status(503)).path("manifests").always());
    assert_eq!(opened().await, Err(ErrorKind::Unavailable));
}

/// A mirror that cannot be asked, in whatever way.
fn dead(server: &Server, way: u16) -> (Registry, tempfile::NamedTempFile, Server) {
    let mirror = open();
    match way {
        0 => mirror.inject(Rule::new(Fault::Close).always()),
        code => mirror.inject(Rule::new(status(code)).path("a/").always()),
    }
    let (registry, file) = mirrored(server, &mirror);
    (registry, file, mirror)
}

/// What the registry itself says is not there is not there, whatever its mirrors say.
#[tokio::test]
async fn a_mirror_that_is_down_hides_nothing_of_the_registry() {
    for way in [0, 401, 403, 500, 503] {
        let (server, sent) = (open(), image(noise(3000)));
        push(&plain(), &server, "a:1", &sent).await.unwrap();
        let (registry, _file, _mirror) = dead(&server, way);
        let at = |tag| registry.parse(&format!("//{}/a:{tag}", server.host())).unwrap();
        let how = ReadOptions::default();
        let error = registry.source(&at("2"), &how).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{way}: {error}");
        assert!(error.to_string().contains("its tags are 1"), "{way}: {error}");
        let compare = how.clone().with_compare(true);
        let error = registry.source(&at("2"), &compare).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{way}: {error}");
        let from = registry.source(&at("1"), &how).await.unwrap();
        let root = &sent.manifest.descriptor().digest;
        assert_eq!(from.referrers().unwrap().beside(root).await.unwrap(), [], "{way}");
        assert_eq!(from.referrers().unwrap().referrers(root).await.unwrap(), [], "{way}");
        let absent = crate::common::described(transship_core::MediaType::ImageLayer, b"no");
        assert!(!from.holds(&absent).await.unwrap(), "{way}");
    }
}

/// A mirror that cannot be reached is not tried again, neither for the same nor, for a while, for anything else.
#[tokio::test]
async fn a_mirror_that_cannot_be_reached_is_left_out() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = open();
    for at in 0..5 {
        push(&plain(), &server, &format!("a:{at}"), &image(noise(1000 + at))).await.unwrap();
    }
    for reached in [false, true] {
        let mirror = open();
        mirror.inject(Rule::new(Fault::Close).always());
        let to = if reached { mirror.host().to_string() } else { closed.to_string() };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let from = server.host();
        write!(
            file,
            "[[registry]]\nlocation = \"{from}\"\n[[registry.mirror]]\nlocation = \"{to}\"\n"
        )
        .unwrap();
        let registry = client(|options| options.registries_conf = Some(file.path().to_owned()));
        let (heard, mut how) = (Heard::default(), ReadOptions::default());
        how.observer = heard.observer();
        for tag in 0..5 {
            let at = registry.parse(&format!("//{from}/a:{tag}")).unwrap();
            registry.source(&at, &how).await.unwrap();
        }
        assert_eq!(heard.retries(), 0, "{}", heard.text());
        assert_eq!(heard.text().matches("is left out for").count(), 1, "{}", heard.text());
        assert!(mirror.exchanges().len() <= 2, "{:?}", mirror.exchanges());
    }
}

/// What is given for a registry is for that one alone: a mirror that asks for it does not get it.
#[tokio::test]
async fn given_secrets_never_go_to_mirrors() {
    const PASSWORD: &str = "hunter2-secret";
    let user = || User::new("me", PASSWORD);
    for given in [
        Credential::Basic { user: "me".to_owned(), secret: Secret::new(PASSWORD) },
        Credential::Bearer(Secret::new(PASSWORD)),
    ] {
        for auth in [Auth::Basic(vec![user()]), Auth::Token(TokenAuth::new([user()]))] {
            let (server, mirror) = (open(), serve(|options| options.auth = auth));
            push(&plain(), &server, "a:1", &image("x")).await.unwrap();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let (to, from) = (mirror.host(), server.host());
            write!(
                file,
                "[[registry]]\nlocation = \"{from}\"\n[[registry.mirror]]\nlocation = \"{to}\"\n"
            )
            .unwrap();
            let registry = client(|options| {
                options.registries_conf = Some(file.path().to_owned());
                options.retries = 0;
                options.credential = Some(given.clone());
            });
            pull(&registry, &server, "a:1").await.unwrap();
            assert!(!mirror.exchanges().is_empty());
            let sent = authorizations(&mirror);
            assert!(
                !sent.iter().any(|header| header.contains(PASSWORD) || header.starts_with("Basic")),
                "{sent:?}"
            );
        }
    }
}

fn authorizations(server: &Server) -> Vec<String> {
    let exchanges = server.exchanges();
    exchanges.iter().filter_map(|one| one.header("authorization").map(str::to_owned)).collect()
}

/// A registry that is blocked is neither read nor written; its mirrors are read.
#[tokio::test]
async fn blocked_holds_for_both_ways_and_hides_no_mirror() {
    let (server, mirror) = (open(), open());
    push(&plain(), &mirror, "a:1", &image("x")).await.unwrap();
    let (to, from) = (mirror.host(), server.host());
    let table = format!("[[registry]]\nlocation = \"{from}\"\nblocked = true\n");
    for with_mirror in [true, false] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let more = format!("[[registry.mirror]]\nlocation = \"{to}\"\n");
        write!(file, "{table}{}", if with_mirror { &*more } else { "" }).unwrap();
        let path = file.path().to_owned();
        let registry = client(|options| options.registries_conf = Some(path));
        let read = pull(&registry, &server, "a:1").await.map_err(|error| error.kind());
        assert_eq!(read.err(), (!with_mirror).then_some(ErrorKind::Denied));
        let error = push(&registry, &server, "a:2", &image("y")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
    assert_eq!(server.exchanges().len(), 0, "a blocked registry is not asked");
}

/// A mirror that is blocked by a table of its own is not asked either.
#[tokio::test]
async fn a_mirror_that_is_blocked_is_not_asked() {
    let (server, mirror) = (open(), open());
    push(&plain(), &server, "a:1", &image("x")).await.unwrap();
    let (to, from) = (mirror.host(), server.host());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[[registry]]\nlocation = \"{from}\"\n[[registry.mirror]]\nlocation = \"{to}\"\n[[registry]]\nlocation = \"{to}\"\nblocked = true\n").unwrap();
    let path = file.path().to_owned();
    let registry = client(|options| options.registries_conf = Some(path));
    pull(&registry, &server, "a:1").await.unwrap();
    assert_eq!(mirror.exchanges().len(), 0);
}
