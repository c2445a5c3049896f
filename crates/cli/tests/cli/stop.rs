//! Ctrl-C and deadlines: nothing is left, and what was there stays.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use transship_test_registry::{Auth, Fault, Options, Registry, Rule, TokenAuth, User};

use crate::make;
use crate::session::Session;

/// A copy that takes longer than any machine needs to stop it: the last layer is compressed slowly.
const SLOWLY: &str = "copy --progress json --compress gzip:9 big.tar:example/world:1";

/// An archive whose last layer is large. Its bytes are from a generator, which no compressor sees through.
fn big(session: &Session) {
    let mut state = 1_u64;
    let mut layer = Vec::with_capacity(48 << 20);
    while layer.len() < 48 << 20 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        layer.extend((state >> 33).to_string().bytes());
    }
    layer.truncate(48 << 20);
    session.write("layer", &layer);
    let output = Command::new("sha256sum").arg(session.path("layer")).output().unwrap();
    let diff_id = String::from_utf8(output.stdout).unwrap()[..64].to_owned();
    fs::remove_file(session.path("layer")).unwrap();
    make::changed(&session.path("hello.tar"), &session.path("big.tar"), |members| {
        let top = "8d4656133c39365abec593a92f78e9c8706b83e772533ae8d6d3f94dfae39e13/layer.tar";
        make::edit(members, top, |bytes| *bytes = layer);
        let config = "dcd2909d1b2c0cfde083d6fdcef11522cba21a41944d533469575bacc350c0fd.json";
        make::edit(members, config, |bytes| {
            let was = "d3106f3b42746cc339ea506feecf657a4dc2d1942a1dbbeb2e48b65d4d7ce604";
            make::replace(bytes, was, &diff_id);
        });
        // The name of a config is its digest, or no digest at all.
        let renamed = |text: &mut String| *text = text.replace(config, "config.json");
        for member in members.iter_mut() {
            renamed(&mut member.name);
        }
        make::edit(members, "manifest.json", |bytes| make::replace(bytes, config, "config.json"));
    });
}

