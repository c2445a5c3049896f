//! The calls that are made to fail, out of what strace saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use crate::sh::Result;

/// The system calls that change what is on a disk.
pub(super) const WRITES: &[&str] = &[
    "copy_file_range",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "openat",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "syncfs",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];

/// How many sizes a file is held to.
const SIZES: u64 = 12;

/// Where a fault is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// A call: which one of its kind in its thread, counted from 1.
    Call(String, u32),
    /// The first byte that a file has no room for, in units of 512.
    Size(u64),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name, number) => write!(f, "{name} {number}"),
            Self::Size(blocks) => write!(f, "byte {}", blocks * 512),
        }
    }
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Eio,
    Enospc,
    Edquot,
    Eintr,
    /// `kill -9`.
    Kill,
    /// Ctrl-C.
    Interrupt,
    /// The write is short, and the next one fails.
    Short,
}

impl Fault {
    /// Whether it is no failure of the call, but the end of the process.
    pub(super) fn ends_it(self) -> bool {
        matches!(self, Self::Kill | Self::Interrupt)
    }

    /// As strace has it.
    pub(super) fn injected(self) -> &'static str {
        match self {
            Self::Eio => "error=EIO",
            Self::Enospc => "error=ENOSPC",
            Self::Edquot => "error=EDQUOT",
            Self::Eintr => "error=EINTR",
            Self::Kill | Self::Short => "signal=KILL",
            Self::Interrupt => "signal=INT",
        }
    }
}

/// What happens at each call.
const OF_CALLS: [Fault; 6] =
    [Fault::Eio, Fault::Enospc, Fault::Edquot, Fault::Eintr, Fault::Kill, Fault::Interrupt];

/// All faults of an operation that was traced, below a folder where files grew to so many bytes.
pub(super) fn all(log: &Path, folder: &Path, largest: u64) -> Result<Vec<(Point, Fault)>> {
    let text = fs::read_to_string(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let mut all = Vec::new();
    for point in calls(&text, &folder.display().to_string()) {
        all.extend(OF_CALLS.map(|fault| (point.clone(), fault)));
    }
    let sizes: BTreeSet<u64> = (0..SIZES).map(|at| largest / 512 * at / SIZES).collect();
    all.extend(sizes.into_iter().map(|size| (Point::Size(size), Fault::Short)));
    Ok(all)
}

/// The calls that change what is below a folder.
fn calls(log: &str, folder: &str) -> BTreeSet<Point> {
    let mut counted: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let (mut points, mut others) = (BTreeSet::new(), BTreeSet::new());
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        if !WRITES.contains(&name) {
            continue;
        }
        let number = counted.entry((thread, name)).or_default();
        *number += 1;
        let changes = name != "openat"
            || ["O_CREAT", "O_WRONLY", "O_RDWR"].iter().any(|flag| rest.contains(flag));
        if changes && rest.contains(folder) {
            points.insert(Point::Call(name.to_owned(), *number));
        } else if rest.contains("anon_inode:") {
            // How threads wake each other: the runtime does not survive that it fails.
            others.insert(Point::Call(name.to_owned(), *number));
        }
    }
    points.retain(|point| !others.contains(point));
    points
}

/// Whether a fault hit a call that changes what is below a folder, and none by which threads wake each other: which of them do so differs
/// from run to run.
pub(super) fn has_hit(log: &str, folder: &str) -> bool {
    let hit =
        |what: &str| log.lines().any(|line| line.contains("(INJECTED)") && line.contains(what));
    hit(folder) && !hit("anon_inode:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_was_hit_says_nothing() {
        let hit = "8 write(3</w/a>, \"\"..., 5) = -1 EINTR (Interrupted system call) (INJECTED)\n";
        let woken = "7 write(4<anon_inode:[eventfd]>, \"\"..., 8) = -1 EINTR (Interrupted system call) (INJECTED)\n";
        assert!(has_hit(hit, "/w") && !has_hit(&format!("{hit}{woken}"), "/w"));
        assert!(!has_hit("8 write(3</w/a>, \"\"..., 5) = 5\n", "/w"));
    }

    #[test]
    fn calls_are_counted_in_their_thread_and_taken_where_they_change_the_place() {
        let log = "\
            7 openat(AT_FDCWD</w>, \"/lib/x\", O_RDONLY) = 3</lib/x>\n\
            7 openat(AT_FDCWD</w>, \"/w/a\", O_RDWR|O_CREAT) = 3</w/a>\n\
            8 write(3</w/a>, \"\"..., 5 <unfinished ...>\n\
            7 write(1</dev/null>, \"\"..., 5) = 5\n\
            8 <... write resumed>) = 5\n\
            8 write(3</w/a>, \"\"..., 5) = 5\n\
            7 openat(AT_FDCWD</w>, \"/w/b\", O_RDONLY) = 4</w/b>\n";
        let point = |name: &str, number| Point::Call(name.to_owned(), number);
        let expected = [point("openat", 2), point("write", 1), point("write", 2)];
        assert_eq!(calls(log, "/w/"), expected.into());
    }
}
