//! What a process does to files, seen from below with `strace`.

mod calls;
mod power_cut;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::calls::Call;
use crate::broken::While;
use crate::{Broken, Held};

/// Calls that change files under their names, or make changes durable. What is written before goes to files that nobody sees, or
/// is in the middle of one of these.
const CHANGES: &str = "/^(rename|link|unlink|rmdir|mkdir|ftruncate|pwrite|fsync|fdatasync)";

/// A program that traces others, and where it writes what it sees.
#[derive(Debug)]
pub(crate) struct Tracer {
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Tracer {
    /// None where `strace` is missing, or may not trace.
    pub(crate) fn new() -> Held<Option<Self>> {
        let mut probe = Command::new("strace");
        probe.args(["-f", "-o", "/dev/null", "true"]).stdin(Stdio::null());
        let probe = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !probe.is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        Ok(Some(Self { log: folder.path().join("trace"), _folder: folder }))
    }

    /// The words before those of a command.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let words = ["strace", "-f", "-y", "-qq", "-s", "0", "-e", "trace=%file,%desc", "-o"];
        words.into_iter().map(OsString::from).chain([self.log.clone().into()]).collect()
    }

    /// The words before those of a command that is killed at the call of a number that changes files, from 1. Each of its threads counts
    /// its own.
    pub(crate) fn words_to_kill(&self, at: usize) -> Vec<OsString> {
        let kill = format!("inject={CHANGES}:signal=KILL:when={at}");
        let words = ["strace", "-f", "-qq", "-e", &format!("trace={CHANGES}"), "-e", &kill, "-o"];
        words.map(OsString::from).into_iter().chain([self.log.clone().into()]).collect()
    }

    /// How many calls that change files a process has made, which was to be killed at a later one.
    pub(crate) fn changes(&self) -> Held<usize> {
        let text = fs::read(&self.log).during(|| "reading what strace saw")?;
        Ok(String::from_utf8_lossy(&text).lines().filter(|line| line.contains('(')).count())
    }

    /// What a power cut could take of what was written in a folder, where `before` was there.
    pub(crate) fn lost(&self, folder: &Path, before: &BTreeSet<PathBuf>) -> Held<Vec<String>> {
        Ok(power_cut::lost(&self.calls()?, folder, before))
    }

    /// Whether anything was synced in a folder.
    pub(crate) fn has_synced(&self, folder: &Path) -> Held<bool> {
        let is_sync = |call: &Call| match call {
            Call::Synced(path) => Path::new(path).starts_with(folder),
            call => matches!(call, Call::SyncedAll),
        };
        Ok(self.calls()?.iter().any(is_sync))
    }

    fn calls(&self) -> Held<Vec<Call>> {
        let text = fs::read(&self.log).during(|| "reading what strace saw")?;
        let calls = calls::parse(&String::from_utf8_lossy(&text));
        if calls.is_empty() {
            return Err(Broken::new("strace says nothing of a process"));
        }
        Ok(calls)
    }
}
