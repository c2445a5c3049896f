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
        "copy --platform linux hello.tar oci:x",
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
