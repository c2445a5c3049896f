//! What differs between platforms, with a fallback for each.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::Path;

/// Opens for reading without waiting for the other end of a pipe.
#[cfg(unix)]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Renames, and fails if the new name is taken.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_with(from, to, How::NoReplace) {
        Err(e) if unsupported(&e) => link_new(from, to, |from| std::fs::remove_file(from)),
        done => done,
    }
}

/// A rename in two steps: a link fails if the name is taken, too.
fn link_new(
    from: &Path,
    to: &Path,
    remove: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    std::fs::hard_link(from, to)?;
    // It is there. The other name, if it cannot go now, is stale for the next writer.
    let _ = remove(from);
    Ok(())
}

/// `None` in place of the error that something is not there.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Locks staging that was just made; `false` where a cleaner saw it before its lock: that one removes it.
pub(crate) fn lock_new(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) if !unsupported(&e) => Err(e),
        // Where there are no locks, staging is never taken for stale.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(path.exists()),
    }
}

/// Exchanges two folders.
pub(crate) fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    rename_with(a, b, How::Exchange)
}

#[derive(Clone, Copy)]
enum How {
    NoReplace,
    Exchange,
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_with(from: &Path, to: &Path, how: How) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags};
    let flags = match how {
        How::NoReplace => RenameFlags::NOREPLACE,
        How::Exchange => RenameFlags::EXCHANGE,
    };
    Ok(rustix::fs::renameat_with(CWD, from, CWD, to, flags)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_with(_: &Path, _: &Path, _: How) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file that is made is for its owner alone, and to open it waits for nobody.
#[cfg(unix)]
pub(crate) fn private_without_waiting(options: &mut std::fs::OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
}

#[cfg(not(unix))]
pub(crate) fn private_without_waiting(_: &mut std::fs::OpenOptions) {}

/// Whether it is this user's.
#[cfg(unix)]
pub(crate) fn is_own(of: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    of.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
pub(crate) fn is_own(_: &Metadata) -> bool {
    true
}

/// Whether names in a folder may be added and removed.
#[cfg(unix)]
pub(crate) fn may_change(folder: &Path) -> bool {
    use rustix::fs::Access;
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
pub(crate) fn may_change(_: &Path) -> bool {
    true
}

/// Opens a file to lock it: not what a symlink leads to, and without waiting for anything.
#[cfg(unix)]
pub(crate) fn open_to_lock(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
pub(crate) fn open_to_lock(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Lets its owner remove what is in a folder.
#[cfg(unix)]
pub(crate) fn make_removable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700))
}

#[cfg(not(unix))]
pub(crate) fn make_removable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether it is this user's, and no other user can write to it.
#[cfg(unix)]
pub(crate) fn is_private(of: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    is_own(of) && of.mode() & 0o022 == 0
}

#[cfg(not(unix))]
pub(crate) fn is_private(_: &Metadata) -> bool {
    true
}

/// Whether the filesystem or kernel does not know this kind of call.
#[cfg(unix)]
pub(crate) fn unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP]
            .iter()
            .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(not(unix))]
pub(crate) fn unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// Gives a file or folder the mode of another, and its owner where that is allowed.
#[cfg(unix)]
pub(crate) fn adopt(new: &File, old: &Metadata) -> io::Result<()> {
    use rustix::fs::{Gid, Uid};
    use std::os::unix::fs::MetadataExt;
    let now = new.metadata()?;
    if (now.uid(), now.gid()) != (old.uid(), old.gid()) {
        let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
        // Only root may give a file away; the group alone may be allowed.
        if rustix::fs::fchown(new, Some(uid), Some(gid)).is_err() {
            let _ = rustix::fs::fchown(new, None, Some(gid));
        }
    }
    // After the owner: changing that clears bits. Where nothing differs, the file needs no other sync.
    let is_same = new.metadata()?.permissions() == old.permissions();
    if is_same { Ok(()) } else { new.set_permissions(old.permissions()) }
}

#[cfg(not(unix))]
pub(crate) fn adopt(new: &File, old: &Metadata) -> io::Result<()> {
    new.set_permissions(old.permissions())
}

/// Creates a file that must not be there, for reading and writing.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).open(path)
}

/// Makes what a folder lists survive a power cut.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let opened = match File::open(folder) {
        // Who may write there and not list it can only have everything written.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            rustix::fs::sync();
            return Ok(());
        }
        opened => opened?,
    };
    match opened.sync_all() {
        // Some network and FUSE filesystems cannot; then there is nothing to be done.
        Err(e) if unsupported(&e) => Ok(()),
        done => done,
    }
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes everything on the filesystem of a file survive; `false` where that cannot be asked for, or does not tell of what
/// could not be written.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn sync_filesystem(of: &File) -> io::Result<bool> {
    static TELLS: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        let system = rustix::system::uname();
        system.release().to_str().is_ok_and(syncfs_tells_errors)
    });
    if !*TELLS {
        return Ok(false);
    }
    rustix::fs::syncfs(of)?;
    Ok(true)
}

/// Whether a kernel's `syncfs` tells of errors: since 5.8.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn syncfs_tells_errors(release: &str) -> bool {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 8),
        _ => false,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn sync_filesystem(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Whether two descriptions are of one file.
#[cfg(unix)]
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    // Open files cannot be replaced there.
    a.created().ok() == b.created().ok()
}

