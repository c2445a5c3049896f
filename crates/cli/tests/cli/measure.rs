//! What the command takes of the machine.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::memory;
use crate::session::Session;

/// Copies take no more memory than [`memory::MOST`], and make no file that is not part of their result: the lines of `large` of the
/// memory, those of `small` of the files. What goes into files goes to `TRANSPORT:out...`.
pub(crate) fn copies_take_little(session: &Session, large: &[String], small: &[String]) {
    for way in large {
        let most = most_memory(session, &format!("copy -q --no-cache --replace {way}"));
        assert!((1024..memory::MOST).contains(&most), "{way}: {most} KiB");
    }
    if !has_strace() {
        return;
    }
    // What is there already would not be made again.
    let _ = fs::remove_dir_all(session.path("out"));
    // What is new has another name until it is whole.
    let new = session.path(".transship-").display().to_string();
    for way in small {
        let made = made_by(session, &format!("copy -q --no-cache --replace {way}"));
        let is_result = |path: &String| path.contains("out") || path.starts_with(&new);
        assert!(made.iter().all(is_result), "{way}: {made:?}");
        assert!(!way.contains("-archive:") || made.len() == 1, "{way}: {made:?}");
        assert_eq!(made.is_empty(), !way.contains(":out"), "{way}: {made:?}");
    }
}

/// Whether files can be watched. Where peers are required, they have to be.
pub(crate) fn has_strace() -> bool {
    let is_there = Command::new("strace").arg("-V").output().is_ok();
    let required = std::env::var_os("TRANSSHIP_REQUIRE_PEERS").is_some();
    assert!(is_there || !required, "strace is required");
    is_there
}

/// The paths of files and folders that a line makes, however they are called later. Programs that it starts are not watched.
pub(crate) fn made_by(session: &Session, line: &str) -> Vec<String> {
    let own = session.command(line);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-b", "execve", "-o"]).arg(session.path("trace"));
    command.args(["-e", "trace=open,openat,creat,mkdir,mkdirat,memfd_create"]);
    command.arg(own.get_program()).args(own.get_args()).current_dir(session.path(""));
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    assert!(command.stdin(Stdio::null()).status().unwrap().success(), "{line}");
    let trace = fs::read_to_string(session.path("trace")).unwrap();
    assert!(trace.contains("openat("), "{trace}");
    let makes = |line: &&str| {
        // strace shows a call in two lines when another thread's call comes between them. The first has the path.
        if line.contains(" resumed>") {
            return false;
        }
        let opens = line.contains(" open(") || line.contains(" openat(");
        let calls = opens || line.contains(" mkdir") || line.contains(" memfd_create");
        calls && (!opens || line.contains("O_CREAT") || line.contains("O_TMPFILE"))
    };
    let path = |line: &str| line.split('"').nth(1).unwrap_or(line).to_owned();
    trace.lines().filter(makes).map(path).collect()
}

/// Runs a line that has to succeed, and says how much memory of its own it took at most, in KiB.
fn most_memory(session: &Session, line: &str) -> u64 {
    let mut child = session.command(line).stdout(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    loop {
        most = most.max(memory::of_its_own(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{line:?}");
            return most;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
