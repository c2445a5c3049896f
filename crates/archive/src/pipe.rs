//! Pipes: the other end may keep us waiting for as long as it likes, and we wait for as long as we are wanted.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;

use transship_core::{Cancel, Error, Result};

/// A pipe or a device, read or written so that it stops when it is cancelled.
#[derive(Debug)]
pub(crate) struct Pipe {
    file: File,
    cancel: Cancel,
    /// The most bytes that are written at once.
    piece: usize,
}

/// What is written at once to what takes a part of it when it cannot take all.
const WHOLE: usize = 1 << 20;

/// What is written at once to what waits until it has taken all: a pipe that is ready takes this much (POSIX's
/// `PIPE_BUF` on Linux).
const PIECE: usize = 4096;

impl Pipe {
    /// The standard input.
    pub(crate) fn stdin(cancel: &Cancel) -> io::Result<Self> {
        Ok(Self { file: sys::stdin()?, cancel: cancel.clone(), piece: PIECE })
    }

    /// The standard output.
    pub(crate) fn stdout(cancel: &Cancel) -> io::Result<Self> {
        Self::inherited(sys::stdout()?, cancel)
    }

    /// A writing end that other processes may have, too.
    fn inherited(file: File, cancel: &Cancel) -> io::Result<Self> {
        let found = file.metadata()?;
        let own = if is_pipe(&found) { sys::own_writing_end(&file) } else { None };
        let piece = if own.is_some() || found.is_file() { WHOLE } else { PIECE };
        Ok(Self { file: own.unwrap_or(file), cancel: cancel.clone(), piece })
    }

    /// A pipe with a name, for reading.
    pub(crate) fn reading(path: &Path, cancel: &Cancel) -> Result<Self> {
        let file = sys::open_to_read(path).map_err(|e| Error::io("opening", path, e))?;
        Ok(Self { file, cancel: cancel.clone(), piece: WHOLE })
    }

    /// A pipe with a name, or a device, for writing. Waits until a pipe has a reader.
    pub(crate) fn writing(path: &Path, cancel: &Cancel) -> Result<Self> {
        let file = sys::open_to_write(path, cancel).map_err(|e| Error::io("opening", path, e))?;
        Ok(Self { file, cancel: cancel.clone(), piece: WHOLE })
    }

    /// Makes room for more bytes in it, so that both ends are woken less often. Where that cannot be, nothing changes.
    pub(crate) fn widen(&self) {
        sys::widen(&self.file);
    }