fn start(session: &Session, line: &str) -> (Child, BufReader<ChildStderr>) {
    let mut child =
        session.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

/// Waits until the big layer is being read.
fn until_moving(stderr: &mut impl BufRead) {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended before it was stopped");
        let event: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no event: {line}"));
        if event["event"] == "advanced" && event["bytes"].as_u64() > Some(500_000) {
            return;
        }
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(name).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

#[test]
fn ctrl_c_leaves_no_trace_at_a_new_place() {
    let session = Session::new();
    big(&session);
    for (scheme, name) in [("oci", "layout"), ("oci-archive", "layout.tar"), ("dir", "folder")] {
        let (mut child, mut stderr) = start(&session, &format!("{SLOWLY} {scheme}:{name}"));
        until_moving(&mut stderr);
        signal(&child, "-INT");
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{scheme}: {rest}");
        assert_eq!(session.left(), ["big.tar"], "{scheme}");
        assert!(rest.contains(r#""event":"cancelled""#), "{scheme}: {rest}");
    }
}

#[test]
fn ctrl_c_leaves_what_was_there() {
    let session = Session::new();
    big(&session);
    session.ok("copy hello.tar:@0 oci:layout");
    session.ok("copy hello.tar:@0 oci-archive:layout.tar");
    session.ok("copy hello.tar:@0 dir:folder");
    for (scheme, name) in [("oci", "layout"), ("oci-archive", "layout.tar"), ("dir", "folder")] {
        let place = format!("{scheme}:{name}");
        let before = (session.ok(&format!("list --json {place}")), session.left());
        let replace = if scheme == "oci-archive" { "--replace" } else { "" };
        let (mut child, mut stderr) = start(&session, &format!("{SLOWLY} {replace} {place}"));
        until_moving(&mut stderr);
        signal(&child, "-TERM");
        std::io::copy(&mut stderr, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143), "{place}");
        assert_eq!((session.ok(&format!("list --json {place}")), session.left()), before);
        session.ok(&format!("verify {place}"));
        for entry in fs::read_dir(session.path(name)).into_iter().flatten() {
            let entry = entry.unwrap().file_name();
            assert!(!entry.to_string_lossy().starts_with(".transship"), "{place}: {entry:?}");
        }
    }
}

#[test]
fn ctrl_c_while_a_pipe_gives_nothing() {
    let session = Session::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = session
        .command("copy - oci:layout")
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has its handlers when it reads; until then the system's own would end it.
    let state = format!("/proc/{}/status", child.id());
    while !caught_sigint(&state) {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(writer);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "transship: interrupted by SIGINT\n");
    assert!(session.left().is_empty());
}

fn caught_sigint(status: &str) -> bool {
    let text = fs::read_to_string(status).unwrap();
    let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 0b10 != 0
}

#[test]
fn a_deadline_stops_it() {
    let session = Session::new();
    big(&session);
    let line = format!("{SLOWLY} --deadline 150ms oci:layout").replace("json", "none");
    insta::assert_snapshot!(session.transcript([&*line]));
    assert_eq!(session.left(), ["big.tar"]);
}

#[test]
fn a_pipe_that_ends_early_changes_nothing() {
    let session = Session::new();
    let whole = fs::read(session.path("hello.tar")).unwrap();
    session.write("half.tar", &whole[..whole.len() / 2]);
    let half = File::open(session.path("half.tar")).unwrap();
    let output = session.command("copy --all-images - oci:layout").stdin(half).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!(session.left(), ["half.tar"]);
}

#[test]
fn a_deadline_stops_a_push_that_hangs() {
    let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
    registry.inject(Rule::new(Fault::Stall).method("PUT").path("/blobs/uploads/").always());
    let to = format!("docker://{}/app:1", registry.host());
    gives_up(&session, &format!("hello.tar:@0 {to}"));
    assert!(registry.tags("app").is_empty());
    let patience = Instant::now() + Duration::from_secs(20);
    while registry.sessions() > 0 {
        assert!(Instant::now() < patience, "{} sessions are left open", registry.sessions());
        std::thread::sleep(Duration::from_millis(10));
    }
    registry.clear_faults();
    session.ok(&format!("copy --quiet hello.tar:@0 {to}"));
}

/// The copy goes on without the image, and ends well before the registry has given a token for the cancellation.
#[test]
fn the_upload_of_an_image_that_fails_is_cancelled_before_the_command_ends() {
    let session = Session::new();
    let mut options = Options::default();
    options.auth = Auth::Token(TokenAuth::new([User::new("me", "secret")]));
    let registry = Registry::start(options).unwrap();
    make::changed(&session.path("hello.tar"), &session.path("broken.tar"), |members| {
        let top = "8d4656133c39365abec593a92f78e9c8706b83e772533ae8d6d3f94dfae39e13/layer.tar";
        make::edit(members, top, |bytes| bytes[600] ^= 1);
    });
    registry.inject(Rule::new(Fault::ExpiredToken).method("DELETE").path("/blobs/uploads/"));
    registry.inject(Rule::new(Fault::Late(Duration::from_millis(800))).path("/token").always());
    let to = format!("docker://{}/all/", registry.host());
    let line = format!("copy --keep-going --creds me:secret --all-images broken.tar {to}");
    let output = session.run(&line);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_eq!((registry.sessions(), registry.pending_faults()), (0, 0));
}

#[test]
fn a_deadline_stops_a_pull_that_hangs() {
    let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
    let from = format!("docker://{}/app:1", registry.host());
    session.ok(&format!("copy --quiet hello.tar:@0 {from}"));
    registry.inject(Rule::new(Fault::Stall).method("GET").path("/blobs/").always());
    gives_up(&session, &format!("{from} oci:layout"));
    assert!(session.left().is_empty());
}

/// Of an image that gets several tags, those that are published are listed, after a failure and after a deadline.
#[test]
fn tags_that_were_put_before_the_one_that_fails_are_reported() {
    for (fault, told) in [
        (Fault::Status { status: 403, retry_after: None }, "is written already"),
        (Fault::Stall, "published already"),
    ] {
        let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
        registry.inject(Rule::new(fault).method("PUT").path("/manifests/3").always());
        let at = format!("docker://{}/app", registry.host());
        let line =
            format!("copy --json --deadline 2s --name 2 --name 3 --name 4 hello.tar:@0 {at}:1");
        let output = session.run(&line);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let tags: Vec<String> = registry.tags("app").into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(tags, ["1", "2"]);
        let said = String::from_utf8(output.stderr).unwrap();
        let line = said.lines().find(|line| line.contains(told)).expect(&said);
        let shown = [1, 2].map(|tag| format!("{at}:{tag}"));
        assert!(line.contains(&shown.join(", ")) && !line.contains("app:4"), "{said}");
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["published"], serde_json::json!(shown), "{printed}");
        // What was answered is known.
        let unconfirmed = (told == "published already").then(|| format!("{at}:3"));
        assert_eq!(printed["unconfirmed"], serde_json::json!(unconfirmed), "{printed}");
    }
}

/// A registry that was sent the last manifest, and has not answered, may have taken it.
#[test]
fn what_was_not_answered_is_not_known() {
    for fault in [Fault::Late(Duration::from_secs(20)), Fault::Stall] {
        let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
        registry.inject(Rule::new(fault).method("PUT").path("/manifests/1").always());
        let to = format!("docker://{}/app:1", registry.host());
        let output = session.run(&format!("copy --progress none --deadline 2s hello.tar:@0 {to}"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("not known whether {to} is published")), "{said}");
        assert!(!said.contains("nothing has changed"), "{said}");
        // Before that, nothing was published.
        let line = format!("copy --progress none --deadline 2s hello.tar:@0 {to}");
        registry.clear_faults();
        registry.inject(Rule::new(Fault::Stall).method("POST").always());
        registry.inject(Rule::new(Fault::Stall).method("HEAD").always());
        let said = String::from_utf8(session.run(&line).stderr).unwrap();
        assert!(said.contains("nothing has changed"), "{said}");
    }
    // Without a deadline it is the connection that ends.
    let (session, registry) = (Session::new(), Registry::start(Options::default()).unwrap());
    registry.inject(Rule::new(Fault::CutBeforeAnswer).method("PUT").path("/manifests/1").always());
    let to = format!("docker://{}/app:1", registry.host());
    let output = session.run(&format!("copy --quiet --json --retries 0 hello.tar:@0 {to}"));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["unconfirmed"], serde_json::json!(to), "{printed}");
    assert_eq!(registry.tags("app").len(), 1, "it was taken");
}

fn gives_up(session: &Session, places: &str) {
    let output = session.run(&format!("copy --progress none --deadline 2s {places}"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("it was not done after 2s, the deadline"), "{said}");
}

/// A pipe that nobody writes to, as of a shell's `<(..)`.
#[test]
fn signals_end_a_command_that_waits_for_a_policy_or_key() {
    let session = Session::new();
    assert!(Command::new("mkfifo").arg(session.path("pipe")).status().unwrap().success());
    session.ok("copy --quiet hello.tar:@0 oci:layout");
    for line in [
        "copy --policy pipe oci:layout oci:other",
        "copy --verify-key pipe oci:layout oci:other",
        "copy --sign-key pipe oci:layout oci:other",
        "sign --key pipe oci:layout",
        "verify --key pipe oci:layout",
    ] {
        let (mut child, _stderr) = start(&session, line);
        // Until it opens the pipe; before that, a signal ends it as well.
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, "-TERM");
        let end = Instant::now() + Duration::from_secs(20);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("{line}: it does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(143) | None), "{line}: {code:?}");
    }
}

/// A podman that takes a second to load and to name an image.
const SLOW_PODMAN: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$@" >>asked
case $1 in
load) cat >tar; touch loading; sleep 1
  tar -xOf tar manifest.json | sed 's/.*"Config":"blobs.sha256.\([0-9a-f]*\)".*/\1/' >id
  echo "Loaded image: sha256:$(cat id)";;
image) if [ -s id ]; then echo "[{\"Id\":\"$(cat id)\"}]"; else echo 'Error: image not known' >&2; exit 125; fi;;
images) echo '[]';;
tag) touch naming; sleep 1; touch named;;
rmi) touch removed;;
esac
"#;

