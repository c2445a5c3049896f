//! Credentials: kept, used, forgotten, and never shown.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use transship_test_registry::{Auth, Fault, Options, Registry, Rule, TokenAuth, User};

use crate::session::Session;

const SECRET: &str = "hunter2";
const MANIFEST: &str = "application/vnd.oci.image.index.v1+json";

/// A registry for `me`, with one image.
fn registry(auth: Auth) -> Registry {
    let mut options = Options::default();
    options.auth = auth;
    let registry = Registry::start(options).unwrap();
    let empty = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","manifests":[]}}"#);
    registry.put_manifest("team/app", Some("v1"), MANIFEST, empty);
    registry
}

fn basic() -> Registry {
    registry(Auth::Basic(vec![User::new("me", SECRET)]))
}

fn tokens() -> Registry {
    registry(Auth::Token(TokenAuth::new([User::new("me", SECRET)])))
}

/// `login` with a password on standard input.
fn login(session: &Session, line: &str, password: &str) -> Output {
    let mut child = session
        .command(&format!("login --username me --password-stdin {line}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What was said; it must not have the secret in it.
fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(SECRET), "{said}");
    assert!(!said.contains("aHVudGVyMg"), "{said}");
    said.into_owned()
}

#[test]
fn in_and_out() {
    for registry in [basic(), tokens()] {
        let (session, host) = (Session::new(), registry.host());
        let list = format!("list docker://{host}/team/app");
        assert_eq!(session.run(&list).status.code(), Some(1));
        let refused = login(&session, host, "wrong");
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains("does not accept"), "{}", said(&refused));
        assert!(session.left().is_empty(), "nothing is kept of what is wrong");

        let kept = login(&session, host, SECRET);
        assert!(kept.status.success(), "{}", said(&kept));
        let file = session.path("run/containers/auth.json");
        assert!(said(&kept).contains(file.to_str().unwrap()));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(session.ok(&list).contains("v1"));
        assert!(session.ok(&format!("logout {host}")).contains("logged out"));
        assert_eq!(session.run(&format!("logout {host}")).status.code(), Some(1));
        assert_eq!(session.run(&list).status.code(), Some(1));
    }
}

