use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Barrier;

use tempfile::TempDir;
use transship_core::{Body, Cache, WriteMode};
use transship_local::LockWait;

use super::*;
use crate::{ArchiveOutput, OutputOptions, TarIndex, TarWriter};

const DOCUMENTS: &[&str] = &["list"];

fn texts(index: &TarIndex) -> Vec<(String, String)> {
    let text = |name: &str| index.document(name, 1 << 20, "file").unwrap().to_vec();
    let text = |name: &str| (name.to_owned(), String::from_utf8(text(name)).unwrap());
    index.names().map(text).collect()
}

fn held(path: &Path) -> Vec<(String, String)> {
    texts(Base::open(path, &Cache::default(), &Cancel::new()).unwrap().index())
}

fn shown(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn create(path: &Path, files: &[(&str, &str)]) {
    let options = OutputOptions::default();
    let (mut output, mut tar) =
        ArchiveOutput::begin(path, WriteMode::Create, &options, &Cancel::new()).unwrap();
    for (name, text) in files {
        tar.put_bytes(name, text.as_bytes()).unwrap();
    }
    output.publish(&mut tar, &mut |_, _| Ok(()), &LockWait::default(), &Cancel::new()).unwrap();
}

fn add(path: &Path, file: &str, meanwhile: impl FnOnce()) -> Result<()> {
    let cancel = Cancel::new();
    let (mut appender, mut tar) = Appender::begin(path, DOCUMENTS, &Cache::default(), &cancel)?;
    tar.put_bytes("shared", b"by all")?;
    let body = Body::from_bytes(file.as_bytes().to_vec());
    tar.put_stream_as(file, body.chunks(&cancel)?)?;
    meanwhile();
    let mut list = |base: Option<&std::sync::Arc<Base>>, tar: &mut TarWriter| {
        let old = base.filter(|base| base.index().contains("list"));
        let old = old.map(|base| base.index().document("list", 1 << 20, "list")).transpose()?;
        let list = [&old.unwrap_or_default()[..], file.as_bytes(), b" "].concat();
        tar.put_bytes("list", &list)
    };
    appender.publish(&mut tar, &mut list, &LockWait::default(), &cancel)
}

#[test]
fn old_entries_stay_as_they_are() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    let long = "long".repeat(50);
    // The document is in the middle, and what follows it has an extension header.
    create(&path, &[("old", "1"), ("list", "old "), (&long, "2")]);
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    add(&path, "new", || ()).unwrap();
    let expected =
        [("old", "1"), (&long, "2"), ("shared", "by all"), ("new", "new"), ("list", "old new ")];
    assert_eq!(held(&path), shown(&expected));
    let after = fs::read(&path).unwrap();
    assert!(after[..1024] == before[..1024], "the first entry has changed");
    // Extension header, its payload, header, payload.
    assert!(after[1024..1024 + 2048] == before[2048..2048 + 2048], "the last one has changed");
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Documents are made, and entries copied, while others may have the lock; also when another one was faster.
#[test]
fn the_lock_is_not_held_while_entries_are_copied() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    create(&path, &[("old", "1"), ("list", "old ")]);
    let cancel = Cancel::new();
    for overtaken in [0, 1, 2] {
        let (mut appender, mut tar) =
            Appender::begin(&path, DOCUMENTS, &Cache::default(), &cancel).unwrap();
        tar.put_bytes(&format!("new{overtaken}"), b"2").unwrap();
        let mut calls = 0;
        let mut documents = |_: Option<&std::sync::Arc<Base>>, tar: &mut TarWriter| {
            if calls < overtaken {
                add(&path, &format!("other{overtaken}{calls}"), || ()).unwrap();
            }
            calls += 1;
            fs::File::open(&path).unwrap().try_lock().expect("it is locked");
            tar.put_bytes("list", b"none")
        };
        appender.publish(&mut tar, &mut documents, &LockWait::default(), &cancel).unwrap();
        assert_eq!(calls, overtaken + 1);
    }
    // `old`, `list`, three of ours, and two of each of three others.
    assert_eq!(held(&path).len(), 11);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Puts documents and nothing else.
fn list(path: &Path, texts: &[(&'static str, &str)]) -> Result<()> {
    let cancel = Cancel::new();
    let (mut appender, mut tar) =
        Appender::begin(path, &["list", "second"], &Cache::default(), &cancel)?;
    let mut put = |_: Option<&std::sync::Arc<Base>>, tar: &mut TarWriter| {
        texts.iter().try_for_each(|(name, text)| tar.put_bytes(name, text.as_bytes()))
    };
    appender.publish(&mut tar, &mut put, &LockWait::default(), &cancel)
}

#[test]
fn what_says_the_same_is_not_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    let long = "x".repeat(1 << 20);
    create(&path, &[("list", &long), ("old", "1"), ("second", "2")]);
    let inode = || path.metadata().unwrap().ino();
    let before = (inode(), fs::read(&path).unwrap());
    list(&path, &[("list", &long), ("second", "2")]).unwrap();
    assert!((inode(), fs::read(&path).unwrap()) == before, "it was written again");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // Other bytes of the same length, one document less, one more.
    for texts in [
        &[("list", "1"), ("second", "2")][..],
        &[("list", "2"), ("second", "2")],
        &[("list", "2")],
        &[("list", "2"), ("second", "3")],
    ] {
        let before = inode();
        list(&path, texts).unwrap();
        assert_ne!(inode(), before, "{texts:?}");
        assert_eq!(held(&path)[1..], shown(texts));
    }
}

#[test]
fn what_failed_leaves_it_as_it_was_and_can_be_done_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    create(&path, &[("old", "1"), ("list", "old ")]);
    let before = fs::read(&path).unwrap();
    let cancel = Cancel::new();
    let (mut appender, mut tar) =
        Appender::begin(&path, DOCUMENTS, &Cache::default(), &cancel).unwrap();
    tar.put_bytes("new", b"2").unwrap();
    let failed = Error::new(ErrorKind::Unavailable, "no");
    let mut failed = Some(failed);
    let mut fail = |_: Option<&std::sync::Arc<Base>>, tar: &mut TarWriter| match failed.take() {
        Some(error) => Err(error),
        None => tar.put_bytes("list", b"old new "),
    };
    let error = appender.publish(&mut tar, &mut fail, &LockWait::default(), &cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(fs::read(&path).unwrap() == before);
    // Another one is faster, and its archive goes again.
    let there = fs::read(&path).unwrap();
    add(&path, "other", || ()).unwrap();
    fs::write(&path, there).unwrap();
    appender.publish(&mut tar, &mut fail, &LockWait::default(), &cancel).unwrap();
    let expected = [("old", "1"), ("new", "2"), ("list", "old new ")];
    assert_eq!(held(&path), shown(&expected));
    drop(appender);
    let before = fs::read(&path).unwrap();
    let (mut appender, mut tar) =
        Appender::begin(&path, DOCUMENTS, &Cache::default(), &cancel).unwrap();
    cancel.cancel();
    appender.publish(&mut tar, &mut |_, _| Ok(()), &LockWait::default(), &cancel).unwrap_err();
    drop(appender);
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn another_that_was_faster_is_joined() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    // It comes to be, is replaced, is written to in place, and goes.
    add(&path, "b", || add(&path, "a", || ()).unwrap()).unwrap();
    let both = [("shared", "by all"), ("a", "a"), ("b", "b"), ("list", "a b ")];
    assert_eq!(held(&path), shown(&both));
    let replace = || {
        fs::remove_file(&path).unwrap();
        create(&path, &[("c", "1"), ("list", "c "), ("d", "2")]);
    };
    add(&path, "e", replace).unwrap();
    let all = [("c", "1"), ("d", "2"), ("shared", "by all"), ("e", "e"), ("list", "c e ")];
    assert_eq!(held(&path), shown(&all));
    let elsewhere = folder.path().join("b.tar");
    create(&elsewhere, &[("f", "1")]);
    add(&path, "g", || fs::write(&path, fs::read(&elsewhere).unwrap()).unwrap()).unwrap();
    assert_eq!(held(&path)[0].0, "f");
    add(&path, "h", || fs::remove_file(&path).unwrap()).unwrap();
    assert_eq!(held(&path), shown(&[("shared", "by all"), ("h", "h"), ("list", "h ")]));
}

#[test]
fn many_at_once_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    let (many, start) = (8, Barrier::new(8));
    std::thread::scope(|scope| {
        for n in 0..many {
            let (path, start) = (&path, &start);
            let wait = move || {
                start.wait();
            };
            scope.spawn(move || add(path, &format!("n{n}"), wait).unwrap());
        }
    });
    let held = held(&path);
    let list = &held.last().unwrap().1;
    assert_eq!(list.split_whitespace().count(), many, "{list}");
    // One each, the shared one once, the list.
    assert_eq!(held.len(), many + 2, "{held:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn fewer() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar");
    create(&path, &[("a", "1"), ("list", "x"), ("b", "2"), ("c", "3")]);
    let cancel = Cancel::new();
    let mut change = |_: &std::sync::Arc<Base>| {
        let goes = ["a", "list", "b"].map(std::sync::Arc::from).into();
        Ok(Rewritten { goes, documents: vec![("list", "y".into())] })
    };
    rewrite(&path, &mut change, &LockWait::default(), &cancel).unwrap();
    assert_eq!(held(&path), shown(&[("c", "3"), ("list", "y")]));
    let error = rewrite(&folder.path().join("none"), &mut change, &LockWait::default(), &cancel)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn what_cannot_be_changed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.tar.zst");
    fs::write(&path, zstd::encode_all(&[0; 1024][..], 1).unwrap()).unwrap();
    for (path, says) in
        [(&*path, "compressed as a whole"), (folder.path(), "a folder"), (Path::new("-"), "output")]
    {
        let error =
            Appender::begin(path, DOCUMENTS, &Cache::default(), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}
