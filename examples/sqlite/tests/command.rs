//! The command with this transport, and what only this transport has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rusqlite::Connection;
use transship::transport::{Cancel, Candidate, Transport};
use transship::{ErrorKind, ReadOptions, Settings, Transports, WriteMode, WriteOptions};
use transship_sqlite::Sqlite;

const HELLO: &str = concat!("docker-archive:", env!("CARGO_MANIFEST_DIR"), "/../data/hello.tar");

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transship-sqlite"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn said(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_is_one_more_transport_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(said(folder, &["transports"]).contains("sqlite:PATH[:NAME|:@INDEX|@DIGEST]"));
    said(folder, &["copy", "--all-images", HELLO, "sqlite:images.db"]);
    let listed = said(folder, &["list", "sqlite:images.db"]);
    assert!(listed.contains("example/hello:1") && listed.contains("example/world:1"), "{listed}");
    assert_eq!(said(folder, &["list", "images.db"]), listed, "a bare path is recognized");
    let help = said(folder, &["copy", "--help"]);
    let ours = help.split("Options for sqlite:\n").nth(1).unwrap();
    assert!(ours.contains("--src-busy-timeout <SECONDS>"), "{ours}");
    assert!(ours.contains("How long to wait for a source database"), "{ours}");
    said(folder, &["copy", "images.db:docker.io/example/world:1", "oci:bare"]);
    said(folder, &["copy", "sqlite:images.db:docker.io/example/world:1", "oci:layout"]);
    said(folder, &["copy", "oci:layout", "sqlite:images.db:again"]);
    said(folder, &["verify", "sqlite:images.db"]);
    let options = ["--dest-busy-timeout", "soon", HELLO, "sqlite:images.db"];
    let refused = run(folder, &[&["copy"][..], &options].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[test]
fn no_other_file_is_read_for_the_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    said(folder, &["copy", "--all-images", HELLO, "sqlite:images.db"]);
    said(folder, &["copy", &format!("{HELLO}:example/world:1"), "sqlite:./-"]);
    let mut list = command(folder, &["list", "-"]);
    let listed = list.stdin(File::open(folder.join("images.db")).unwrap()).output().unwrap();
    let (said, why) =
        (String::from_utf8_lossy(&listed.stdout), String::from_utf8_lossy(&listed.stderr));
    assert!(!listed.status.success() && said.is_empty(), "{said}");
    assert!(!why.contains("sqlite") && !why.contains("No such file"), "{why}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_no_text_is_no_other_path() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    said(folder.path(), &["copy", "--all-images", HELLO, "sqlite:images.db"]);
    let other = folder.path().join(std::ffi::OsStr::from_bytes(b"images\xff"));
    fs::rename(folder.path().join("images.db"), &other).unwrap();
    let found = Candidate::look(other, &ReadOptions::default()).unwrap();
    assert!(Sqlite::default().recognize(&found, &Cancel::new()).unwrap().is_none());
}

#[test]
fn policies_call_an_image_by_its_path() {
    let sqlite = Sqlite::default();
    let identity = sqlite.identity(&sqlite.parse("/nowhere/images.db:app").unwrap());
    assert_eq!(identity.scopes(), ["/nowhere/images.db", "/nowhere"]);
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let started: Vec<_> = (0..6)
        .map(|at| {
            let name = format!("sqlite:images.db:copy-{at}");
            let from = format!("{HELLO}:example/world:1");
            let mut command = command(folder, &["copy", &from, &name]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for process in started {
        let ended = process.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let listed = said(folder, &["list", "--json", "sqlite:images.db"]);
    for at in 0..6 {
        assert!(listed.contains(&format!("copy-{at}")), "{listed}");
    }
    let kept: Vec<_> = fs::read_dir(folder).unwrap().collect();
    assert_eq!(kept.len(), 1, "only the database is left: {kept:?}");
}

#[tokio::test]
async fn a_database_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("others.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (it)").unwrap();
    let before = fs::read(&path).unwrap();
    let sqlite = Sqlite::default();
    let at = sqlite.parse(path.to_str().unwrap()).unwrap();
    let read = sqlite.source(&at, &ReadOptions::default()).await.unwrap_err();
    let mut how = WriteOptions::default();
    how.mode = Some(WriteMode::Replace);
    let written = sqlite.destination(&at, &how).await.unwrap_err();
    for error in [read, written] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("not one of images"), "{error}");
    }
    fs::write(&path, "no database at all, and long enough to be looked at as one").unwrap();
    let error = sqlite.source(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_ne!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn an_empty_file_is_no_database_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    fs::write(&path, "").unwrap();
    let sqlite = Sqlite::default();
    let at = sqlite.parse(path.to_str().unwrap()).unwrap();
    let error = sqlite.source(&at, &ReadOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let mut how = WriteOptions::default();
    how.mode = Some(WriteMode::Create);
    let mut writer = sqlite.archives().unwrap().write(&at, &how).await.unwrap();
    writer.finish().await.unwrap();
    assert!(sqlite.archives().unwrap().read(&at, &ReadOptions::default()).await.is_ok());
}

#[tokio::test]
async fn a_lock_that_stays_is_reported_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.db");
    let settings = Settings::new().with("sqlite", "busy-timeout", "0");
    let transports = Transports::new().with(Arc::new(Sqlite::new(&settings).unwrap()));
    let at = transports.parse(&format!("sqlite:{}", path.display())).unwrap();
    let archives = transports.of(&at).unwrap().archives().unwrap();
    archives.write(&at, &WriteOptions::default()).await.unwrap().finish().await.unwrap();
    let mut writer = archives.write(&at, &WriteOptions::default()).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = writer.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(
        error.retryable() && error.advice().unwrap().to_string().contains("busy-timeout"),
        "{error}"
    );
    other.execute_batch("ROLLBACK").unwrap();
}
