//! What stands at a path, and what readers open.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use transship_core::ErrorKind;
use transship_local::{Target, folder_of, open_regular, parse_json, read_document, spool_file};

fn pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode};
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn each_kind_of_thing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "x").unwrap();
    fs::create_dir(at("folder")).unwrap();
    pipe(&at("pipe"));
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert_eq!(Target::look_at(&at("file")).unwrap(), Target::File(at("file")));
    assert_eq!(Target::look_at(&at("folder")).unwrap(), Target::Folder(at("folder")));
    assert_eq!(Target::look_at(&at("pipe")).unwrap(), Target::Stream(at("pipe")));
    assert_eq!(Target::look_at(&at("socket")).unwrap(), Target::Stream(at("socket")));
    assert_eq!(Target::look_at(&at("none")).unwrap(), Target::Absent(at("none")));
    let null = Path::new("/dev/null");
    assert_eq!(Target::look_at(null).unwrap(), Target::Stream(null.to_owned()));
}

#[test]
fn links_are_resolved_to_what_will_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    fs::write(at("sub/file"), "x").unwrap();
    symlink("b", at("a")).unwrap();
    symlink("sub/c", at("b")).unwrap();
    symlink("file", at("sub/c")).unwrap();
    symlink("sub/none", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    assert_eq!(Target::look_at(&at("a")).unwrap(), Target::File(at("sub/file")));
    assert_eq!(Target::look_at(&at("dangling")).unwrap(), Target::Absent(at("sub/none")));
    assert_eq!(Target::look_at(&at("loop")).unwrap_err().kind(), ErrorKind::Unexpected);
}

#[test]
fn readers_open_regular_files_only_and_never_hang() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    pipe(&at("pipe"));
    symlink("pipe", at("link")).unwrap();
    for path in [at("pipe"), at("link"), dir.path().to_owned(), "/dev/null".into()] {
        let error = open_regular(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    let error = open_regular(&at("none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn the_folder_of_a_bare_name_is_the_working_one() {
    assert_eq!(folder_of(Path::new("x")), Path::new("."));
    assert_eq!(folder_of(Path::new("a/x")), Path::new("a"));
    assert_eq!(folder_of(Path::new("/x")), Path::new("/"));
}

#[test]
fn documents_have_a_limit_that_the_error_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doc.json");
    fs::write(&path, "[1,2]").unwrap();
    assert_eq!(read_document(&path, 5, "the list").unwrap(), b"[1,2]");
    let error = read_document(&path, 4, "the list").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    let text = error.to_string();
    assert!(text.contains("the list") && text.contains("doc.json") && text.contains('4'), "{text}");
    let error = parse_json::<Vec<u8>>(b"[1,", "the list").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("the list"), "{error}");
}

#[test]
fn a_spool_without_a_folder_says_how_to_choose_one() {
    let dir = tempfile::tempdir().unwrap();
    spool_file(dir.path()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "it has no name");
    let text = spool_file(&dir.path().join("none")).unwrap_err().to_string();
    assert!(
        text.contains("none") && text.contains("another folder") && text.contains("TMPDIR"),
        "{text}"
    );
}
