//! The program goes to another working folder while it writes. Alone in its file: the working folder is the process's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::io::Write;
use std::path::Path;

use common::names;
use transship_core::Cancel;
use transship_local::{Publish, StagedFile, StagedFolder};

#[test]
fn a_relative_target_is_where_it_was_when_the_writing_began() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::env::set_current_dir(here.path()).unwrap();
    let mut file = StagedFile::beside(Path::new("a.tar")).unwrap();
    let mut folder = StagedFolder::beside(Path::new("made/image"), &Cancel::new()).unwrap();
    std::env::set_current_dir(elsewhere.path()).unwrap();
    file.file().as_ref().write_all(b"new").unwrap();
    file.publish(Publish::Create).unwrap();
    std::fs::write(folder.path().join("x"), "new").unwrap();
    folder.publish(Publish::Create, &Cancel::new()).unwrap();
    assert_eq!(names(here.path()), ["a.tar", "made"]);
    assert_eq!(names(&here.path().join("made/image")), ["x"]);
    assert!(names(elsewhere.path()).is_empty());
}
