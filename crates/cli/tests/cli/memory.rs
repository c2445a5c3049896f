//! The memory of a process that is its own.

use std::fs;

/// The most that a command takes of its own, in KiB. With the 16 MiB of code that a release build has in memory that is 64 MiB.
pub(crate) const MOST: u64 = 48 << 10;

/// The most memory in KiB that a process had until now, without what is mapped from files. `None` where it has ended.
///
/// The command that tests run is a debug build: of its file 30 MiB and more are in memory.
pub(crate) fn of_its_own(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    Some(value("VmHWM:")?.saturating_sub(value("RssFile:")?))
}
