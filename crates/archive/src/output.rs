//! [`ArchiveOutput`]: where an archive is written, and how it shows.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_core::{Cancel, Error, ErrorKind, FileRange, Hint, Result, WriteMode, spool_folder};
use transship_local::{LockWait, Publish, StagedFile, replace_file, spool_file};

use crate::compressor::Compressor;
use crate::open::STDIO;
use crate::pipe::Pipe;
use crate::writer::Later;
use transship_local::write_all_at;

/// How many bytes are copied to a pipe between two looks at the cancel.
const CHUNK: usize = 1 << 20;

/// Where an archive is written. Nothing shows before [`publish`](Self::publish); dropped without it, it leaves no trace.
#[derive(Debug)]
pub struct ArchiveOutput {
    file: Arc<File>,
    path: PathBuf,
    way: Way,
    compressor: Compressor,
    /// The folder of temporary files.
    spool: PathBuf,
}

#[derive(Debug)]
enum Way {
    /// A file beside the target, which is renamed. An archive that is compressed is written elsewhere first.
    Staged(Box<StagedFile>, Publish),
    /// An unnamed file, which is copied out at the end.
    Copied(Sink),
}

#[derive(Clone, Copy, Debug)]
enum Sink {
    /// The standard output.
    Stdout,
    /// A pipe or a device.
    Path,
}

impl ArchiveOutput {
    /// Begins an archive at a path; `-` is the standard output. `spool` is as in
    /// [`WriteOptions`](transship_core::WriteOptions), and used for what is not a file, or compressed. Without a `compressor`
    /// the path's suffix says whether it is.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a file and the mode is `Create`, `Unsupported` for folders and for `Append`, I/O errors.
    pub fn begin(
        path: &Path,
        mode: WriteMode,
        spool: Option<&PathBuf>,
        compressor: Option<Compressor>,
    ) -> Result<Self> {
        let publish = match mode {
            WriteMode::Create => Publish::Create,
            WriteMode::Replace => Publish::Replace,
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("{}: this is for new archives", path.display()),
                )
                .hint("Appender is for archives that are there"));
            }
        };
        let how = (spool, compressor.unwrap_or_else(|| Compressor::by_suffix(path)));
        if path == Path::new(STDIO) {
            return Self::copied(Path::new("the standard output"), Sink::Stdout, how);
        }
        match path.metadata() {
            Ok(found) if found.is_dir() => Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} is a folder, an archive is a file", path.display()),
            )),
            Ok(found) if !found.is_file() => Self::copied(path, Sink::Path, how),
            Ok(_) if publish == Publish::Create => Err(exists(path)),
            Ok(_) => Self::staged(path, publish, how),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::staged(path, publish, how),
            Err(e) => Err(Error::io("looking at", path, e)),
        }
    }

    fn staged(
        path: &Path,
        publish: Publish,
        (spool, compressor): (Option<&PathBuf>, Compressor),
    ) -> Result<Self> {
        let staged = StagedFile::beside(path)?;
        let spool = spool_folder(spool);
        let file = match compressor {
            Compressor::Plain => Arc::clone(staged.file()),
            _ => Arc::new(spool_file(&spool)?),
        };
        let way = Way::Staged(Box::new(staged), publish);
        Ok(Self { file, path: path.to_owned(), way, compressor, spool })
    }

    fn copied(
        path: &Path,
        sink: Sink,
        (spool, compressor): (Option<&PathBuf>, Compressor),
    ) -> Result<Self> {
        let spool = spool_folder(spool);
        let file = Arc::new(spool_file(&spool)?);
        Ok(Self { file, path: path.to_owned(), way: Way::Copied(sink), compressor, spool })
    }

    /// The file to write to, open for reading and writing.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(crate) fn later(&self) -> Later {
        match (&self.way, self.compressor) {
            (Way::Staged(..), Compressor::Plain) => Later::Synced,
            _ => Later::ReadBack,
        }
    }

    /// What is written to, for messages: the archive, or the temporary file that becomes it.
    pub(crate) fn written_path(&self) -> PathBuf {
        match (&self.way, self.compressor) {
            (Way::Staged(..), Compressor::Plain) => self.path.clone(),
            _ => self.spool.join("(a temporary file; $TMPDIR chooses the folder)"),
        }
    }

    /// Shows the archive: durably and at once where it is a file, else by copying it out.
    ///
    /// # Errors
    /// `AlreadyExists` when a file has come there since `begin` and the mode is `Create`; `Unavailable` when what is
    /// replaced stays locked; `Cancelled`; I/O errors.
    pub fn publish(self, wait: &LockWait, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        let reading = |e| Error::io("reading back", &self.path, e);
        let len = self.file.metadata().map_err(reading)?.len();
        let all = FileRange::new(self.file, self.path.as_path(), 0, len);
        match self.way {
            Way::Staged(staged, publish) => {
                if self.compressor != Compressor::Plain {
                    pack_into(&staged, &all, self.compressor, cancel)?;
                }
                replace_file(*staged, publish, wait, cancel).map_err(|e| match e.kind() {
                    ErrorKind::AlreadyExists => exists(&self.path),
                    _ => e,
                })
            }
            Way::Copied(sink) => copy_out(&all, self.compressor, sink, &self.path, cancel),
        }
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{} is there already", path.display()))
        .hint(Hint::AppendOrReplace)
}

fn pack_into(
    staged: &StagedFile,
    all: &FileRange,
    compressor: Compressor,
    cancel: &Cancel,
) -> Result<()> {
    let mut at = 0;
    compressor.pack(all, cancel, &mut |bytes| {
        write_all_at(staged.file(), bytes, at)
            .map_err(|e| Error::io("writing", staged.path(), e))?;
        at += bytes.len() as u64;
        Ok(())
    })
}

fn copy_out(
    all: &FileRange,
    compressor: Compressor,
    sink: Sink,
    path: &Path,
    cancel: &Cancel,
) -> Result<()> {
    let writing = |e| Error::io("writing", path, e);
    let mut out = match sink {
        Sink::Stdout => Pipe::stdout(cancel).map_err(writing)?,
        Sink::Path => Pipe::writing(path, cancel)?,
    };
    out.widen();
    if compressor != Compressor::Plain {
        compressor.pack(all, cancel, &mut |bytes| out.write_all(bytes).map_err(writing))?;
        return out.flush().map_err(writing);
    }
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < all.len() {
        cancel.check()?;
        let n = all.read_at(at, &mut buffer)?;
        out.write_all(&buffer[..n]).map_err(writing)?;
        at += n as u64;
    }
    out.flush().map_err(writing)
}
