//! [`ArchiveOutput`]: where an archive is written, and how it shows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transship_core::{
    Cache, Cancel, Digest, Error, ErrorKind, Hint, Result, WriteMode, spool_folder,
};
use transship_local::{LockWait, Publish, replace_file};

use crate::compressor::Compressor;
use crate::draft::Draft;
use crate::flow::{Flow, Sink};
use crate::open::STDIO;
use crate::rewrite::Appender;
use crate::{Base, Gaps, TarWriter};

/// Where an archive is written. A file shows when it is [published](Self::publish); dropped without it, it leaves no trace. A
/// pipe gets each byte as soon as it is known, and dropped without publishing it has got an archive without an end.
#[derive(Debug)]
pub struct ArchiveOutput(Kind);

#[derive(Debug)]
enum Kind {
    New(New),
    Appended(Box<Appender>),
}

/// Puts what an archive needs beside its old and new entries, given the archive that is joined.
pub type Documents<'a> = dyn FnMut(Option<&Arc<Base>>, &mut TarWriter) -> Result<()> + 'a;

/// How an archive is written.
#[derive(Clone, Debug, Default)]
pub struct OutputOptions {
    /// The names of the entries that [`publish`](ArchiveOutput::publish) will write.
    pub documents: &'static [&'static str],
    /// As in [`WriteOptions`](transship_core::WriteOptions): what goes to a pipe or is compressed, and whose size is not
    /// known before it has passed, is stored there, one entry at a time.
    pub spool: Option<PathBuf>,
    /// Without one the path's suffix says whether and how a new archive is compressed.
    pub compressor: Option<Compressor>,
    /// Where it is kept which entries of the archive that is joined were found true.
    pub cache: Cache,
}

impl ArchiveOutput {
    /// Begins an archive at a path, or behind the entries of the one that is there; `-` is the standard output. Nothing is made
    /// before the first bytes are put.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a file and the mode is `Create`; `Unsupported` for folders and, to append, for what is
    /// no file or compressed as a whole; to append, as [`TarIndex::read`](crate::TarIndex::read); I/O errors.
    pub fn begin(
        path: &Path,
        mode: WriteMode,
        options: &OutputOptions,
        cancel: &Cancel,
    ) -> Result<(Self, TarWriter)> {
        let publish = match mode {
            WriteMode::Create => Publish::Create,
            WriteMode::Append => {
                Compressor::check_append(options.compressor, path)?;
                let (appender, tar) =
                    Appender::begin(path, options.documents, &options.cache, cancel)?;
                return Ok((Self(Kind::Appended(Box::new(appender))), tar));
            }
            _ => Publish::Replace,
        };
        let (new, tar) = New::begin(path, publish, options)?;
        Ok((Self(Kind::New(new)), tar))
    }

    /// The archive that is joined; `None` where there is none yet.
    pub fn base(&self) -> Option<&Arc<Base>> {
        match &self.0 {
            Kind::New(_) => None,
            Kind::Appended(appender) => appender.base(),
        }
    }

    /// Lets an entry that was put take the place of the one of that name in the archive that is joined.
    pub fn replace(&mut self, name: &str) {
        if let Kind::Appended(appender) = &mut self.0 {
            appender.replace(name);
        }
    }

    /// Whether files that were put can be taken out again: of a new archive in a file that is not compressed.
    pub fn takes_back(&self, tar: &TarWriter) -> bool {
        tar.is_file() && self.base().is_none()
    }

    /// Takes files out again, before the archive is published. What stays is copied to another file; what was read of
    /// the first one can still be read. When it fails, the tar is as before.
    ///
    /// # Errors
    /// `Unsupported` when they cannot be taken out; `Cancelled`; I/O errors.
    pub fn take_out(&mut self, tar: &mut TarWriter, gaps: &Gaps, cancel: &Cancel) -> Result<()> {
        if gaps.is_empty() {
            return Ok(());
        }
        let taken = match &mut self.0 {
            Kind::New(new) if tar.is_file() => new.take_out(tar, gaps, cancel)?,
            Kind::New(_) => false,
            Kind::Appended(appender) => appender.take_out(tar, gaps, cancel)?,
        };
        if taken {
            return Ok(());
        }
        let message = "blobs that no image needs cannot be taken out of the archive";
        Err(Error::new(ErrorKind::Unsupported, message).hint("copy again"))
    }

