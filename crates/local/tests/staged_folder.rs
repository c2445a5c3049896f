//! Folders that show at once, whole.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{Holder, Mounted, names};
use transship_core::{Cancel, Error, ErrorKind, Notice, Observer};
use transship_local::{Folder, Publish, StagedFolder, clean_stale, settle};

fn stage(target: &Path, files: &[(&str, &str)]) -> StagedFolder {
    let staged = StagedFolder::beside(target, &Cancel::new()).unwrap();
    for (name, content) in files {
        let path = staged.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    staged
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn through(folder: &Path, name: &str) -> String {
    std::io::read_to_string(Folder::open(folder).unwrap().file(name).unwrap()).unwrap()
}

#[test]
fn nothing_shows_before_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a/b/image");
    drop(stage(&target, &[("x", "1"), ("sub/y", "2")]));
    assert!(names(dir.path()).is_empty(), "not even parents");
    stage(&target, &[("x", "1"), ("sub/y", "2")]).publish(Publish::Create, &Cancel::new()).unwrap();
    assert_eq!((read(&target, "x"), read(&target, "sub/y")), ("1".into(), "2".into()));
    assert_eq!(names(dir.path()), ["a"]);
    assert_eq!(names(&dir.path().join("a/b")), ["image"]);
}

#[test]
fn an_old_one_is_replaced_whole_and_readers_of_it_see_no_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(target.join("old"), "old").unwrap();
    fs::write(target.join("both"), "old").unwrap();
    let mut staged = stage(&target, &[("both", "new"), ("new", "new")]);
    let reader = Folder::open(&target).unwrap();
    staged.publish(Publish::Replace, &Cancel::new()).unwrap();
    assert_eq!(names(&target), ["both", "new"]);
    assert_eq!(target.metadata().unwrap().mode() & 0o777, 0o750);
    assert_eq!(names(dir.path()), ["image"]);
    for name in ["old", "both", "new"] {
        assert_eq!(reader.file(name).unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
}

#[test]
fn create_takes_an_empty_folder_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    fs::create_dir(&target).unwrap();
    let mut late = stage(&target, &[("x", "late")]);
    stage(&target, &[("x", "1")]).publish(Publish::Create, &Cancel::new()).unwrap();
    let error = late.publish(Publish::Create, &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(read(&target, "x"), "1");
    fs::remove_dir_all(&target).unwrap();
    late.publish(Publish::Create, &Cancel::new()).unwrap();
    assert_eq!(read(&target, "x"), "late");
    drop(late);
    assert_eq!(names(dir.path()), ["image"]);
}

#[test]
fn a_symlink_stays_and_files_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (link, far) = (dir.path().join("image"), dir.path().join("far"));
    symlink("far", &link).unwrap();
    for content in ["1", "2"] {
        stage(&link, &[("x", content)]).publish(Publish::Replace, &Cancel::new()).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(read(&far, "x"), content);
    }
    let error = StagedFolder::beside(&far.join("x"), &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn what_a_killed_writer_left_goes() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    let mut other = Holder::staging_folder(&target);
    clean_stale(dir.path()).unwrap();
    assert_eq!(names(dir.path()).len(), 1, "it lives");
    other.kill();
    assert_eq!(names(dir.path()).len(), 1);
    let staged = stage(&target, &[]);
    assert_eq!(names(dir.path()).len(), 1, "only ours");
    drop(staged);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_mount_point_gets_new_content_inside() {
    let Some(disk) = Mounted::tmpfs("size=1m") else { return };
    let target = disk.path();
    fs::create_dir(target.join("lost+found")).unwrap();
    for content in ["1", "2"] {
        stage(target, &[("x", content), (content, ""), ("sub/y", content)])
            .publish(Publish::Replace, &Cancel::new())
            .unwrap();
        assert_eq!(names(target), [content, "lost+found", "sub", "x"]);
        assert_eq!(read(target, "x"), content);
        assert_eq!(read(target, "sub/y"), content);
    }
    let error = stage(target, &[("x", "3")]).publish(Publish::Create, &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    drop(stage(target, &[("x", "4")]));
    assert_eq!(names(target), ["2", "lost+found", "sub", "x"]);
}

/// Makes what a writer leaves that was killed after its commit, `moved` of the new files being in place.
fn interrupted(target: &Path, moved: usize) {
    fs::create_dir_all(target.join(".transship-swap/new")).unwrap();
    let lock = target.join(".transship-swap/lock");
    fs::write(&lock, "").unwrap();
    let of = lock.metadata().unwrap();
    let (inode, seconds, parts) = (of.ino(), of.ctime(), of.ctime_nsec());
    let list = format!(r#"{{"lock":"{inode} {seconds}.{parts:09}","names":["a","b","c"]}}"#);
    fs::write(target.join(".transship-swap/list"), list).unwrap();
    fs::write(target.join("a"), "old").unwrap();
    fs::write(target.join("z"), "old").unwrap();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let place = if at < moved { target.to_owned() } else { target.join(".transship-swap/new") };
        fs::write(place.join(name), "new").unwrap();
    }
    if moved == 3 {
        fs::remove_dir(target.join(".transship-swap/new")).unwrap();
    }
}

#[test]
fn an_interrupted_swap_reads_as_new_and_the_next_writer_completes_it() {
    for moved in 0..=3 {
        let dir = tempfile::tempdir().unwrap();
        interrupted(dir.path(), moved);
        let (folder, names_read) = Folder::read(dir.path(), Folder::names).unwrap();
        assert_eq!(names_read, ["a", "b", "c"], "{moved}");
        for name in ["a", "b", "c"] {
            assert_eq!(through(dir.path(), name), "new", "{moved} {name}");
        }
        assert_eq!(folder.file("z").unwrap_err().kind(), ErrorKind::NotFound);
        settle(dir.path(), &Cancel::new()).unwrap();
        assert_eq!(names(dir.path()), ["a", "b", "c"], "{moved}");
        assert_eq!(read(dir.path(), "a"), "new");
        let again = std::io::read_to_string(folder.file("c").unwrap()).unwrap();
        assert_eq!(again, "new", "an open reader goes on");
    }
}

#[test]
fn a_swap_that_came_from_elsewhere_is_refused_by_readers_and_writers() {
    let (dir, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    interrupted(dir.path(), 0);
    // As tar, cp and rsync do: every byte and name, times and modes.
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(dir.path().join("."))
        .arg(there.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let refused = Folder::open(there.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    assert_eq!(settle(there.path(), &Cancel::new()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read(there.path(), "a"), "old", "nothing was moved");
    // Without its lock it is nobody's, and shows what other tools see.
    fs::remove_file(there.path().join(".transship-swap/lock")).unwrap();
    assert_eq!(through(there.path(), "a"), "old");
}

/// What a writer leaves that was killed in one of the states of its staging.
fn left_behind(folder: &Path, state: usize) {
    let staging = folder.join(".transship-AbCdEf123456.tmp");
    match state {
        0 => fs::write(staging, "x").unwrap(),
        _ => fs::create_dir(&staging).unwrap(),
    }
    let staging = folder.join(".transship-AbCdEf123456.tmp");
    if state > 1 {
        fs::write(staging.join("lock"), "").unwrap();
    }
    if state > 2 {
        fs::create_dir_all(staging.join("new/sub")).unwrap();
        fs::write(staging.join("new/sub/x"), "x").unwrap();
    }
}

#[test]
fn what_was_left_in_any_state_goes_with_the_next_write_wherever_it_was_staged() {
    for state in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        // The folders above were made after it was staged in the nearest that was there.
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for folder in ["", "a", "a/b"] {
            left_behind(&dir.path().join(folder), state);
        }
        let target = dir.path().join("a/b/image");
        stage(&target, &[("x", "1")]).publish(Publish::Replace, &Cancel::new()).unwrap();
        assert_eq!(names(dir.path()), ["a"], "{state}");
        assert_eq!(names(&dir.path().join("a")), ["b"], "{state}");
        assert_eq!(names(&dir.path().join("a/b")), ["image"], "{state}");
    }
}

#[test]
fn a_publish_that_fails_takes_the_folders_above_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut staged = stage(&dir.path().join("a/b/image"), &[("x", "1")]);
    let cancel = Cancel::new();
    cancel.cancel();
    staged.publish(Publish::Create, &cancel).unwrap_err();
    drop(staged);
    assert!(names(dir.path()).is_empty());
    let mut staged = stage(&dir.path().join("a/b/image"), &[("x", "1")]);
    // Somebody takes away what was to be renamed.
    fs::remove_dir_all(staged.path()).unwrap();
    fs::create_dir(staged.path()).unwrap();
    fs::remove_dir(staged.path()).unwrap();
    staged.publish(Publish::Create, &Cancel::new()).unwrap_err();
    assert!(!dir.path().join("a").exists());
}

#[test]
fn a_swap_that_was_nearly_removed_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "new").unwrap();
    let swap = dir.path().join(".transship-swap");
    fs::create_dir(&swap).unwrap();
    fs::write(swap.join("lock"), "").unwrap();
    settle(dir.path(), &Cancel::new()).unwrap();
    assert_eq!(names(dir.path()), ["a"]);
    fs::create_dir(&swap).unwrap();
    settle(dir.path(), &Cancel::new()).unwrap();
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn a_swap_made_up_by_somebody_leads_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("a"), "secret").unwrap();
    for list in [r#"["../secret/a"]"#, r#"["/etc/passwd"]"#, r#"["a"]"#, r#"[".."]"#, "[\"a/\"]"] {
        let target = tempfile::tempdir_in(dir.path()).unwrap();
        let swap = target.path().join(".transship-swap");
        fs::create_dir(&swap).unwrap();
        fs::write(swap.join("lock"), "").unwrap();
        fs::write(swap.join("list"), list).unwrap();
        symlink(&secret, swap.join("new")).unwrap();
        let error = settle(target.path(), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{list}: {error}");
        assert!(Folder::open(target.path()).is_err(), "{list}");
    }
    assert_eq!(read(&secret, "a"), "secret");
}

#[test]
fn readers_see_one_state_however_often_it_is_swapped() {
    let Some(disk) = Mounted::tmpfs("size=4m") else { return };
    let target = disk.path().to_owned();
    let write = |n: u32| {
        let text = n.to_string();
        stage(&target, &[("a", &text), ("b", &text), ("c", &text)])
            .publish(Publish::Replace, &Cancel::new())
            .unwrap();
    };
    write(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let all = Folder::read(&target, |folder| {
                    ["a", "b", "c"]
                        .map(|name| folder.file(name).map(std::io::read_to_string))
                        .into_iter()
                        .collect::<Result<Vec<_>, _>>()
                });
                match all {
                    Ok((_, all)) => {
                        let all: Vec<String> = all.into_iter().map(Result::unwrap).collect();
                        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
                        seen += 1;
                    }
                    Err(e) => assert_eq!(e.kind(), ErrorKind::Unavailable, "{e}"),
                }
            }
            seen
        });
        (1..200).for_each(write);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn writers_of_one_mount_point_come_one_after_the_other() {
    let Some(disk) = Mounted::tmpfs("size=4m") else { return };
    let target = disk.path();
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                let text = n.to_string();
                for _ in 0..10 {
                    stage(target, &[("a", &text), ("b", &text), (&format!("only-{n}"), "")])
                        .publish(Publish::Replace, &Cancel::new())
                        .unwrap();
                }
            });
        }
    });
    let left = names(target);
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(read(target, "a"), read(target, "b"));
    assert!(target.join(format!("only-{}", read(target, "a"))).exists());
}

