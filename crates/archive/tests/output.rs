//! Where archives are written, and when they show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::Read;
use std::path::Path;

use transship_archive::{ArchiveOutput, Compression, TarWriter, decoder, sniff};
use transship_core::{Body, Cancel, ErrorKind, Result, WriteMode};
use transship_local::LockWait;

fn write(path: &Path, mode: WriteMode, name: &str) -> Result<()> {
    let output = ArchiveOutput::begin(path, mode, None, None)?;
    let mut writer = TarWriter::new(&output);
    writer.put_bytes(name, b"1")?;
    let large = Body::from_bytes(vec![b'x'; 9 << 20]).chunks(&Cancel::new())?;
    writer.put_stream_as("large", large)?;
    writer.finish()?;
    output.publish(&LockWait::default(), &Cancel::new())
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn nothing_shows_before_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let output = ArchiveOutput::begin(&path, WriteMode::Create, None, None).unwrap();
    TarWriter::new(&output).put_bytes("a", &vec![1; 1 << 20]).unwrap();
    assert!(!path.exists());
    drop(output);
    assert!(files(folder.path()).is_empty());
    write(&path, WriteMode::Create, "a").unwrap();
    assert_eq!(files(folder.path()), ["a.tar"]);
}

#[test]
fn what_is_there_is_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    write(&path, WriteMode::Create, "a").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = write(&path, WriteMode::Create, "b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("replace it"), "{error}");
    // It may come while we write.
    let late = folder.path().join("late.tar");
    let output = ArchiveOutput::begin(&late, WriteMode::Create, None, None).unwrap();
    std::fs::write(&late, "other").unwrap();
    let error = output.publish(&LockWait::default(), &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&late).unwrap(), b"other");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    write(&path, WriteMode::Replace, "b").unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), before);
    let append = write(&path, WriteMode::Append, "c").unwrap_err();
    assert_eq!(append.kind(), ErrorKind::Unsupported);
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn what_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [WriteMode::Create, WriteMode::Replace] {
        let error = write(folder.path(), mode, "a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        // Devices and pipes are written to, never replaced.
        write(Path::new("/dev/null"), mode, "a").unwrap();
        let full = write(Path::new("/dev/full"), mode, "a").unwrap_err();
        assert!(full.to_string().contains("/dev/full"), "{full}");
    }
    let nowhere = folder.path().join("no/a.tar");
    assert_eq!(write(&nowhere, WriteMode::Create, "a").unwrap_err().kind(), ErrorKind::NotFound);
}

#[cfg(unix)]
#[test]
fn through_a_symlink_and_into_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real.tar");
    let link = folder.path().join("link.tar");
    std::os::unix::fs::symlink("real.tar", &link).unwrap();
    write(&link, WriteMode::Create, "a").unwrap();
    assert!(link.is_symlink() && real.is_file());
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let from = pipe.clone();
    let reader = std::thread::spawn(move || std::fs::read(from).unwrap());
    write(&pipe, WriteMode::Create, "a").unwrap();
    assert_eq!(reader.join().unwrap(), std::fs::read(&real).unwrap());
}

#[cfg(unix)]
#[test]
fn a_pipe_that_takes_nothing_does_not_hold_us() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for other_end in [false, true] {
        let output = ArchiveOutput::begin(&pipe, WriteMode::Create, None, None).unwrap();
        let mut writer = TarWriter::new(&output);
        writer.put_bytes("a", &vec![1; 1 << 20]).unwrap();
        writer.finish().unwrap();
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            stop.cancel();
        });
        let both =
            other_end.then(|| std::fs::File::options().read(true).write(true).open(&pipe).unwrap());
        assert_eq!(
            output.publish(&LockWait::default(), &cancel).unwrap_err().kind(),
            ErrorKind::Cancelled
        );
        stopper.join().unwrap();
        drop(both);
    }
}

#[test]
fn a_compressed_archive_shows_whole() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("a.tar");
    write(&plain, WriteMode::Create, "a").unwrap();
    for (name, compression) in [("a.tar.gz", Compression::Gzip), ("a.tar.zst", Compression::Zstd)] {
        let path = folder.path().join(name);
        write(&path, WriteMode::Create, "b").unwrap();
        write(&path, WriteMode::Replace, "a").unwrap();
        let packed = std::fs::read(&path).unwrap();
        assert_eq!(sniff(&packed), compression);
        let mut back = Vec::new();
        decoder(compression, &*packed).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == std::fs::read(&plain).unwrap(), "{name}");
    }
    assert_eq!(files(folder.path()).len(), 3);
}