    /// Puts the documents, ends the tar, and shows a file, durably and at once.
    ///
    /// The function is given the archive that is joined in the end, and called again where another one took its place
    /// meanwhile; of what was put, what that one has under the same name is then left out. Where nothing was put and the
    /// documents say what they said, the archive stays as it is, and nothing is written.
    ///
    /// # Errors
    /// Those of the function; `AlreadyExists` when a file has come there since `begin` and the mode is `Create`;
    /// `Unavailable` when what is replaced stays locked; `Cancelled`; I/O errors. What was there is then as it was, and it
    /// can be called again, with the same tar; what has gone to a pipe or an encoder cannot be taken back, and it fails
    /// again.
    pub fn publish(
        &mut self,
        tar: &mut TarWriter,
        documents: &mut Documents<'_>,
        wait: &LockWait,
        cancel: &Cancel,
    ) -> Result<()> {
        match &mut self.0 {
            Kind::New(new) => new.publish(tar, documents, wait, cancel),
            Kind::Appended(appender) => appender.publish(tar, documents, wait, cancel),
        }
    }

    /// Keeps in the cache, after publishing, that entries have digests, where an archive was joined: who joins this one does not hash
    /// them again.
    pub fn note(&self, entries: &[(String, Digest)]) {
        if let Kind::Appended(appender) = &self.0 {
            appender.note(entries);
        }
    }
}

/// A new archive.
#[derive(Debug)]
struct New {
    path: PathBuf,
    /// A file beside the target, which is renamed; `None` where bytes go out at once.
    draft: Option<(Arc<Draft>, Publish)>,
    /// Whether the tar has its end.
    ended: bool,
}

impl New {
    fn begin(path: &Path, publish: Publish, options: &OutputOptions) -> Result<(Self, TarWriter)> {
        let compressor = match options.compressor {
            Some(compressor) => compressor,
            None => Compressor::by_suffix(path)?,
        };
        let (draft, sink) = if let Some(sink) = sink_at(path, publish)? {
            (None, sink)
        } else {
            let draft = Draft::beside(path)?;
            let sink = Sink::File(Arc::clone(&draft), path.to_owned());
            (Some((draft, publish)), sink)
        };
        let tar = match (sink, compressor) {
            (Sink::File(draft, _), Compressor::Plain) => TarWriter::to_draft(draft, path),
            (sink, _) => {
                let spool = spool_folder(options.spool.as_ref());
                TarWriter::to_flow(Flow::begin(sink, compressor, spool), path)
            }
        };
        Ok((Self { path: path.to_owned(), draft, ended: false }, tar))
    }

    /// `false` where it cannot be done.
    fn take_out(&mut self, tar: &mut TarWriter, gaps: &Gaps, cancel: &Cancel) -> Result<bool> {
        let Some((draft, _)) = self.draft.as_mut().filter(|_| !self.ended) else {
            return Ok(false);
        };
        let other = Draft::beside(&self.path)?;
        gaps.leave_out(tar, (&other, &self.path), cancel)?;
        *draft = other;
        Ok(true)
    }

    fn publish(
        &mut self,
        tar: &mut TarWriter,
        documents: &mut Documents<'_>,
        wait: &LockWait,
        cancel: &Cancel,
    ) -> Result<()> {
        cancel.check()?;
        tar.set_cancel(cancel);
        let start = tar.position();
        if !self.ended {
            let ended = documents(None, tar).and_then(|()| tar.finish());
            ended.inspect_err(|_| tar.rewind(start))?;
            self.ended = true;
        }
        let Some((draft, publish)) = &self.draft else { return Ok(()) };
        let published = draft.with_staged(|staged| replace_file(staged, *publish, wait, cancel));
        if published.is_err() && tar.is_file() {
            // More may be put before the next try.
            tar.rewind(start);
            self.ended = false;
        }
        published.map_err(|e| match e.kind() {
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