#[test]
fn a_file_of_ones_own() {
    let (session, registry) = (Session::new(), basic());
    let host = registry.host();
    session.write("auth.json", r#"{"auths":{"other":{"auth":"dTpw"}},"more":1}"#);
    let kept = login(&session, &format!("--json --authfile auth.json {host}/team"), SECRET);
    let told: serde_json::Value = serde_json::from_slice(&kept.stdout).unwrap();
    assert_eq!((&told["username"], &told["helper"]), (&"me".into(), &serde_json::Value::Null));
    let text = fs::read_to_string(session.path("auth.json")).unwrap();
    assert!(text.contains("dTpw") && text.contains("\"more\": 1"), "{text}");
    for option in ["--authfile auth.json", "-o docker.authfile=auth.json"] {
        session.ok(&format!("list {option} docker://{host}/team/app"));
        let copy = format!("{option} docker://{host}/team/app:v1 docker://{host}/team/copy:v1");
        session.ok(&format!("copy {copy}"));
    }
    assert_eq!(session.run(&format!("list docker://{host}/team/app")).status.code(), Some(1));
    session.ok(&format!("logout --authfile auth.json {host}/team"));
}

#[test]
fn sides_have_credentials_of_their_own() {
    let (session, from, to) = (Session::new(), basic(), tokens());
    session.write("creds", format!("me:{SECRET}\n"));
    let from_to = format!("docker://{}/team/app:v1 docker://{}/b:v1", from.host(), to.host());
    let mut command =
        session.command(&format!("copy --src-creds-file creds --dest-creds-env CREDS {from_to}"));
    let output = command.env("CREDS", format!("me:{SECRET}")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let one = session.run(&format!("copy --src-creds-file creds {from_to}"));
    assert_eq!(one.status.code(), Some(1), "{}", said(&one));
    let both = session.run(&format!("copy --creds-file creds {from_to}"));
    assert!(both.status.success(), "{}", said(&both));
}

#[test]
fn secrets_are_nowhere_to_be_seen() {
    let (session, registry) = (Session::new(), tokens());
    let place = format!("docker://{}/team/app", registry.host());
    registry.inject(Rule::new(Fault::ExpiredToken).path("/manifests/"));
    registry
        .inject(Rule::new(Fault::Status { status: 503, retry_after: None }).path("/manifests/"));
    let lines = [
        format!("copy --progress json --creds me:{SECRET} {place}:v1 oci:layout"),
        format!("inspect --creds me:{SECRET} {place}:absent"),
        format!("list --creds other:{SECRET} {place}"),
        format!("list --creds :{SECRET} {place}"),
        format!("list -o creds=me:{SECRET} {place}"),
        format!("list -o docker.creds=me:{SECRET} -o docker.registry-token={SECRET} {place}"),
        format!("list --registry-token {SECRET} {place}"),
    ];
    for line in lines {
        let output = session.run(&line);
        // What the test itself typed is not looked at, and clap does not repeat it.
        said(&output);
    }
    let tokens = registry.exchanges();
    assert!(tokens.iter().any(|exchange| exchange.path == "/token"));
}

#[test]
fn a_process_list_shows_no_secret() {
    let (session, registry) = (Session::new(), basic());
    session.write("creds", format!("me:{SECRET}\n"));
    // The first is asked without a word of who we are, and refused.
    registry.inject(Rule::new(Fault::Stall).path("/tags/list").skip(1).always());
    let line = format!("list --creds-file creds docker://{}/team/app", registry.host());
    let mut child = session.command(&line).spawn().unwrap();
    let begun = Instant::now();
    while registry.count("GET", "/tags/list") < 2 && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let shown = fs::read(format!("/proc/{}/cmdline", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    if let Ok(shown) = shown {
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(shown.contains("creds") && !shown.contains(SECRET), "{shown}");
    }
    let sent = registry.exchanges();
    assert!(sent.iter().any(|one| one.header("authorization").is_some()), "it was used");
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let session = Session::new();
    for line in ["login --username me 127.0.0.1:1", "login 127.0.0.1:1"] {
        let output = session.run(line);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("--password-stdin"));
    }
    let empty = login(&session, "127.0.0.1:1", "");
    assert_eq!(empty.status.code(), Some(2), "{}", said(&empty));
}

#[test]
fn a_short_name_of_registries_conf() {
    let (session, registry) = (Session::new(), basic());
    session.write("creds", format!("me:{SECRET}\n"));
    session
        .write("registries.conf", format!("[aliases]\napp = \"{}/team/app\"\n", registry.host()));
    let options = "--creds-file creds --registries-conf registries.conf";
    assert!(session.ok(&format!("list {options} app")).contains("v1"));
    session.ok(&format!("inspect {options} app:v1"));
    assert_eq!(session.run("list app").status.code(), Some(3));
}

/// `--verbose` shows requests, of a copy too, and no secret: neither the password nor the token that it gives.
#[test]
fn requests_are_shown_without_secrets() {
    let (session, registry) = (Session::new(), tokens());
    let place = format!("docker://{}/team", registry.host());
    for line in [
        format!("list -v --creds me:{SECRET} {place}/app"),
        format!("copy --verbose --dest-creds me:{SECRET} hello.tar:@0 {place}/new:1"),
        format!("copy --debug --src-creds me:{SECRET} {place}/new:1 oci:x:1"),
    ] {
        let output = session.run(&line);
        assert!(output.status.success(), "{line}: {output:?}");
        let said = said(&output);
        assert!(said.contains(&format!(" http://{}/v2/team/", registry.host())), "{said}");
        assert!(said.contains(" -> 200 OK") && said.contains("scope=repository:team/"), "{said}");
        assert!(!said.contains("Bearer") && !said.contains("Authorization"), "{said}");
    }
    let quiet = session.run(&format!("list --creds me:{SECRET} {place}/app"));
    assert!(!said(&quiet).contains("GET "));
}
