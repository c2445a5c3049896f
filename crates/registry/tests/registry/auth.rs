use std::time::Duration;

use transship_core::{Commit, ErrorKind, Expect, Transport, WriteOptions};
use transship_registry::{Credential, Registry, Secret, Surroundings};
use transship_test_registry::{
    Action, Auth, Fault, Registry as Server, Right, Rule, TokenAuth, TokenField, User,
};

use crate::answers::raw;
use crate::common::{Heard, client, destination, image, noise, open, pull, push, serve};

const PASSWORD: &str = "hunter2-secret";

fn me() -> User {
    User::new("me", PASSWORD)
}

fn with(credential: Credential) -> Registry {
    client(|options| {
        options.anonymous = false;
        options.credential = Some(credential);
    })
}

fn basic(password: &str) -> Registry {
    with(Credential::Basic { user: "me".to_owned(), secret: Secret::new(password) })
}

fn tokens(change: impl FnOnce(&mut TokenAuth)) -> Server {
    let mut how = TokenAuth::new([me()]);
    change(&mut how);
    serve(|options| options.auth = Auth::Token(how))
}

async fn round_trip(server: &Server, registry: &Registry) {
    let sent = image(noise(200_000));
    push(registry, server, "a:1", &sent).await.unwrap();
    let back = pull(registry, server, "a:1").await.unwrap();
    assert_eq!(back.manifest.bytes(), sent.manifest.bytes());
}