    /// From now on it stops when this is cancelled.
    pub(crate) fn set_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    /// The file itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            sys::wait(&self.file, Ready::ToRead, &self.cancel)?;
            match self.file.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(self.piece)];
        if self.piece == PIECE {
            sys::wait(&self.file, Ready::ToWrite, &self.cancel)?;
        }
        loop {
            self.cancel.check().map_err(Error::into_io)?;
            match self.file.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    sys::wait(&self.file, Ready::ToWrite, &self.cancel)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What a pipe is waited for.
#[derive(Clone, Copy, Debug)]
enum Ready {
    ToRead,
    ToWrite,
}

/// Whether it is a pipe with a name.
pub(crate) fn is_pipe(found: &Metadata) -> bool {
    sys::is_pipe(found)
}

#[cfg(unix)]
mod sys {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    use std::path::Path;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec};
    use transship_core::{Cancel, Error};

    use super::Ready;

    /// How long is waited between two looks at the cancel.
    const PATIENCE: Duration = Duration::from_millis(50);

    pub(super) fn wait(file: &File, ready: Ready, cancel: &Cancel) -> io::Result<()> {
        let flags = match ready {
            Ready::ToRead => PollFlags::IN,
            Ready::ToWrite => PollFlags::OUT,
        };
        let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(PATIENCE.subsec_nanos()) };
        loop {
            cancel.check().map_err(Error::into_io)?;
            match rustix::event::poll(&mut [PollFd::new(file, flags)], Some(&patience)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// What a pipe may hold without privileges, unless the system was told otherwise.
    #[cfg(target_os = "linux")]
    pub(super) fn widen(file: &File) {
        const ROOM: usize = 1 << 20;
        // It may be no pipe, or have its room already.
        let _ = rustix::pipe::fcntl_setpipe_size(file, ROOM);
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn widen(_file: &File) {}

    pub(super) fn stdin() -> io::Result<File> {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    }

    pub(super) fn stdout() -> io::Result<File> {
        io::stdout().as_fd().try_clone_to_owned().map(File::from)
    }

    /// The writing end of a pipe once more, so that writes take what they can: the end that was inherited is shared with
    /// other processes, which may not expect that. `None` where the system does not give it.
    #[cfg(target_os = "linux")]
    pub(super) fn own_writing_end(pipe: &File) -> Option<File> {
        let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
        without_waiting().write(true).open(path).ok()
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn own_writing_end(_pipe: &File) -> Option<File> {
        None
    }

    pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
        without_waiting().read(true).open(path)
    }

    pub(super) fn open_to_write(path: &Path, cancel: &Cancel) -> io::Result<File> {
        loop {
            cancel.check().map_err(Error::into_io)?;
            match without_waiting().write(true).open(path) {
                // A pipe that nobody reads yet.
                Err(e)
                    if e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
                        && is_pipe(&path.metadata()?) =>
                {
                    std::thread::sleep(PATIENCE);
                }
                done => return done,
            }
        }
    }

    fn without_waiting() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        options
    }

    pub(super) fn is_pipe(found: &Metadata) -> bool {
        found.file_type().is_fifo()
    }
}

/// Elsewhere a blocking call lasts as long as it lasts.
#[cfg(windows)]
mod sys {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::windows::io::AsHandle;
    use std::path::Path;

    use transship_core::{Cancel, Error};

    use super::Ready;

    pub(super) fn wait(_file: &File, _ready: Ready, cancel: &Cancel) -> io::Result<()> {
        cancel.check().map_err(Error::into_io)
    }

    pub(super) fn widen(_file: &File) {}

    pub(super) fn stdin() -> io::Result<File> {
        io::stdin().as_handle().try_clone_to_owned().map(File::from)
    }

    pub(super) fn stdout() -> io::Result<File> {
        io::stdout().as_handle().try_clone_to_owned().map(File::from)
    }

    pub(super) fn own_writing_end(_pipe: &File) -> Option<File> {
        None
    }

    pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub(super) fn open_to_write(path: &Path, _cancel: &Cancel) -> io::Result<File> {
        File::options().write(true).open(path)
    }

    pub(super) fn is_pipe(_found: &Metadata) -> bool {
        false
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_getfl};
    use transship_core::ErrorKind;

    fn pipe() -> (File, File) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        (read.into(), write.into())
    }

    #[test]
    fn an_inherited_pipe_takes_all_that_it_has_room_for() {
        let (mut read, write) = pipe();
        let shared = write.try_clone().unwrap();
        let mut out = Pipe::inherited(write, &Cancel::new()).unwrap();
        out.widen();
        assert_eq!(out.write(&vec![7; 100_000]).unwrap(), 100_000);
        let mut got = vec![0; 100_000];
        read.read_exact(&mut got).unwrap();
        assert!(got.iter().all(|byte| *byte == 7));
        // Others who write to it are not told to come again.
        assert!(!fcntl_getfl(&shared).unwrap().contains(OFlags::NONBLOCK));
        drop((out, shared));
        assert_eq!(read.read(&mut got).unwrap(), 0, "it is closed");
    }

    #[test]
    fn a_full_pipe_is_waited_for_until_the_cancel() {
        let (_read, write) = pipe();
        let cancel = Cancel::new();
        let mut out = Pipe::inherited(write, &cancel).unwrap();
        let writing = std::thread::spawn(move || out.write_all(&vec![0; 10 << 20]));
        std::thread::sleep(std::time::Duration::from_millis(100));
        cancel.cancel();
        let error = Error::unwrap_io(writing.join().unwrap().unwrap_err()).unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn a_file_takes_everything_at_once() {
        let file = tempfile::tempfile().unwrap();
        let mut out = Pipe::inherited(file, &Cancel::new()).unwrap();
        assert_eq!(out.write(&vec![1; WHOLE]).unwrap(), WHOLE);
    }
}