#[test]
fn a_new_one_that_comes_too_late_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (target, cancel) = (dir.path().join("a/image"), Cancel::new());
    let (mut first, mut second) = (stage(&target, &[("x", "1")]), stage(&target, &[("x", "2")]));
    assert!(first.publish_new(&cancel).unwrap());
    assert!(!second.publish_new(&cancel).unwrap());
    assert_eq!((read(&target, "x"), read(second.path(), "x")), ("1".into(), "2".into()));
    drop((first, second));
    assert_eq!(names(dir.path()), ["a"]);

    let room = StagedFolder::in_folder(&target).unwrap();
    fs::write(room.path().join("y"), "3").unwrap();
    room.sync(&cancel).unwrap();
    fs::rename(room.path().join("y"), target.join("y")).unwrap();
    drop(room);
    assert_eq!(names(&target), ["x", "y"]);
}

#[test]
fn what_came_into_the_old_folder_at_the_last_moment_keeps_it() {
    for inside in [false, true] {
        let disk = if inside { Mounted::tmpfs("size=1m") } else { None };
        if inside && disk.is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let target = disk.as_ref().map_or(dir.path().join("image"), |disk| disk.path().to_owned());
        fs::create_dir_all(&target).unwrap();
        fs::write(target.join("old"), "old").unwrap();
        let mut staged = stage(&target, &[("x", "new")]);
        let check = |old: &Path| {
            assert_eq!(read(old, "thesis"), "years");
            Err(Error::new(ErrorKind::Unsupported, "it holds something else"))
        };
        fs::write(target.join("thesis"), "years").unwrap();
        let refused = staged.publish_over(Publish::Replace, &check, &Cancel::new()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        drop(staged);
        assert_eq!(names(&target), ["old", "thesis"], "{inside}");
        assert!(names(dir.path()).len() <= 1, "no staging is left");
    }
}

#[test]
fn what_cannot_be_removed_after_the_new_folder_shows_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    fs::create_dir_all(target.join("sub")).unwrap();
    let mount = |program: &str, args: &[&str], at: &Path| {
        let run = std::process::Command::new(program).args(args).arg(at).output();
        run.is_ok_and(|run| run.status.success())
    };
    // Nobody can remove what something is mounted on.
    if !mount("mount", &["-t", "tmpfs", "tmpfs"], &target.join("sub")) {
        return;
    }
    let (said, hears) = heard();
    let mut staged = stage(&target, &[("x", "new")]).with_observer(&hears);
    staged.publish(Publish::Replace, &Cancel::new()).unwrap();
    assert_eq!(names(&target), ["x"]);
    let left: Vec<_> = names(dir.path()).into_iter().filter(|name| name != "image").collect();
    let [left] = left.as_slice() else { panic!("{left:?}") };
    drop(staged);
    assert!(mount("umount", &[], &dir.path().join(left).join("new/sub")));
    let said = said.lock().unwrap();
    let [Notice::Warning(warning)] = said.as_slice() else { panic!("{said:?}") };
    assert!(warning.contains(left) && warning.contains("could not be removed"), "{warning}");
    drop(stage(&target, &[]));
    assert_eq!(names(dir.path()), ["image"], "the next writer removes it");
}

/// An observer, and what it heard.
fn heard() -> (std::sync::Arc<std::sync::Mutex<Vec<Notice>>>, Observer) {
    let said = std::sync::Arc::<std::sync::Mutex<Vec<Notice>>>::default();
    let hears = std::sync::Arc::clone(&said);
    (said, Observer::new(move |notice| hears.lock().unwrap().push(notice)))
}
