//! Users who may write where they may not look, and folders that were made read-only.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{is_unprivileged, names};
use transship_core::Cancel;
use transship_local::{Publish, StagedFile, StagedFolder, make_folder};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A drop box: names can be added, and not listed.
#[test]
fn a_folder_that_cannot_be_listed_is_written_to() {
    if !is_unprivileged("a_folder_that_cannot_be_listed_is_written_to") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o333);
    for how in [Publish::Create, Publish::Replace] {
        let mut staged = StagedFile::beside(&dir.path().join("a.tar")).unwrap();
        staged.file().as_ref().write_all(b"new").unwrap();
        staged.publish(how).unwrap();
        let mut staged = StagedFolder::beside(&dir.path().join("image"), &Cancel::new()).unwrap();
        fs::write(staged.path().join("x"), "new").unwrap();
        staged.publish(how, &Cancel::new()).unwrap();
    }
    make_folder(&dir.path().join("made/here")).unwrap();
    set_mode(dir.path(), 0o700);
    assert_eq!(names(dir.path()), ["a.tar", "image", "made"]);
}

#[test]
fn an_old_folder_with_read_only_folders_in_it_is_gone_after_it_was_replaced() {
    if !is_unprivileged("an_old_folder_with_read_only_folders_in_it_is_gone_after_it_was_replaced")
    {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    fs::create_dir_all(target.join("sub/deep")).unwrap();
    fs::write(target.join("sub/deep/x"), "old").unwrap();
    for folder in ["sub/deep", "sub"] {
        set_mode(&target.join(folder), 0o555);
    }
    let mut staged = StagedFolder::beside(&target, &Cancel::new()).unwrap();
    fs::write(staged.path().join("y"), "new").unwrap();
    staged.publish(Publish::Replace, &Cancel::new()).unwrap();
    assert_eq!(names(&target), ["y"]);
    assert_eq!(names(dir.path()), ["image"]);
}