/// Whether a folder is the root of a mount: it cannot be renamed.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_mount_point(folder: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
    rustix::fs::statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS).is_ok_and(|found| {
        found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
            && found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_mount_point(_: &Path) -> bool {
    false
}

/// Asks for the writing of a range to begin, so that the sync at the end has less to wait for.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn begin_write_back(file: &File, offset: u64, len: u64) {
    // Linux starts writing what is dirty and drops what is clean. It is advice: failing it changes nothing.
    let _ = rustix::fs::fadvise(
        file,
        offset,
        std::num::NonZeroU64::new(len),
        rustix::fs::Advice::DontNeed,
    );
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn begin_write_back(_: &File, _: u64, _: u64) {}

/// Lets the system copy a range, at most `len` bytes. Gives how many it copied; 0 at the end of the file.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn copy_within_system(
    from: &File,
    mut from_at: u64,
    to: &File,
    mut to_at: u64,
    len: u64,
) -> io::Result<u64> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let n = rustix::fs::copy_file_range(from, Some(&mut from_at), to, Some(&mut to_at), len)?;
    Ok(n as u64)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn copy_within_system(_: &File, _: u64, _: &File, _: u64, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether the system does not copy between these two files, where writing by hand may work.
#[cfg(unix)]
pub(crate) fn copies_not(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errnos = [Errno::XDEV, Errno::BADF, Errno::PERM, Errno::IO];
    unsupported(error) || errnos.iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

#[cfg(not(unix))]
pub(crate) fn copies_not(error: &io::Error) -> bool {
    unsupported(error)
}

/// How many bytes are written by one call. Of a larger write, Linux wants larger pieces of memory for its page cache, and moves other
/// pages out of the way for them: measured on 6.18, ext4 and 1 GiB, calls of 1 MiB take 1.1 s of the kernel's time, of 512 KiB 0.5 s.
pub(crate) const AT_ONCE: usize = 512 << 10;

/// Writes all bytes at a position of a file.
///
/// # Errors
/// Those of the system.
#[cfg(unix)]
pub fn write_all_at(file: &File, bytes: &[u8], mut at: u64) -> io::Result<()> {
    for piece in bytes.chunks(AT_ONCE) {
        std::os::unix::fs::FileExt::write_all_at(file, piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// Writes all bytes at a position of a file.
///
/// # Errors
/// Those of the system.
#[cfg(windows)]
pub fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                at += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Takes room for a range, without making the file longer.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn reserve(file: &File, offset: u64, len: u64) {
    // Not every filesystem can; where there is no room, writing will say so.
    let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, len);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn reserve(_: &File, _: u64, _: u64) {}

/// Makes a folder that only its owner can look into.
#[cfg(unix)]
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// An open folder; what is opened through it is in that folder, whatever its name stands for now.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct FolderHandle(File);

#[cfg(unix)]
impl FolderHandle {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        use rustix::fs::{CWD, OFlags};
        Ok(Self(open_at(CWD, path.as_os_str(), OFlags::DIRECTORY)?))
    }

    /// A folder in it; not a symlink to one.
    pub(crate) fn folder(&self, name: &str) -> io::Result<Self> {
        use rustix::fs::OFlags;
        Ok(Self(open_at(&self.0, name.as_ref(), OFlags::DIRECTORY | OFlags::NOFOLLOW)?))
    }

    /// A file in it; not a symlink to one. The caller looks whether it is a regular one.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        open_at(&self.0, name.as_ref(), rustix::fs::OFlags::NOFOLLOW)
    }

    /// What is in it; what of a name is not UTF-8 is replaced.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }
}

#[cfg(unix)]
fn open_at(
    folder: impl std::os::fd::AsFd,
    name: &std::ffi::OsStr,
    flags: rustix::fs::OFlags,
) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?.into())
}

/// Without handles: by path.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct FolderHandle(std::path::PathBuf);

#[cfg(not(unix))]
impl FolderHandle {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        path.metadata().map(|_| Self(path.to_owned()))
    }

    pub(crate) fn folder(&self, name: &str) -> io::Result<Self> {
        Self::open(&self.0.join(name))
    }

    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        File::open(self.0.join(name))
    }

    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        std::fs::read_dir(&self.0)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }
}

/// Whether an open file has no name any more.
#[cfg(unix)]
pub(crate) fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|found| found.nlink() == 0)
}

#[cfg(not(unix))]
pub(crate) fn is_removed(_: &File) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::{link_new, syncfs_tells_errors};

    #[test]
    fn a_file_that_was_linked_to_its_name_is_there_whatever_becomes_of_the_other_name() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, "new").unwrap();
        link_new(&from, &to, |_| Err(std::io::ErrorKind::PermissionDenied.into())).unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "new");
        let taken = link_new(&from, &to, |_| panic!("the name was taken")).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AlreadyExists);
        link_new(&from, &dir.path().join("other"), |from| std::fs::remove_file(from)).unwrap();
        assert!(!from.exists());
    }

    #[test]
    fn kernels_before_5_8_do_not_tell_what_could_not_be_written() {
        for old in ["4.18.0-553.el8_10.x86_64", "5.4.0-190-generic", "5.7", "", "x", "5"] {
            assert!(!syncfs_tells_errors(old), "{old}");
        }
        for new in ["5.8.0", "5.15.0-1", "6.1.0-30-amd64", "10.0"] {
            assert!(syncfs_tells_errors(new), "{new}");
        }
    }
}