#[cfg(feature = "containers-storage")]
#[test]
fn ctrl_c_after_an_engine_has_the_image_leaves_none_without_a_name() {
    use std::os::unix::fs::PermissionsExt;

    for (when, removed, named) in [("loading", true, false), ("naming", false, true)] {
        let session = Session::new();
        fs::create_dir(session.path("bin")).unwrap();
        session.write("bin/podman", SLOW_PODMAN);
        let podman = session.path("bin/podman");
        fs::set_permissions(&podman, PermissionsExt::from_mode(0o755)).unwrap();
        let line =
            format!("copy hello.tar:@0 containers-storage:x:1 --podman {}", podman.display());
        let (mut child, mut stderr) = start(&session, &line);
        let began = Instant::now();
        while !session.path(&format!("bin/{when}")).exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "it is not {when}");
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&child, "-INT");
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{when}: {rest}");
        assert!(rest.contains("waiting up to 30 s"), "{when}: {rest}");
        assert!(!rest.contains("not known"), "{when}: {rest}");
        assert_eq!(rest.contains("published already"), named, "{when}: {rest}");
        let asked = fs::read_to_string(session.path("bin/asked")).unwrap();
        assert_eq!(session.path("bin/removed").exists(), removed, "{when}: {asked}");
        assert_eq!(session.path("bin/named").exists(), named, "{when}: {asked}");
    }
}
