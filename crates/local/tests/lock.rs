//! Keeping other processes out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::Holder;
use transship_core::{Cancel, ErrorKind, Notice, Observer};
use transship_local::{Lock, LockWait};

#[test]
fn another_process_is_respected_and_its_death_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oci-layout");
    fs::write(&path, "x").unwrap();
    let mut other = Holder::lock(&path);
    assert!(Lock::try_exclusive(&path).unwrap().is_none());
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        other.kill();
    });
    Lock::exclusive(&path, &LockWait::default(), &Cancel::new()).unwrap();
    killer.join().unwrap();
}

#[test]
fn waiting_ends_when_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oci-layout");
    fs::write(&path, "x").unwrap();
    let _held = Lock::exclusive(&path, &LockWait::default(), &Cancel::new()).unwrap();
    let cancel = Cancel::new();
    let stopper = cancel.clone();
    let waiter = std::thread::spawn(move || {
        Lock::exclusive(&path, &LockWait::default(), &cancel).unwrap_err().kind()
    });
    std::thread::sleep(Duration::from_millis(20));
    stopper.cancel();
    assert_eq!(waiter.join().unwrap(), ErrorKind::Cancelled);
}

#[test]
fn shared_ones_live_together_and_keep_an_exclusive_one_out() {
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let one = Lock::shared(dir.path(), &LockWait::default(), &cancel).unwrap();
    let two = Lock::shared(dir.path(), &LockWait::default(), &cancel).unwrap();
    drop(one);
    assert!(Lock::try_exclusive(dir.path()).unwrap().is_none());
    drop(two);
    assert!(Lock::try_exclusive(dir.path()).unwrap().is_some());
}

#[test]
fn a_lock_is_on_what_has_the_name_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (path, next) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
    fs::write(&path, "old").unwrap();
    fs::write(&next, "new").unwrap();
    let held = Lock::exclusive(&path, &LockWait::default(), &Cancel::new()).unwrap();
    let waiting = path.clone();
    let waiter = std::thread::spawn(move || {
        let lock = Lock::exclusive(&waiting, &LockWait::default(), &Cancel::new()).unwrap();
        std::io::read_to_string(lock.file()).unwrap()
    });
    std::thread::sleep(Duration::from_millis(20));
    fs::rename(&next, &path).unwrap();
    drop(held);
    assert_eq!(waiter.join().unwrap(), "new");
}

#[test]
fn nothing_there_is_nothing_to_lock() {
    let dir = tempfile::tempdir().unwrap();
    let error = Lock::try_exclusive(&dir.path().join("none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn a_long_wait_is_reported_once_and_ends_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    fs::write(&path, "x").unwrap();
    let _other = Holder::lock(&path);
    let said = Arc::<Mutex<Vec<Notice>>>::default();
    let hears = Arc::clone(&said);
    let observer = Observer::new(move |notice| hears.lock().unwrap().push(notice));
    let wait = |limit| {
        let (wait, begun) = (LockWait::new(&observer, Some(limit)), Instant::now());
        let error = Lock::exclusive(&path, &wait, &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("a.tar is still locked by another process"), "{error}");
        assert!(begun.elapsed() >= limit);
    };
    wait(Duration::from_millis(200));
    assert!(said.lock().unwrap().is_empty(), "a short wait is nobody's business");
    wait(Duration::from_millis(1500));
    let said = said.lock().unwrap();
    let [Notice::Warning(warning)] = said.as_slice() else { panic!("{said:?}") };
    assert!(warning.contains("a.tar is locked by another process"), "{warning}");
}
