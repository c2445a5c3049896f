//! [`copy_range`]: bytes from one file to another, without passing here where the system can.

use std::fs::File;
use std::path::Path;

use transship_core::{Cancel, Error, FileRange, Result};

use crate::sys;

/// How many bytes are copied between two looks at the cancel, where the system copies. Aligned as filesystems want it
/// that share blocks instead of copying them.
const BY_SYSTEM: u64 = 64 << 20;

/// The same where they pass here.
const BY_HAND: usize = 1 << 20;

/// Copies a range to a position in another file; the path is for messages. Blocks are shared where the filesystem can, and
/// nothing is synced.
///
/// # Errors
/// `Corrupt` when the range's file has become shorter, `Cancelled`, I/O errors with a path.
pub fn copy_range(
    from: &FileRange,
    to: &File,
    path: &Path,
    at: u64,
    cancel: &Cancel,
) -> Result<()> {
    let mut done = 0;
    while done < from.len() {
        cancel.check()?;
        let len = (from.len() - done).min(BY_SYSTEM);
        let Some(file) = from.file() else { break };
        match sys::copy_within_system(file, from.offset() + done, to, at + done, len) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if sys::copies_not(&e) => break,
            Err(e) => return Err(Error::io("writing", path, e)),
        }
    }
    by_hand(&from.part(done, from.len()), to, path, at + done, cancel)
}

fn by_hand(from: &FileRange, to: &File, path: &Path, at: u64, cancel: &Cancel) -> Result<()> {
    if from.is_empty() {
        return Ok(());
    }
    let mut buffer = vec![0; BY_HAND];
    let mut done = 0;
    while done < from.len() {
        cancel.check()?;
        let n = from.read_at(done, &mut buffer)?;
        sys::write_all_at(to, &buffer[..n], at + done)
            .map_err(|e| Error::io("writing", path, e))?;
        done += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn both_ways_copy_the_same() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let from = FileRange::whole(file, Path::new("from")).unwrap().part(1_000, 4_500_001);
        let (to, cancel) = (tempfile::tempfile().unwrap(), Cancel::new());
        for copy in [copy_range, by_hand] {
            to.set_len(0).unwrap();
            copy(&from, &to, Path::new("to"), 777, &cancel).unwrap();
            let all = FileRange::whole(to.try_clone().unwrap(), Path::new("to")).unwrap();
            assert_eq!(all.len(), 777 + from.len());
            let mut copied = vec![0; 4_500_001];
            all.read_at(777, &mut copied).unwrap();
            assert!(copied == bytes[1_000..4_501_001]);
        }
        let more = from.part(0, u64::MAX);
        assert_eq!(more.len(), from.len());
        cancel.cancel();
        copy_range(&from, &to, Path::new("to"), 0, &cancel).unwrap_err();
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10_000).unwrap();
        let from = FileRange::whole(file.try_clone().unwrap(), Path::new("from")).unwrap();
        file.set_len(5_000).unwrap();
        let to = tempfile::tempfile().unwrap();
        copy_range(&from, &to, Path::new("to"), 0, &Cancel::new()).unwrap_err();
    }
}
