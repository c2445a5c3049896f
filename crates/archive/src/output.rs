//! [`ArchiveOutput`]: where an archive is written, and how it shows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_core::{Cancel, Error, ErrorKind, Hint, Result, WriteMode, spool_folder};
use transship_local::{LockWait, Publish, StagedFile, replace_file};

use crate::TarWriter;
use crate::compressor::Compressor;
use crate::flow::{Flow, Sink};
use crate::open::STDIO;

/// Where an archive is written. A file shows when it is [published](Self::publish); dropped without it, it leaves no trace. A
/// pipe gets each byte as soon as it is known, and dropped without publishing it has got an archive without an end.
#[derive(Debug)]
pub struct ArchiveOutput {
    path: PathBuf,
    /// A file beside the target, which is renamed; `None` where bytes go out at once.
    staged: Option<(Box<StagedFile>, Publish)>,
}

impl ArchiveOutput {
    /// Begins an archive at a path; `-` is the standard output. `spool` is as in
    /// [`WriteOptions`](transship_core::WriteOptions): what goes to a pipe or is compressed, and whose size is not known before it has
    /// passed, is stored there, one entry at a time. Without a `compressor` the path's suffix says whether it is compressed.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a file and the mode is `Create`, `Unsupported` for folders and for `Append`, I/O errors.
    pub fn begin(
        path: &Path,
        mode: WriteMode,
        spool: Option<&PathBuf>,
        compressor: Option<Compressor>,
    ) -> Result<(Self, TarWriter)> {
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
        let compressor = compressor.unwrap_or_else(|| Compressor::by_suffix(path));
        let (staged, sink) = if let Some(sink) = sink_at(path, publish)? {
            (None, sink)
        } else {
            let staged = StagedFile::beside(path)?;
            let file = Arc::clone(staged.file());
            (Some((Box::new(staged), publish)), Sink::File(file, path.to_owned()))
        };
        let tar = match (sink, compressor) {
            (Sink::File(file, _), Compressor::Plain) => TarWriter::to_file(file, path),
            (sink, _) => {
                TarWriter::to_flow(Flow::begin(sink, compressor, spool_folder(spool))?, path)
            }
        };
        Ok((Self { path: path.to_owned(), staged }, tar))
    }

    /// Ends the tar, and shows a file, durably and at once.
    ///
    /// # Errors
    /// `AlreadyExists` when a file has come there since `begin` and the mode is `Create`; `Unavailable` when what is
    /// replaced stays locked; `Cancelled`; I/O errors.
    pub fn publish(self, mut tar: TarWriter, wait: &LockWait, cancel: &Cancel) -> Result<()> {
        cancel.check()?;
        tar.set_cancel(cancel);
        tar.finish()?;
        let Some((staged, publish)) = self.staged else { return Ok(()) };
        replace_file(*staged, publish, wait, cancel).map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => exists(&self.path),
            _ => e,
        })
    }
}

/// What takes the bytes at once; `None` for a file that shows when it is whole.
fn sink_at(path: &Path, publish: Publish) -> Result<Option<Sink>> {
    if path == Path::new(STDIO) {
        return Ok(Some(Sink::Stdout));
    }
    match path.metadata() {
        Ok(found) if found.is_dir() => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{} is a folder, an archive is a file", path.display()),
        )),
        Ok(found) if !found.is_file() => Ok(Some(Sink::Path(path.to_owned()))),
        Ok(_) if publish == Publish::Create => Err(exists(path)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("looking at", path, e)),
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{} is there already", path.display()))
        .hint(Hint::AppendOrReplace)
}
