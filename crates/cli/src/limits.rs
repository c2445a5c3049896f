//! What the system limits (`ulimit`, batch systems): address space and open files.
//!
//! glibc reserves 64 MiB of it for each arena, and makes up to eight arenas for each processor as threads ask for memory. Little
//! of that is used, but all of it counts against the limit, and the process is aborted when none is left. The number of
//! arenas is set by an environment variable that is read when a process starts
//! ([mallopt(3)](https://man7.org/linux/man-pages/man3/mallopt.3.html)).

use std::num::NonZeroUsize;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::os::unix::process::CommandExt as _;

/// The variable, and the arenas that are enough.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// Starts this program again with few arenas, where address space is limited and their number is not set. Nothing may
/// have been read or started before. Where that fails, the process goes on as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn save_address_space() {
    let limited = rustix::process::getrlimit(rustix::process::Resource::As).current.is_some();
    let mut arguments = std::env::args_os();
    if limited
        && std::env::var_os(ARENAS.0).is_none()
        && let Some(name) = arguments.next()
    {
        let mut again = std::process::Command::new("/proc/self/exe");
        let _ = again.arg0(name).args(arguments).env(ARENAS.0, ARENAS.1).exec();
    }
}

/// Other systems reserve no address space for a thread.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn save_address_space() {}

/// Each blob that is copied may need a connection and a file, and with fewer files than this, as many as are copied by default
/// could lack some.
#[cfg(unix)]
const ENOUGH_FILES: u64 = 256;

/// How many blobs to copy at once where few files may be open; `None` where there are enough.
#[cfg(unix)]
pub(crate) fn jobs() -> Option<NonZeroUsize> {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    if files < ENOUGH_FILES { NonZeroUsize::new(8) } else { None }
}

/// Other systems limit none.
#[cfg(not(unix))]
pub(crate) fn jobs() -> Option<NonZeroUsize> {
    None
}
