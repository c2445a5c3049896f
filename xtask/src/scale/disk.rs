//! A small disk.

use std::path::Path;

use crate::sh::{self, Result};

/// Such a disk gives room in pages of so many bytes.
const PAGE: u64 = 4096;

/// A disk in memory, which only root can mount.
pub(super) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    pub(super) fn new(at: &'a Path) -> Result<Self> {
        let at_text = at.display().to_string();
        sh::stdout(&mut sh::command("mount", ["-t", "tmpfs", "tmpfs", &at_text]))?;
        Ok(Self(at))
    }

    /// The bytes that are used.
    pub(super) fn used(&self) -> Result<u64> {
        let at = self.0.display().to_string();
        let said = sh::text(&mut sh::command("df", ["--output=used", "--block-size=1", &at]))?;
        let used = said.lines().last().and_then(|line| line.trim().parse().ok());
        used.ok_or_else(|| format!("df says {said:?}"))
    }

    /// Leaves so many bytes free, rounded up to whole pages.
    pub(super) fn leave(&self, bytes: u64) -> Result<()> {
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
