//! `change_file`: whatever comes in between, nothing is lost.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use transship_core::{Cancel, ErrorKind, Observer, Result};
use transship_local::{Before, Lock, LockWait, StagedFile, change_file, write_all_at};

fn text(before: &Before) -> Vec<u8> {
    before.file().map_or_else(Vec::new, |file| file.bytes(1000, "it").unwrap().to_vec())
}

fn staged(path: &Path, bytes: &[u8]) -> Result<Option<StagedFile>> {
    let file = StagedFile::beside(path)?;
    write_all_at(file.file(), bytes, 0).unwrap();
    Ok(Some(file))
}

fn append(path: &Path, line: &str) -> Result<()> {
    change_file(path, &LockWait::default(), &Cancel::new(), &mut |before| {
        staged(path, &[text(before).as_slice(), line.as_bytes()].concat())
    })
}

#[test]
fn writers_at_once_lose_nothing_also_where_nothing_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    thread::scope(|scope| {
        for at in 0..8 {
            let path = &path;
            scope.spawn(move || append(path, &format!("{at}")).unwrap());
        }
    });
    let mut lines = fs::read(&path).unwrap();
    lines.sort_unstable();
    assert_eq!(lines, b"01234567");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_a_tool_without_locks_does_meanwhile_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let mut calls = 0;
    let (wait, cancel) = (LockWait::default(), Cancel::new());
    change_file(&path, &wait, &cancel, &mut |before| {
        calls += 1;
        match calls {
            // It comes where nothing was, is replaced, and is written to.
            1 => fs::write(&path, "a").unwrap(),
            2 => {
                fs::write(folder.path().join("other"), "bb").unwrap();
                fs::rename(folder.path().join("other"), &path).unwrap();
            }
            3 => fs::write(&path, "ccc").unwrap(),
            _ => {}
        }
        staged(&path, &[text(before).as_slice(), b"!"].concat())
    })
    .unwrap();
    assert_eq!((calls, fs::read(&path).unwrap().as_slice()), (4, b"ccc!".as_slice()));
}

#[test]
fn what_fails_or_stays_changes_nothing_and_a_held_lock_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    fs::write(&path, "a").unwrap();
    let cancel = Cancel::new();
    change_file(&path, &LockWait::default(), &cancel, &mut |_| Ok(None)).unwrap();
    let failed = change_file(&path, &LockWait::default(), &cancel, &mut |_| {
        drop(staged(&path, b"half"));
        Err(transship_core::cancelled())
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Cancelled);
    let held = Lock::exclusive(&path, &LockWait::default(), &cancel).unwrap();
    let wait = LockWait::new(&Observer::default(), Some(Duration::from_millis(20)));
    let locked = change_file(&path, &wait, &cancel, &mut |_| staged(&path, b"b"));
    assert_eq!(locked.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(held);
    assert_eq!(fs::read(&path).unwrap(), b"a");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
