//! Writers that are killed at any moment, and places where a folder cannot be renamed over.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{Holder, Mounted, names};
use transship_core::Cancel;
use transship_local::{Folder, Publish, StagedFolder, is_ours};

/// One generation, whole, as a reader sees it.
fn generation(target: &Path) -> String {
    let (_, (names, contents)) = Folder::read(target, |folder| {
        let read = |name| folder.file(name).map(|file| std::io::read_to_string(file).unwrap());
        let contents: Result<Vec<String>, _> = ["a", "b", "c"].into_iter().map(read).collect();
        Ok((folder.names()?, contents?))
    })
    .unwrap();
    let n = &contents[0];
    assert!(contents.iter().all(|content| content == n), "{contents:?}");
    assert_eq!(names, ["a", "b", "c", &format!("only-{n}")]);
    n.clone()
}

fn write(target: &Path, n: &str) {
    let mut staged = StagedFolder::beside(target, &Cancel::new()).unwrap();
    for name in ["a", "b", "c", &format!("only-{n}")] {
        fs::write(staged.path().join(name), n).unwrap();
    }
    staged.publish(Publish::Replace, &Cancel::new()).unwrap();
}

/// `staging` is where its staging is.
fn kill_at_random(target: &Path, staging: &Path) {
    write(target, "first");
    // Not random, so that it can be repeated; the writer's pace is random enough.
    for after in (0..60).map(|n| Duration::from_micros(n * n * 10 + n * 37)) {
        let mut writer = Holder::writing(target, Path::new("/"));
        std::thread::sleep(after);
        writer.kill();
        generation(target);
        write(target, "next");
        assert_eq!(generation(target), "next");
        assert!(!names(staging).iter().any(|name| is_ours(name)), "the next writer cleans up");
        assert_eq!(names(target), ["a", "b", "c", "only-next"]);
    }
}

#[test]
fn a_folder_that_is_renamed_over() {
    let dir = tempfile::tempdir().unwrap();
    kill_at_random(&dir.path().join("image"), dir.path());
}

#[test]
fn a_mount_point() {
    let Some(disk) = Mounted::tmpfs("size=4m") else { return };
    kill_at_random(disk.path(), disk.path());
}

#[test]
fn a_folder_of_an_overlays_lower_layer() {
    // An overlay cannot be the upper layer of another one: this needs a filesystem of its own.
    let Some(disk) = Mounted::tmpfs("size=4m") else { return };
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| disk.path().join(name));
    for folder in [&lower.join("image"), &upper, &work] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(lower.join("image/old"), "old").unwrap();
    fs::write(lower.join("image/a"), "old").unwrap();
    let Some(overlay) = Mounted::overlay(&lower, &upper, &work) else { return };
    let target = overlay.path().join("image");
    for n in ["1", "2"] {
        write(&target, n);
        assert_eq!(generation(&target), n);
        assert_eq!(names(overlay.path()), ["image"]);
    }
    assert_eq!(names(&lower.join("image")), ["a", "old"]);
}

#[test]
fn the_folder_somebody_works_in() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    fs::create_dir(&target).unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let before = inode(&target);
    let mut writer = Holder::writing(Path::new("."), &target);
    while names(&target).len() < 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.kill();
    assert_eq!(inode(&target), before, "it is the same folder");
    generation(&target);
}