#[tokio::test]
async fn passwords() {
    let server = serve(|options| options.auth = Auth::Basic(vec![me()]));
    round_trip(&server, &basic(PASSWORD)).await;
    let refused = server.exchanges().iter().filter(|one| one.status == Some(401)).count();
    assert_eq!(refused, 1, "asked once");
    for registry in [basic("wrong"), crate::common::plain()] {
        let error = pull(&registry, &server, "a:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.advice().unwrap().to_string().contains("log in"), "{error}");
    }
}

#[tokio::test]
async fn tokens_for_a_password() {
    for field in [TokenField::Both, TokenField::Token, TokenField::AccessToken] {
        let server = tokens(|how| {
            how.field = field;
            how.oauth2 = false;
        });
        round_trip(&server, &basic(PASSWORD)).await;
        let refused = server.exchanges().iter().filter(|one| one.status == Some(401)).count();
        assert_eq!(refused, 1, "asked once");
    }
}

#[tokio::test]
async fn tokens_for_an_identity_token() {
    let server = tokens(|_| {});
    let token = server.refresh_token("me").unwrap();
    round_trip(&server, &with(Credential::IdentityToken(Secret::new(token)))).await;
    let error = pull(&with(Credential::IdentityToken(Secret::new("x"))), &server, "a:1").await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn tokens_for_nobody() {
    let server = tokens(|how| how.anonymous = vec![Right::new("open/", [Action::Pull])]);
    push(&basic(PASSWORD), &server, "open/a:1", &image("x")).await.unwrap();
    push(&basic(PASSWORD), &server, "closed/a:1", &image("x")).await.unwrap();
    pull(&crate::common::plain(), &server, "open/a:1").await.unwrap();
    let error = pull(&crate::common::plain(), &server, "closed/a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let error = push(&crate::common::plain(), &server, "open/a:2", &image("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn tokens_are_renewed() {
    // Before they expire ..
    let server = tokens(|how| how.lifetime = Duration::from_secs(1));
    let registry = basic(PASSWORD);
    round_trip(&server, &registry).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let refused = || server.exchanges().iter().filter(|one| one.status == Some(401)).count();
    let before = refused();
    pull(&registry, &server, "a:1").await.unwrap();
    assert_eq!(refused(), before);
    // .. and when they turn out to have expired.
    let server = tokens(|_| {});
    let registry = basic(PASSWORD);
    round_trip(&server, &registry).await;
    server.expire_tokens();
    pull(&registry, &server, "a:1").await.unwrap();
}

#[tokio::test]
async fn a_token_that_expires_under_an_upload() {
    let server = tokens(|_| {});
    let registry = basic(PASSWORD);
    server.inject(Rule::new(Fault::ExpiredToken).method("PUT").path("uploads"));
    round_trip(&server, &registry).await;
    assert_eq!(server.pending_faults(), 0);
}

#[tokio::test]
async fn a_mount_asks_to_pull_from_the_source() {
    let server = tokens(|_| {});
    let registry = basic(PASSWORD);
    let sent = image(noise(1000));
    push(&registry, &server, "a:1", &sent).await.unwrap();
    let registry = basic(PASSWORD);
    let from = registry.parse(&format!("//{}/a:1", server.host())).unwrap();
    let to = destination(&registry, &server, "b:1", &WriteOptions::default()).await.unwrap();
    for (descriptor, _) in &sent.blobs {
        let want = Expect::from(descriptor);
        assert!(to.take_from(&want, &from).await.unwrap().is_some());
    }
    to.commit(Commit::new(&sent.manifest)).await.unwrap();
}

#[tokio::test]
async fn no_credential_leaves_for_another_host() {
    let other = open();
    for auth in [Auth::Basic(vec![me()]), Auth::Token(TokenAuth::new([me()]))] {
        let server = serve(|options| options.auth = auth);
        let sent = image(noise(50_000));
        push(&basic(PASSWORD), &server, "a:1", &sent).await.unwrap();
        push(&crate::common::plain(), &other, "a:1", &sent).await.unwrap();
        other.forget_exchanges();
        let to = format!("http://{}{{path}}", other.host());
        server.inject(Rule::new(Fault::Redirect { to }).path("/blobs/").times(2));
        pull(&basic(PASSWORD), &server, "a:1").await.unwrap();
        let elsewhere = other.exchanges();
        assert_eq!(elsewhere.len(), 2);
        for one in &elsewhere {
            assert_eq!(one.header("authorization"), None, "{one:?}");
            assert!(!format!("{one:?}").contains(PASSWORD), "{one:?}");
        }
    }
}

#[tokio::test]
async fn tries_for_a_token_are_reported() {
    let server = tokens(|_| {});
    let fault = Fault::Status { status: 503, retry_after: None };
    server.inject(Rule::new(fault).path("/token").times(2));
    let heard = Heard::default();
    let mut how = WriteOptions::default();
    how.observer = heard.observer();
    let to = destination(&basic(PASSWORD), &server, "a:1", &how).await.unwrap();
    to.has(&Expect::digest(transship_core::sha256(b"x"))).await.unwrap();
    assert_eq!((heard.retries(), server.pending_faults()), (2, 0));
    assert!(!heard.text().contains(PASSWORD), "{}", heard.text());
}

#[tokio::test]
async fn secrets_are_in_no_message() {
    let server = tokens(|_| {});
    let registry = basic("wrong-but-secret");
    let error = pull(&registry, &server, "a:1").await.unwrap_err();
    let all = format!("{error} {error:?} {registry:?}");
    assert!(!all.contains("wrong-but-secret"), "{all}");
    server
        .inject(Rule::new(Fault::Status { status: 500, retry_after: None }).path("token").always());
    let error = pull(&basic(PASSWORD), &server, "a:1").await.unwrap_err();
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
}

/// What one repository asked for is never asked for with a token of another.
#[tokio::test]
async fn scopes_stay_with_their_repository() {
    let server = tokens(|_| {});
    for name in ["one", "two", "three"] {
        push(&basic(PASSWORD), &server, &format!("{name}:1"), &image("x")).await.unwrap();
    }
    server.forget_exchanges();
    let registry = basic(PASSWORD);
    for name in ["one", "two", "three"] {
        pull(&registry, &server, &format!("{name}:1")).await.unwrap();
    }
    let asked: Vec<String> = server
        .exchanges()
        .iter()
        .map(|one| format!("{one:?}"))
        .filter(|one| one.contains("/token"))
        .collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    for one in asked {
        let named = ["one", "two", "three"].iter().filter(|name| {
            one.contains(&format!("{name}%3Apull")) || one.contains(&format!("{name}:pull"))
        });
        assert_eq!(named.count(), 1, "{one}");
    }
}

/// What a helper gave is asked for again when it is not accepted any more; a helper that fails ends no request that needs none.
#[cfg(unix)]
#[tokio::test]
async fn helpers_are_asked_again() {
    use std::os::unix::fs::PermissionsExt;
    let sent = image("x");
    for auth in [Auth::Basic(vec![me()]), Auth::Token(TokenAuth::new([me()]))] {
        let server = serve(|options| options.auth = auth);
        push(&basic(PASSWORD), &server, "a:1", &sent).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("home/.docker/config.json", r#"{"credsStore":"x"}"#);
        let says = |password: &str| {
            let script =
                format!("#!/bin/sh\necho '{{\"Username\":\"me\",\"Secret\":\"{password}\"}}'\n");
            write("bin/docker-credential-x", &script);
        };
        let registry = client(|options| {
            options.anonymous = false;
            options.surroundings = Surroundings::below(folder.path());
        });
        says("too old");
        pull(&registry, &server, "a:1").await.unwrap_err();
        says(PASSWORD);
        pull(&registry, &server, "a:1").await.unwrap();
        write("bin/docker-credential-x", "#!/bin/sh\nexit 1\n");
        let registry = client(|options| {
            options.anonymous = false;
            options.surroundings = Surroundings::below(folder.path());
        });
        push(&registry, &open(), "a:1", &sent).await.unwrap();
    }
}

/// `scope` of each request to the realm, sorted.
fn scopes(server: &Server) -> Vec<String> {
    let tokens = server.exchanges().into_iter().filter(|one| one.path == "/token");
    let query =
        tokens.map(|one| one.query.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/"));
    let mut scopes: Vec<String> = query
        .map(|query| {
            query.split('&').filter(|pair| pair.starts_with("scope=")).collect::<Vec<_>>().join(" ")
        })
        .collect();
    scopes.sort();
    scopes
}

/// A destination asks for all that it will do at once; a mount, for what it reads too.
#[tokio::test]
async fn one_token_for_a_repository_and_what_is_done_there() {
    let server = tokens(|_| {});
    let sent = image(noise(1000));
    push(&basic(PASSWORD), &server, "team/a:1", &sent).await.unwrap();
    assert_eq!(scopes(&server), ["scope=repository:team/a:pull,push"]);
    server.forget_exchanges();
    pull(&basic(PASSWORD), &server, "team/a:1").await.unwrap();
    assert_eq!(scopes(&server), ["scope=repository:team/a:pull"]);
    server.forget_exchanges();
    let registry = basic(PASSWORD);
    let from = registry.parse(&format!("//{}/team/a:1", server.host())).unwrap();
    let to = destination(&registry, &server, "b:1", &WriteOptions::default()).await.unwrap();
    for (descriptor, _) in &sent.blobs {
        let want = Expect::from(descriptor);
        assert!(to.has(&want).await.unwrap().is_none());
        assert!(to.take_from(&want, &from).await.unwrap().is_some());
    }
    to.commit(Commit::new(&sent.manifest)).await.unwrap();
    assert_eq!(
        scopes(&server),
        [
            "scope=repository:b:pull,push",
            "scope=repository:b:pull,push scope=repository:team/a:pull",
        ]
    );
}

/// A token that is stored for a registry goes there as it is, whether or not the registry names who gives tokens.
#[tokio::test]
async fn a_stored_token_needs_no_realm() {
    for challenge in [
        "Bearer",
        "Bearer service=\"s\"",
        "Bearer realm=\"\"",
        "Bearer realm=\"transship\"",
        "Bearer realm=\"https://[::\"",
        "Bearer realm=\"file:///etc/passwd\"",
        "Basic realm=\"s\"",
        "Negotiate",
        "",
    ] {
        let (server, folder) = (open(), tempfile::tempdir().unwrap());
        push(&crate::common::plain(), &server, "a:1", &image("x")).await.unwrap();
        let file = folder.path().join("home/.docker/config.json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = format!(r#"{{"auths":{{"{}":{{"registrytoken":"t0ken"}}}}}}"#, server.host());
        std::fs::write(file, text).unwrap();
        let registry = || {
            client(|options| {
                options.anonymous = false;
                options.surroundings = Surroundings::below(folder.path());
            })
        };
        let asks = [("WWW-Authenticate", challenge)];
        let asks = if challenge.is_empty() { &asks[..0] } else { &asks[..] };
        let refusal = || Rule::new(raw(401, asks, "")).path("manifests/1");
        server.forget_exchanges();
        server.inject(refusal());
        pull(&registry(), &server, "a:1").await.unwrap_or_else(|e| panic!("{challenge}: {e}"));
        let sent = server.exchanges();
        let sent: Vec<_> = sent.iter().map(|one| one.header("authorization")).collect();
        assert_eq!(sent.last().unwrap(), &Some("Bearer t0ken"), "{challenge}: {sent:?}");
        server.forget_exchanges();
        server.inject(refusal().always());
        let error = pull(&registry(), &server, "a:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{challenge}: {error}");
        let said = format!("{} does not accept the stored token", server.host());
        assert!(error.to_string().contains(&said), "{challenge}: {error}");
        assert!(!format!("{error:?}").contains("t0ken"), "{error:?}");
        assert!(server.exchanges().len() <= 4, "{challenge}: {:?}", server.exchanges());
    }
    // A password goes nowhere that does not ask for one.
    let server = open();
    server.inject(Rule::new(raw(401, &[("WWW-Authenticate", "Bearer")], "")).always());
    pull(&basic(PASSWORD), &server, "a:1").await.unwrap_err();
    assert!(server.exchanges().iter().all(|one| one.header("authorization").is_none()));
}

/// A stored token says nothing of how the host authenticates for other repositories.
#[tokio::test]
async fn a_stored_token_is_for_its_repository() {
    let (server, folder) = (open(), tempfile::tempdir().unwrap());
    for name in ["a:1", "b:1"] {
        push(&crate::common::plain(), &server, name, &image("x")).await.unwrap();
    }
    let file = folder.path().join("home/.docker/config.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let host = server.host();
    // me:secret
    let text = format!(
        r#"{{"auths":{{"{host}/a":{{"registrytoken":"t0ken"}},"{host}/b":{{"auth":"bWU6c2VjcmV0"}}}}}}"#
    );
    std::fs::write(file, text).unwrap();
    let registry = client(|options| {
        options.anonymous = false;
        options.surroundings = Surroundings::below(folder.path());
    });
    let basic = [("WWW-Authenticate", "Basic realm=\"x\"")];
    let unexplained = |path: &str| server.inject(Rule::new(raw(401, &[], "")).path(path));
    let sent = || {
        let all = server.exchanges();
        all.last().unwrap().header("authorization").unwrap_or_default().to_owned()
    };
    unexplained("/a/manifests");
    pull(&registry, &server, "a:1").await.unwrap();
    assert_eq!(sent(), "Bearer t0ken");
    // It says what it wants at `/v2/` alone.
    unexplained("/b/manifests");
    server.inject(Rule::new(raw(401, &basic, "")).path("/v2/"));
    pull(&registry, &server, "b:1").await.unwrap();
    assert_eq!(sent(), "Basic bWU6c2VjcmV0");
    pull(&registry, &server, "a:1").await.unwrap();
    assert_eq!(sent(), "Bearer t0ken");
    server.forget_exchanges();
    pull(&registry, &server, "b:1").await.unwrap();
    let all = server.exchanges();
    assert!(all.iter().all(|one| one.header("authorization") == Some("Basic bWU6c2VjcmV0")));
    assert_eq!(server.pending_faults(), 0);
}

#[tokio::test]
async fn a_given_token_that_is_refused_is_said_to_be() {
    let server = open();
    server.inject(Rule::new(raw(401, &[], "")).always());
    let error = pull(&with(Credential::Bearer(Secret::new("t0ken"))), &server, "a:1").await;
    let error = error.unwrap_err();
    let said = format!("{} does not accept the given token", server.host());
    assert!(error.to_string().contains(&said), "{error}");
    assert!(error.advice().unwrap().to_string().contains("may have expired"), "{error}");
}
