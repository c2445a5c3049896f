//! Help, completions and manual pages, which come from one definition.

use crate::session::Session;

#[test]
fn help() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript(["--help", "--version", "copy -h", "inspect -h"]));
}

#[test]
fn wrong_usage() {
    let session = Session::new();
    insta::assert_snapshot!(session.transcript([
        "",
        "copi",
        "copy hello.tar",
        "copy --jobs 0 hello.tar oci:x",
        "copy --compress lzma hello.tar oci:x",
        "copy --compress gzip:10 hello.tar oci:x",
        "copy --platform lin hello.tar oci:x",
        "list --deadline soon hello.tar",
        "inspect --raw --json hello.tar:@0",
        "list -o oci.nonsense=1 hello.tar",
        "list -o nonsense hello.tar",
    ]));
    assert!(session.left().is_empty());
}

#[test]
fn completions_know_the_options() {
    let session = Session::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = session.ok(&format!("completions {shell}"));
        assert!(script.contains("all-images"), "{shell}");
    }
}

#[test]
fn manual_pages_have_the_exit_codes() {
    let session = Session::new();
    assert!(session.ok("man").contains("Exit codes"));
    assert!(session.ok("man pages").is_empty());
    let copy = std::fs::read_to_string(session.path("pages/transship-copy.1")).unwrap();
    assert!(copy.contains("digestfile"));
}

#[test]
fn a_summary_fits_on_two_screens() {
    let session = Session::new();
    for command in ["copy", "list", "inspect", "verify", "digests", "delete", "gc", "serve"] {
        for width in ["80", "100"] {
            let mut command = session.command(&format!("{command} -h"));
            let help = command.env("COLUMNS", width).output().unwrap();
            let lines = String::from_utf8(help.stdout).unwrap().lines().count();
            assert!((10..=50).contains(&lines), "{command:?} at {width}: {lines} lines");
        }
    }
}

/// Each option of a transport has a sentence, under a heading that names the transport.
#[test]
fn options_of_transports_are_explained() {
    let session = Session::new();
    let help = session.ok("copy --help");
    let of_registries = help.split("Options for docker:\n").nth(1).unwrap();
    for text in [
        "--src-creds <USER[:PASSWORD]>",
        "Credentials for the source registry",
        "--dest-creds <USER[:PASSWORD]>",
        "Credentials for the destination registry",
        "--src-no-creds[=<BOOL>]",
        "--dest-chunk-size <BYTES>",
    ] {
        assert!(of_registries.contains(text), "{text}");
    }
    assert!(help.contains("Options for docker-archive and oci-archive:\n"), "{help}");
    assert!(!help.contains("--src-chunk-size") && !help.contains("{side}"), "{help}");
    for command in ["list", "inspect", "verify", "digests", "delete", "gc"] {
        let help = session.ok(&format!("{command} --help"));
        assert!(help.contains("--creds <USER[:PASSWORD]>"), "{command}");
        assert!(help.contains("Credentials for the registry"), "{command}");
    }
}

/// Each line, and a line without words of skopeo and crane that does the same.
#[test]
fn words_of_skopeo_and_crane_that_mean_the_same() {
    let session = Session::new();
    for (theirs, ours) in [
        ("ls hello.tar", "list hello.tar"),
        ("list-tags hello.tar", "list hello.tar"),
        ("tags hello.tar", "list hello.tar"),
        ("manifest hello.tar:@0", "inspect --raw hello.tar:@0"),
        ("config hello.tar:@0", "inspect --config hello.tar:@0"),
        ("digest hello.tar:@0", "inspect --digest hello.tar:@0"),
        ("--override-arch x86_64 inspect hello.tar:@0", "inspect hello.tar:@0"),
        ("validate hello.tar", "verify hello.tar"),
    ] {
        assert_eq!(session.ok(theirs), session.ok(ours), "{theirs}");
    }
    for (number, options) in [
        "--all",
        "-a",
        "--format v2s2",
        "--format oci",
        "--override-os linux --override-arch amd64",
        "--multi-arch all",
        "--multi-arch system",
        "--dest-compress-format gzip",
        "--additional-tag x/y:2",
        "--insecure-policy",
        "--remove-signatures",
        "--debug",
        "-v",
        "--verbose",
        "--src-tls-verify=false --dest-creds a:b",
        "--platform linux",
        "--platform amd64",
    ]
    .into_iter()
    .enumerate()
    {
        session.ok(&format!("copy {options} hello.tar:@0 oci:l{number}:x"));
    }
    let digest = session.ok("inspect --digest oci:l0:x");
    assert!(digest.starts_with("sha256:") && digest.lines().count() == 1, "{digest}");
    session.ok("--insecure-policy --command-timeout 1h copy hello.tar:@0 oci:before:x");
    let windows = session.run("copy --platform windows hello.tar:@0 oci:w:x");
    let said = String::from_utf8(windows.stderr).unwrap();
    assert!(windows.status.code() == Some(3) && said.contains("windows/"), "{said}");
}

#[test]
fn words_that_mean_something_else_get_a_tip() {
    let session = Session::new();
    for (line, tip) in [
        ("pull alpine", "use transship copy docker://"),
        ("push a.tar r/x", "use transship copy FILE.tar docker://"),
        ("copy --dest-compress hello.tar oci:x", "use --compress gzip"),
        ("copy --insecure hello.tar oci:x", "use --tls-verify=false"),
        ("copy --retry-times=3 hello.tar oci:x", "use --retries N"),
        ("list --username me hello.tar", "use --creds USER:PASSWORD"),
    ] {
        let output = session.run(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(tip), "{line}: {said}");
    }
}

/// 3 is for images, blobs and places; files that options name are a mistake on the command line.
#[test]
fn exit_codes() {
    let session = Session::new();
    for (line, code) in [
        ("inspect hello.tar:absent", 3),
        ("list absent.tar", 3),
        ("list docker-archive:absent.tar", 3),
        ("inspect hello.tar", 2),
        ("copy hello.tar oci:x", 2),
        ("copy --from-file absent hello.tar:@0 oci:x", 2),
        ("list --creds-file absent docker://localhost:1/r", 2),
        ("list --creds-env ABSENT docker://localhost:1/r", 2),
        ("list --registries-conf absent docker://localhost:1/r", 2),
        ("logout localhost:1", 1),
    ] {
        let output = session.run(line);
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    }
    session.ok("copy hello.tar:@0 docker-archive:small.tar.gz");
    let spool = session.run("list --tmpdir absent small.tar.gz");
    assert_eq!(spool.status.code(), Some(2), "{spool:?}");
    for command in ["--help", "man"] {
        let text = session.ok(command);
        assert!(text.contains("SIGHUP") && text.contains("SIGTERM") && text.contains("143"));
    }
}
