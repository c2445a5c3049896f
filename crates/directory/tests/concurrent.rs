//! Several processes write to one `dir:`: each reader sees one image, whole, and nothing else stays.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::*;
use transship_core::{Commit, ErrorKind, Result, Transport, WriteMode, WriteOptions};
use transship_directory::Directory;

const WRITERS: usize = 6;
/// How often each writer replaces the image.
const ROUNDS: usize = 10;

/// How the children are told what to do.
const TEXT: &str = "TRANSSHIP_TEST_TEXT";
const PLACE: &str = "TRANSSHIP_TEST_PLACE";
const MODE: &str = "TRANSSHIP_TEST_MODE";

/// The exit status of a child that found an image there.
const TAKEN: i32 = 17;

async fn write_as(text: &str, place: &Path, mode: WriteMode) -> Result<()> {
    let mut how = WriteOptions::default();
    how.mode = Some(mode);
    let to = Directory::new().destination(&at(place), &how).await?;
    let image = image(text);
    put(&image, &*to).await;
    to.commit(Commit::new(&image.root)).await.map(drop)
}

/// What other processes run: the tests start this test of this program again.
#[tokio::test]
async fn child() {
    let (Ok(text), Ok(place)) = (std::env::var(TEXT), std::env::var(PLACE)) else { return };
    if std::env::var_os(MODE).is_some() {
        match write_as(&text, Path::new(&place), WriteMode::Create).await {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => std::process::exit(TAKEN),
            written => return written.unwrap(),
        }
    }
    for _ in 0..ROUNDS {
        write_as(&text, Path::new(&place), WriteMode::Replace).await.unwrap();
    }
}

fn start(working: &Path, place: &str, text: &str, mode: WriteMode) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child"]).current_dir(working).stdout(Stdio::null());
    if mode == WriteMode::Create {
        command.env(MODE, "create");
    }
    command.env(TEXT, text).env(PLACE, place).spawn().unwrap()
}

fn text(writer: usize) -> String {
    format!("writer {writer}")
}

/// Which writer's image is there, whole, with nothing beside it.
fn whole(place: &Path) -> usize {
    let found = fs::read(place.join("manifest.json")).unwrap();
    let is_it = |writer: &usize| *image(&text(*writer)).root.bytes() == found;
    let writer = (0..WRITERS).find(is_it).unwrap();
    assert_eq!(names(place).len(), 5, "{:?}", names(place));
    writer
}

/// In another folder, which is exchanged, and in the working folder, whose content is.
#[tokio::test]
async fn replacing_is_one_image_or_another() {
    for inside in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x");
        write(&image(&text(0)), &place).await.unwrap();
        let (working, at) = if inside { (&*place, ".") } else { (dir.path(), "x") };
        let mut children: Vec<Child> = (0..WRITERS)
            .map(|writer| start(working, at, &text(writer), WriteMode::Replace))
            .collect();
        let mut seen = 0;
        while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
            let root = source(&place).await.unwrap().root().await.unwrap();
            assert!((0..WRITERS).any(|writer| image(&text(writer)).root == root));
            seen += 1;
        }
        assert!(seen > 0);
        for mut child in children {
            assert!(child.wait().unwrap().success(), "inside: {inside}");
        }
        assert_holds(&place, &image(&text(whole(&place)))).await;
        assert_eq!(names(dir.path()), ["x"]);
    }
}

#[test]
fn one_of_many_creates_it() {
    for inside in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x");
        let (working, at) = if inside { (&*place, ".") } else { (dir.path(), "x") };
        fs::create_dir_all(working).unwrap();
        let children: Vec<Child> = (0..WRITERS)
            .map(|writer| start(working, at, &text(writer), WriteMode::Create))
            .collect();
        let codes: Vec<Option<i32>> =
            children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
        let made: Vec<usize> = (0..WRITERS).filter(|writer| codes[*writer] == Some(0)).collect();
        assert_eq!(made, [whole(&place)], "{codes:?}");
        assert!(codes.iter().all(|code| [Some(0), Some(TAKEN)].contains(code)), "{codes:?}");
        assert_eq!(names(dir.path()), ["x"]);
    }
}
