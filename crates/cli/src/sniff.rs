//! Which transport a path is for, from what is there.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use transship::codec::{Compression, GzipDecoder, SNIFF_LEN, ZstdDecoder};
use transship::transport::{Cancel, spool_folder};
use transship::{Error, ErrorKind, Hint, Result, codec};

/// The scheme for what is at a path.
///
/// # Errors
/// `InvalidReference` for a folder, `Corrupt` for a tar, that is nothing we know.
pub(crate) fn path(path: &Path) -> Result<&'static str> {
    let found = fs::metadata(path).map_err(|e| Error::io("looking at", path, e))?;
    if found.is_dir() {
        return folder(path);
    }
    if !found.is_file() {
        return Err(Error::new(ErrorKind::InvalidReference, "it is neither a file nor a folder")
            .hint("say of which transport it is, as in docker-archive:PATH"));
    }
    let file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
    tar(file, path)
}

/// Whether a path is a pipe, as of `<(command)`.
#[cfg(unix)]
pub(crate) fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
pub(crate) fn is_pipe(_: &Path) -> bool {
    false
}

/// Makes a pipe the standard input of this process.
///
/// # Errors
/// `InvalidReference` for the second one; I/O errors.
#[cfg(unix)]
pub(crate) fn take_as_stdin(path: &Path) -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        let message = format!("{} is a second pipe, and one can be read at a time", path.display());
        return Err(Error::new(ErrorKind::InvalidReference, message)
            .hint("write one of them to a file first"));
    }
    let file = File::open(path).map_err(|e| Error::io("opening", path, e))?;
    rustix::stdio::dup2_stdin(&file).map_err(|e| Error::io("reading", path, e.into()))
}

#[cfg(not(unix))]
pub(crate) fn take_as_stdin(_: &Path) -> Result<()> {
    Ok(())
}

/// Whether standard input is a file.
#[cfg(unix)]
pub(crate) fn is_redirected() -> bool {
    use std::os::fd::AsFd;
    let own = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    own.and_then(|file| file.metadata()).is_ok_and(|found| found.is_file())
}

#[cfg(not(unix))]
pub(crate) fn is_redirected() -> bool {
    true
}

/// The scheme for what comes on standard input. Unless that is a file, it is put into an unnamed one first, which
/// becomes the standard input of this process: the transport reads it from there, and nothing is spooled twice.
#[cfg(unix)]
pub(crate) fn stdin(spool: Option<&PathBuf>, cancel: &Cancel) -> Result<&'static str> {
    use std::os::fd::AsFd;
    let name = Path::new("standard input");
    let failed = |e| Error::io("reading", name, e);
    let own = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
    let mut stdin = File::from(own);
    if !stdin.metadata().map_err(failed)?.is_file() {
        stdin = spooled(&mut stdin, spool, cancel)?;
        rustix::stdio::dup2_stdin(&stdin).map_err(|e| failed(e.into()))?;
    }
    let start = stdin.stream_position().map_err(failed)?;
    let again = stdin.try_clone().map_err(failed)?;
    let scheme = tar(again, name);
    stdin.seek(SeekFrom::Start(start)).map_err(failed)?;
    scheme
}

#[cfg(not(unix))]
pub(crate) fn stdin(_: Option<&PathBuf>, _: &Cancel) -> Result<&'static str> {
    Err(Error::new(ErrorKind::InvalidReference, "standard input cannot be looked at here")
        .hint("say what it is, as in docker-archive:-"))
}

#[cfg(unix)]
fn spooled(from: &mut File, spool: Option<&PathBuf>, cancel: &Cancel) -> Result<File> {
    let folder = spool_folder(spool);
    let failed = |e| {
        let doing = format!("spooling standard input in {}", folder.display());
        Error::new(ErrorKind::Unexpected, doing).caused_by(e).hint(Hint::ChangeSpoolFolder)
    };
    let mut file = tempfile::tempfile_in(&folder).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        cancel.check()?;
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => io::Write::write_all(&mut file, &buffer[..n]).map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io("reading", "standard input", e)),
        }
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

fn folder(path: &Path) -> Result<&'static str> {
    if path.join("oci-layout").is_file() {
        return Ok("oci");
    }
    let mut start = Vec::new();
    if let Ok(file) = File::open(path.join("version")) {
        let limit = 64;
        file.take(limit).read_to_end(&mut start).map_err(|e| Error::io("reading", path, e))?;
    }
    if start.starts_with(b"Directory Transport Version: ") {
        return Ok("dir");
    }
    Err(Error::new(
        ErrorKind::InvalidReference,
        "this folder has neither an OCI layout nor an image",
    )
    .hint("say what it shall be, as in oci:PATH or dir:PATH"))
}

fn tar(mut file: File, path: &Path) -> Result<&'static str> {
    let failed = |e| Error::io("reading", path, e);
    let position = file.stream_position().map_err(failed)?;
    let mut start = Vec::with_capacity(SNIFF_LEN);
    (&mut file).take(SNIFF_LEN as u64).read_to_end(&mut start).map_err(failed)?;
    file.seek(SeekFrom::Start(position)).map_err(failed)?;
    let input = BufReader::with_capacity(256 << 10, file);
    let found = match codec::sniff(&start) {
        Compression::Plain => {
            let mut archive = tar::Archive::new(input);
            archive.entries_with_seek().and_then(members)
        }
        Compression::Gzip => streamed(GzipDecoder::new(input)),
        Compression::Zstd => ZstdDecoder::new(input).and_then(streamed),
        Compression::Bzip2 => streamed(bzip2::read::MultiBzDecoder::new(input)),
        Compression::Xz => streamed(liblzma::read::XzDecoder::new_multi_decoder(input)),
        _ => Ok(Found::Nothing),
    };
    match found {
        Ok(Found::Index) => Ok("oci-archive"),
        Ok(Found::Nothing) if !start.is_empty() => Err(Error::new(
            ErrorKind::Corrupt,
            "this archive has neither an index.json nor a manifest.json: no image is in it",
        )),
        // Of an empty or broken one, the transport says better what is wrong with it, and where.
        Ok(Found::Manifest | Found::Nothing) | Err(_) => Ok("docker-archive"),
    }
}

/// What a tar has of the documents that tell.
enum Found {
    Index,
    Manifest,
    Nothing,
}

fn streamed(input: impl Read) -> io::Result<Found> {
    tar::Archive::new(input).entries().and_then(members)
}

fn members<R: Read>(entries: tar::Entries<'_, R>) -> io::Result<Found> {
    let mut found = Found::Nothing;
    // Raw: else a long name is read into memory whatever its size, and these names are short.
    for entry in entries.raw(true) {
        let entry = entry?;
        let name = entry.path()?;
        let mut parts = name.components().filter(|part| !matches!(part, Component::CurDir));
        if let (Some(Component::Normal(only)), None) = (parts.next(), parts.next()) {
            match only.to_str() {
                Some("index.json") => return Ok(Found::Index),
                Some("manifest.json") => found = Found::Manifest,
                _ => {}
            }
        }
    }
    Ok(found)
}
