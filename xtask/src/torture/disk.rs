//! Small disks, what is left over on them, and chance.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::sh::{self, Result};

/// Fails for any staging below a folder.
pub(super) fn leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".transship")) {
            return Err(format!("{} was left over", path.display()));
        }
        if path.is_dir() && !path.is_symlink() {
            leftovers(&path)?;
        }
    }
    Ok(())
}

/// Such a disk gives room in pages of so many bytes.
pub(super) const PAGE: u64 = 4096;

/// A disk in memory, which only root can mount.
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    pub(crate) fn new(at: &'a Path) -> Result<Self> {
        let at_text = at.display().to_string();
        sh::stdout(&mut sh::command("mount", ["-t", "tmpfs", "tmpfs", &at_text]))?;
        Ok(Self(at))
    }

    /// The bytes that are used.
    pub(crate) fn used(&self) -> Result<u64> {
        let at = self.0.display().to_string();
        let said = sh::text(&mut sh::command("df", ["--output=used", "--block-size=1", &at]))?;
        let used = said.lines().last().and_then(|line| line.trim().parse().ok());
        used.ok_or_else(|| format!("df says {said:?}"))
    }

    /// Leaves so many bytes free, rounded up to whole pages.
    pub(crate) fn leave(&self, bytes: u64) -> Result<()> {
        let at = self.0.display().to_string();
        let size = format!("remount,size={}", self.used()? + bytes.next_multiple_of(PAGE));
        sh::stdout(&mut sh::command("mount", ["-o", &size, &at])).map(drop)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Nothing to be done when it fails; the next mount goes over it.
        let _ = sh::stdout(&mut sh::command("umount", [self.0]));
    }
}

/// splitmix64: repeatable, and good enough to choose moments.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.next() % nanos)
    }
}
