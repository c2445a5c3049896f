//! What registries answer to people who are new to them: each message says what to check.

use std::io::Write;
use std::process::Stdio;

use transship_test_registry::{Auth, Fault, Options, Registry, Rule, TokenAuth, User};

use crate::session::Session;
use crate::trust::Lab;

/// A server that answers everything with this.
fn answers(media_type: &str, body: &str) -> Registry {
    let registry = Registry::start(Options::default()).unwrap();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {length}"
    );
    registry.inject(Rule::new(Fault::Raw(format!("{head}\r\n\r\n{body}").into())).always());
    registry
}

/// A web server that has a page for every path.
fn web_server() -> Registry {
    let page = "\n<!doctype html>\n<html>  <title>Welcome</title></html>";
    answers("text/html; charset=utf-8", page)
}

fn fails(session: &Session, line: &str, code: i32) -> String {
    let output = session.run(line);
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_web_server_is_no_registry() {
    let (session, server) = (Session::new(), web_server());
    let host = server.host();
    for line in [
        format!("list docker://{host}/a/b"),
        format!("list docker://{host}"),
        format!("inspect docker://{host}/a/b:1"),
        format!("copy docker://{host}/a/b:1 oci:layout"),
    ] {
        let said = fails(&session, &line, 4);
        let sends = format!(
            "this is no answer of a registry: {host} sends text/html; charset=utf-8, \"<!doctype html>"
        );
        assert!(said.contains(&sends) && said.contains("check the host"), "{line}: {said}");
    }
    let pushed = session.run(&format!("copy hello.tar:@0 docker://{host}/a/b:1"));
    assert!(!pushed.status.success(), "{pushed:?}");
    assert!(session.left().is_empty());
}

#[test]
fn no_password_is_kept_for_a_web_server() {
    let session = Session::new();
    // The second is as quay is.
    for (server, kept) in [(web_server(), false), (answers("text/html", "true"), true)] {
        let line = format!("login --username me --password-stdin {}", server.host());
        let mut command = session.command(&line);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"hunter2\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.success(), kept, "{output:?}");
        assert_eq!(!session.left().is_empty(), kept);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("this is no answer of a registry"), !kept, "{said}");
    }
}

#[test]
fn a_pull_limit_and_what_is_not_there() {
    let mut options = Options::default();
    options.auth = Auth::Token(TokenAuth::new([User::new("me", "hunter2")]));
    let (session, locked) = (Session::new(), Registry::start(options).unwrap());
    let open = Registry::start(Options::default()).unwrap();
    let fault = Fault::Status { status: 429, retry_after: None };
    open.inject(Rule::new(fault).path("/limited/").always());
    let at = |registry: &Registry, name: &str| format!("docker://{}/{name}", registry.host());
    let log_in = |registry: &Registry| format!("`transship login {}`", registry.host());

    let said = fails(&session, &format!("inspect --retries 0 {}", at(&open, "limited/x:1")), 1);
    assert!(said.contains("429") && said.contains("wait: the registry limits"), "{said}");
    assert!(said.contains(&log_in(&open)), "{said}");

    for line in [format!("inspect {}", at(&open, "a/b:1")), format!("list {}", at(&open, "a/b"))] {
        let said = fails(&session, &line, 3);
        assert!(said.contains("check the name") && said.contains(&log_in(&open)), "{said}");
    }
    let said = fails(&session, &format!("list {}", at(&locked, "a/b")), 1);
    assert!(said.contains(&log_in(&locked)), "{said}");
    let creds = "--creds me:hunter2";
    let said = fails(&session, &format!("inspect {creds} {}", at(&locked, "a/b:1")), 3);
    assert!(said.contains("check the name: a private repository"), "{said}");
    assert!(!said.contains("transship login"), "{said}");
}

#[test]
fn which_image_of_a_layout_and_which_places_can_be_signed() {
    let lab = Lab::new();
    let session = &lab.session;
    session.ok("copy -q --all-images hello.tar oci:layout");
    for (line, all) in [("inspect oci:layout", false), ("copy oci:layout oci:new", true)] {
        let said = fails(session, line, 2);
        assert!(said.contains("example/hello:1 (@0)") && said.contains("(@2)"), "{said}");
        assert!(said.contains("choose with :NAME or :@INDEX"), "{said}");
        assert_eq!(said.contains("--all-images"), all, "{said}");
    }
    // Also before a name is asked for.
    for identity in ["--identity a.example/b:1 ", ""] {
        let line = format!("sign --key k.pem {identity}docker-archive:hello.tar:@0");
        let said = fails(session, &line, 1);
        assert!(said.contains("cannot hold signatures"), "{said}");
        assert!(said.contains("images in docker://, oci:, oci-archive: and dir: can be"), "{said}");
    }
}

#[test]
fn what_would_be_deleted() {
    let session = Session::new();
    let output = session.run("delete --dry-run hello.tar:example/hello:1");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "would be deleted: docker-archive:hello.tar:docker.io/example/hello:1\n");
}

#[test]
fn what_is_no_place_in_a_registry_and_what_is_no_list() {
    let session = Session::new();
    session.write("s.yaml", "a.example:\n  images:\n    a: []\n");
    let lines = [
        "list docker://",
        "inspect docker://",
        "copy hello.tar docker://",
        "sync s.yaml docker://",
    ];
    for line in lines {
        let said = fails(&session, line, 2);
        assert!(said.contains("docker://: the repository is missing"), "{line}: {said}");
        assert!(said.contains("the form is docker://HOST/REPOSITORY[:TAG]"), "{line}: {said}");
    }
    let said = fails(&session, "list docker://127.0.0.1:99999/a", 2);
    assert!(said.contains("there is no port 99999"), "{said}");
    let said = fails(&session, "copy --from-file hello.tar oci:none", 2);
    assert!(said.contains("hello.tar:1: this is no list of references"), "{said}");
    assert!(said.contains("an archive is given as a SOURCE") && said.len() < 200, "{said}");
    session.write("list", "hello.tar:@0\t->\tapp:1\n");
    session.ok("copy --quiet --from-file list oci:named");
    assert!(session.ok("list oci:named").contains("app:1"));
}

#[test]
fn a_base_without_digests_is_reported() {
    let session = Session::new();
    session.write("none", "# of a layout without images\n");
    let copied = session.run("copy --all-images --since none hello.tar oci-archive:all.tar");
    let said = String::from_utf8(copied.stderr).unwrap();
    assert!(copied.status.success(), "{said}");
    assert!(said.contains("warning: none lists no digests: nothing is left out"), "{said}");
}
