//! Files that show at once, whole.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{Holder, Mounted, names};
use transship_core::{Body, Cache, Cancel, ErrorKind, Expect, sha256};
use transship_local::{
    Publish, StagedFile, clean_stale, is_ours, known_blob, put_file, sync_folder, write_body,
};

fn stage(target: &Path, content: &str) -> StagedFile {
    let staged = StagedFile::beside(target).unwrap();
    staged.file().as_ref().write_all(content.as_bytes()).unwrap();
    staged
}

#[test]
fn nothing_shows_before_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a.tar");
    let staged = stage(&target, "new");
    assert!(!target.exists());
    assert!(is_ours(staged.path().file_name().unwrap().to_str().unwrap()));
    drop(staged);
    assert!(names(dir.path()).is_empty());
    stage(&target, "new").publish(Publish::Create).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    assert_eq!(names(dir.path()), ["a.tar"]);
}

#[test]
fn a_file_that_is_put_follows_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
    fs::write(&victim, "old").unwrap();
    symlink("victim", &link).unwrap();
    assert_eq!(
        put_file(&link, b"new", Publish::Create).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    put_file(&link, b"new", Publish::Replace).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "old");
    assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    let mode = |path| fs::symlink_metadata(path).unwrap().permissions();
    assert_eq!(mode(&link), mode(&victim));
    assert_eq!(names(dir.path()), ["link", "victim"]);
}

#[test]
fn create_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a.tar");
    let mut staged = stage(&target, "new");
    fs::write(&target, "came first").unwrap();
    assert_eq!(staged.publish(Publish::Create).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&target).unwrap(), "came first");
    fs::remove_file(&target).unwrap();
    staged.publish(Publish::Create).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    drop(staged);
    assert_eq!(names(dir.path()), ["a.tar"]);
}

#[test]
fn mode_and_owner_of_what_is_replaced_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a.tar");
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o604)).unwrap();
    let root = std::os::unix::fs::chown(&target, Some(1234), Some(1235)).is_ok();
    stage(&target, "new").publish(Publish::Replace).unwrap();
    let now = target.metadata().unwrap();
    assert_eq!(now.mode() & 0o7777, 0o604);
    if root {
        assert_eq!((now.uid(), now.gid()), (1234, 1235));
    }
}

#[test]
fn a_new_file_has_the_mode_of_any_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (target, other) = (dir.path().join("a.tar"), dir.path().join("b"));
    stage(&target, "new").publish(Publish::Replace).unwrap();
    fs::write(&other, "").unwrap();
    assert_eq!(target.metadata().unwrap().mode(), other.metadata().unwrap().mode());
}

#[test]
fn a_symlink_stays_and_what_it_leads_to_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("far")).unwrap();
    let (link, far) = (dir.path().join("a.tar"), dir.path().join("far/b.tar"));
    symlink("far/b.tar", &link).unwrap();
    for content in ["first", "second"] {
        stage(&link, content).publish(Publish::Replace).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&far).unwrap(), content);
    }
}

#[test]
fn folders_and_pipes_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path(), Path::new("/dev/null")] {
        let error = StagedFile::beside(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

#[test]
fn files_placed_by_name_share_a_sync_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let staged = StagedFile::in_folder(dir.path()).unwrap();
    let body = Body::from_bytes("content");
    let stored = write_body(body, staged.file(), staged.path(), &Cancel::new()).unwrap();
    assert_eq!(stored.digest, sha256(b"content"));
    staged.place(&dir.path().join("blob")).unwrap();
    sync_folder(dir.path()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("blob")).unwrap(), "content");
}

#[test]
fn what_a_killed_writer_left_goes_and_what_others_have_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = stage(&dir.path().join("live.tar"), "live");
    let mut killed = Holder::staging(&dir.path().join("killed.tar"));
    let foreign =
        [".transship-short.tmp", ".transship-notrandom!!!.tmp", "mine.tmp", ".transship-swap"];
    for name in foreign {
        fs::write(dir.path().join(name), "").unwrap();
    }
    clean_stale(dir.path()).unwrap();
    assert_eq!(ours(dir.path()), 2, "both writers live");
    killed.kill();
    assert_eq!(ours(dir.path()), 2);
    let next = StagedFile::beside(&dir.path().join("next.tar")).unwrap();
    assert_eq!(ours(dir.path()), 2, "the killed one's is gone");
    assert!(live.path().exists() && next.path().exists());
    assert!(foreign.iter().all(|name| dir.path().join(name).exists()));
    // A published file that is still open is nobody's staging, and is not locked.
    let file = std::sync::Arc::clone(live.file());
    live.publish(Publish::Create).unwrap();
    fs::File::open(dir.path().join("live.tar")).unwrap().try_lock().unwrap();
    drop(file);
}

fn ours(folder: &Path) -> usize {
    names(folder).iter().filter(|name| is_ours(name)).count()
}

#[test]
fn a_blob_in_place_counts_only_if_it_is_true() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blob");
    let want = Expect::digest(sha256(b"content")).with_size(7);
    let look = || known_blob(&path, &want, &Cache::default(), &Cancel::new()).unwrap();
    assert_eq!(look(), None);
    for wrong in ["conten", "content!", "cOntent", ""] {
        fs::write(&path, wrong).unwrap();
        assert_eq!(look(), None, "{wrong:?}");
    }
    fs::write(&path, "content").unwrap();
    assert_eq!(look().unwrap().size, 7);
}

#[test]
fn a_full_disk_is_an_error_with_a_hint() {
    let Some(disk) = Mounted::tmpfs("size=1m") else { return };
    let target = disk.path().join("a.tar");
    fs::write(&target, "old").unwrap();
    let staged = StagedFile::beside(&target).unwrap();
    let body = Body::from_bytes(vec![1; 2 << 20]);
    let error = write_body(body, staged.file(), staged.path(), &Cancel::new()).unwrap_err();
    assert!(error.advice().is_some_and(|hint| hint.to_string().contains("room")), "{error}");
    drop(staged);
    assert_eq!(names(disk.path()), ["a.tar"]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
}
