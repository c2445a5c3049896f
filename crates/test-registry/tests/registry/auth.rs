use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use transship_test_registry::{
    Action, Auth, Fault, Registry, Right, Rule, TokenAuth, TokenField, User,
};

use crate::client::{Answer, ask, send};
use crate::registry;

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn with(registry: &Registry, line: &str, authorization: &str) -> Answer {
    send(registry.host(), line, &[("authorization", authorization)], b"")
}

fn tokens(change: impl FnOnce(&mut TokenAuth)) -> Registry {
    let reader = User::new("reader", "r").only([Right::new("team/", [Action::Pull])]);
    let mut how = TokenAuth::new([User::new("me", "secret"), reader]);
    change(&mut how);
    registry(|options| options.auth = Auth::Token(how))
}

/// A token for scopes, as the challenge says where.
fn token(registry: &Registry, user: Option<(&str, &str)>, scopes: &[&str]) -> Answer {
    let mut line = "GET /token?service=in-process-registry".to_owned();
    for scope in scopes {
        line = line + "&scope=" + scope;
    }
    match user {
        Some((user, password)) => with(registry, &line, &basic(user, password)),
        None => ask(registry.host(), &line),
    }
}

fn bearer(answer: &Answer) -> String {
    format!("Bearer {}", answer.json()["token"].as_str().unwrap())
}

#[test]
fn basic_auth() {
    let users = vec![
        User::new("me", "secret"),
        User::new("reader", "r").only([Right::new("a", [Action::Pull])]),
    ];
    let registry = registry(|options| options.auth = Auth::Basic(users));
    let digest = registry.put_blob("a", "x");
    let refused = ask(registry.host(), "GET /v2/");
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").starts_with("Basic realm="));
    assert_eq!(with(&registry, "GET /v2/", &basic("me", "wrong")).status, 401);
    assert_eq!(with(&registry, "GET /v2/", &basic("me", "secret")).status, 200);
    let blob = format!("/v2/a/blobs/{digest}");
    assert_eq!(with(&registry, &format!("GET {blob}"), &basic("reader", "r")).status, 200);
    assert_eq!(with(&registry, &format!("DELETE {blob}"), &basic("reader", "r")).status, 403);
}

#[test]
fn tokens_are_good_for_their_scopes_alone() {
    let registry = tokens(|_| {});
    let digest = registry.put_blob("team/app", "x");
    let line = format!("GET /v2/team/app/blobs/{digest}");
    let refused = ask(registry.host(), &line);
    assert_eq!(refused.status, 401);
    let realm =
        format!("Bearer realm=\"{}/token\",service=\"in-process-registry\"", registry.url());
    let challenge = format!("{realm},scope=\"repository:team/app:pull\"");
    assert_eq!(refused.header("www-authenticate"), challenge);

    let granted = token(&registry, Some(("reader", "r")), &["repository:team/app:pull,push"]);
    assert_eq!(granted.json()["expires_in"], 300);
    assert_eq!(with(&registry, &line, &bearer(&granted)).status, 200);
    let push = with(&registry, "POST /v2/team/app/blobs/uploads/", &bearer(&granted));
    assert_eq!(push.status, 401);
    let challenge = push.header("www-authenticate");
    assert!(challenge.contains("scope=\"repository:team/app:pull,push\""), "{challenge}");
    assert!(challenge.ends_with("error=\"insufficient_scope\""), "{challenge}");
    let other = token(&registry, Some(("me", "secret")), &["repository:other:pull"]);
    assert_eq!(with(&registry, &line, &bearer(&other)).status, 401);
    let both = ["repository:other:pull,push", "repository:team%2Fapp:pull"];
    let both = bearer(&token(&registry, Some(("me", "secret")), &both));
    let mount = format!("POST /v2/other/blobs/uploads/?mount={digest}&from=team/app");
    assert_eq!(with(&registry, &mount, &both).status, 201);
    let catalog = token(&registry, Some(("me", "secret")), &["registry:catalog:*"]);
    assert_eq!(with(&registry, "GET /v2/_catalog", &bearer(&catalog)).status, 200);
    assert_eq!(with(&registry, "GET /v2/_catalog", &both).status, 401);
}

#[test]
fn nobody_gets_what_is_for_everybody() {
    let registry = tokens(|how| how.anonymous = vec![Right::new("", [Action::Pull])]);
    let digest = registry.put_blob("a", "x");
    let line = format!("GET /v2/a/blobs/{digest}");
    assert_eq!(ask(registry.host(), &line).status, 401, "not without a token");
    let granted = token(&registry, None, &["repository:a:pull,push"]);
    assert_eq!(with(&registry, &line, &bearer(&granted)).status, 200);
    let push = with(&registry, "POST /v2/a/blobs/uploads/", &bearer(&granted));
    assert_eq!(push.status, 401);
    assert_eq!(token(&registry, Some(("me", "wrong")), &[]).status, 401);
    assert_eq!(ask(registry.host(), "GET /token?service=other").status, 400);
}

#[test]
fn tokens_expire() {
    let registry = tokens(|how| how.tells_lifetime = false);
    let granted = token(&registry, Some(("me", "secret")), &[]);
    assert!(granted.json()["expires_in"].is_null());
    assert_eq!(with(&registry, "GET /v2/", &bearer(&granted)).status, 200);
    registry.inject(Rule::new(Fault::ExpiredToken));
    let refused = with(&registry, "GET /v2/", &bearer(&granted));
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").ends_with("error=\"invalid_token\""));
    assert_eq!(with(&registry, "GET /v2/", &bearer(&granted)).status, 200);
    registry.expire_tokens();
    assert_eq!(with(&registry, "GET /v2/", &bearer(&granted)).status, 401);
    let at_once = tokens(|how| how.lifetime = std::time::Duration::ZERO);
    let granted = token(&at_once, Some(("me", "secret")), &[]);
    assert_eq!(with(&at_once, "GET /v2/", &bearer(&granted)).status, 401);
}

#[test]
fn oauth2() {
    let registry = tokens(|how| how.field = TokenField::AccessToken);
    let post = |form: &str| {
        let form = format!("service=in-process-registry&client_id=test&{form}");
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        send(registry.host(), "POST /token", &kind, form.as_bytes())
    };
    let scope = "scope=repository%3Aa%3Apull+repository%3Ab%3Apush";
    let granted = post(&format!(
        "grant_type=password&username=me&password=secret&access_type=offline&{scope}"
    ));
    let answer = granted.json();
    assert_eq!((granted.status, answer.get("token")), (200, None));
    let refresh = answer["refresh_token"].as_str().unwrap();
    let again = post(&format!("grant_type=refresh_token&refresh_token={refresh}&{scope}")).json();
    let bearer = format!("Bearer {}", again["access_token"].as_str().unwrap());
    assert_eq!(with(&registry, "POST /v2/b/blobs/uploads/", &bearer).status, 202);
    assert_eq!(with(&registry, "POST /v2/a/blobs/uploads/", &bearer).status, 401);
    assert_eq!(post("grant_type=refresh_token&refresh_token=made-up").status, 401);
    assert_eq!(post("grant_type=other").status, 400);
    assert_eq!(registry.refresh_token("nobody"), None);
    let own = registry.refresh_token("me").unwrap();
    assert_eq!(post(&format!("grant_type=refresh_token&refresh_token={own}")).status, 200);
    let older = tokens(|how| how.oauth2 = false);
    assert_eq!(send(older.host(), "POST /token", &[], b"x=y").status, 404);
}
