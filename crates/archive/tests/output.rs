//! Where archives are written, and when they show.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use transship_archive::{
    ArchiveOutput, Compression, Compressor, Decision, OutputOptions, TarIndex, TarWriter, decoder,
    sniff,
};
use transship_core::{
    Body, Cancel, Descriptor, ErrorKind, Expect, FileRange, MediaType, Result, WriteMode,
};
use transship_local::LockWait;

fn begin(
    path: &Path,
    mode: WriteMode,
    spool: Option<PathBuf>,
    compressor: Option<Compressor>,
) -> Result<(ArchiveOutput, TarWriter)> {
    let options = OutputOptions { spool, compressor, ..OutputOptions::default() };
    ArchiveOutput::begin(path, mode, &options, &Cancel::new())
}

fn publish(mut output: ArchiveOutput, mut tar: TarWriter, cancel: &Cancel) -> Result<()> {
    output.publish(&mut tar, &mut |_, _| Ok(()), &LockWait::default(), cancel)
}

fn write(path: &Path, mode: WriteMode, name: &str) -> Result<()> {
    let (output, mut writer) = begin(path, mode, None, None)?;
    writer.put_bytes(name, b"1")?;
    let large = Body::from_bytes(vec![b'x'; 9 << 20]).chunks(&Cancel::new())?;
    writer.put_stream_as("large", large)?;
    publish(output, writer, &Cancel::new())
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn nothing_shows_before_it_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let (output, mut writer) = begin(&path, WriteMode::Create, None, None).unwrap();
    writer.put_bytes("a", &vec![1; 1 << 20]).unwrap();
    assert!(!path.exists());
    drop((output, writer));
    assert!(files(folder.path()).is_empty());
    write(&path, WriteMode::Create, "a").unwrap();
    assert_eq!(files(folder.path()), ["a.tar"]);
}

/// A dry run needs a folder that is there, not one that it may write to.
#[test]
fn nothing_is_made_before_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let modes = [WriteMode::Create, WriteMode::Replace, WriteMode::Append];
    for (mode, name) in modes.map(|mode| (mode, "a.tar")).into_iter().chain([(modes[0], "a.tgz")]) {
        let begun = begin(&folder.path().join(name), mode, None, None).unwrap();
        assert!(files(folder.path()).is_empty(), "{mode:?}");
        drop(begun);
        let nowhere = begin(&folder.path().join("no").join(name), mode, None, None).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::NotFound, "{mode:?}: {nowhere}");
    }
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
    let (output, writer) = begin(&late, WriteMode::Create, None, None).unwrap();
    std::fs::write(&late, "other").unwrap();
    let error = publish(output, writer, &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&late).unwrap(), b"other");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    write(&path, WriteMode::Replace, "b").unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), before);
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
    for (other_end, form) in [(false, "none"), (true, "none"), (true, "gzip:1")] {
        let form = Some(Compressor::parse(form).unwrap());
        let (output, mut writer) = begin(&pipe, WriteMode::Create, None, form).unwrap();
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            stop.cancel();
        });
        let both =
            other_end.then(|| std::fs::File::options().read(true).write(true).open(&pipe).unwrap());
        writer.set_cancel(&cancel);
        let put = writer.put_bytes("a", &noise(20 << 20));
        let published = put.and_then(|()| publish(output, writer, &cancel));
        assert_eq!(published.unwrap_err().kind(), ErrorKind::Cancelled);
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

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// The bytes of this process's temporary files in a folder.
#[cfg(target_os = "linux")]
fn stored_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let unnamed = files.filter_map(|fd| {
        let fd = fd.ok()?.path();
        std::fs::read_link(&fd).ok().filter(|to| to.starts_with(folder))?;
        std::fs::metadata(fd).ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
    });
    unnamed.sum()
}

#[cfg(unix)]
fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Reads all of a pipe, and counts meanwhile.
#[cfg(unix)]
fn read_counted(pipe: &Path) -> (std::thread::JoinHandle<Vec<u8>>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (pipe, counting) = (pipe.to_owned(), Arc::clone(&count));
    let reader = std::thread::spawn(move || {
        let mut from = std::fs::File::open(pipe).unwrap();
        let (mut got, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let n = from.read(&mut buffer).unwrap();
            if n == 0 {
                return got;
            }
            got.extend_from_slice(&buffer[..n]);
            counting.store(got.len(), Ordering::SeqCst);
        }
    });
    (reader, count)
}

fn layer(bytes: &[u8]) -> Body {
    let layer = Expect::default().with_media_type(MediaType::ImageLayer);
    Body::from_reader(std::io::Cursor::new(bytes.to_vec())).expecting(&layer).unwrap()
}

/// A layer goes out as it comes. Only one whose size is not known is stored first, and none beside it.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_gets_each_layer_before_the_next_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, spool) = (folder.path().join("pipe"), folder.path().canonicalize().unwrap());
    make_pipe(&pipe);
    let (bytes, cancel) = (noise(3 << 20), Cancel::new());
    let (reader, count) = read_counted(&pipe);
    let plain = Some(Compressor::Plain);
    let (output, mut tar) = begin(&pipe, WriteMode::Create, Some(spool.clone()), plain).unwrap();
    for n in 1..4 {
        let known = layer(&bytes).expecting(&expected_of(&bytes)).unwrap();
        tar.put_stream_as(&format!("known/{n}"), known.chunks(&cancel).unwrap()).unwrap();
        assert_eq!(stored_bytes(&spool), 0, "it has gone out");
        let fate = |_: &_| {
            assert_eq!(stored_bytes(&spool), bytes.len() as u64);
            Ok(Decision::Keep(format!("unknown/{n}")))
        };
        tar.put_stream(layer(&bytes).chunks(&cancel).unwrap(), fate).unwrap().unwrap();
        let again = layer(&bytes).chunks(&cancel).unwrap();
        assert_eq!(tar.put_stream(again, |_| Ok(Decision::Rewind)).unwrap(), None);
        // All but what fits in the pipe.
        let expected = 2 * n * bytes.len() - (2 << 20);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while count.load(Ordering::SeqCst) < expected {
            assert!(std::time::Instant::now() < until, "{count:?} of {expected}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    let config = Body::from_bytes("a config").chunks(&cancel).unwrap();
    let put = tar.put_stream_as("config", config).unwrap();
    assert_eq!(tar.range(put.offset, 8).unwrap().unwrap().bytes(8, "it").unwrap(), "a config");
    publish(output, tar, &cancel).unwrap();
    let got = FileRange::in_memory(reader.join().unwrap(), Path::new("got"));
    let index = TarIndex::of(&got, &cancel).unwrap();
    assert_eq!(index.names().count(), 7);
}

fn expected_of(bytes: &[u8]) -> Expect {
    let digest = transship_core::sha256(bytes);
    Expect::from(&Descriptor::new(MediaType::ImageLayer, digest, bytes.len() as u64))
}

/// What went out before a failure is no archive, whatever is put afterwards.
#[cfg(unix)]
#[test]
fn a_stream_that_broke_has_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    make_pipe(&pipe);
    let (mut bytes, cancel) = (noise(3 << 20), Cancel::new());
    let expect = expected_of(&bytes);
    bytes[2 << 20] ^= 1;
    for (form, compression) in [("none", Compression::Plain), ("gzip:1", Compression::Gzip)] {
        let (reader, _) = read_counted(&pipe);
        let form = Some(Compressor::parse(form).unwrap());
        let (output, mut tar) = begin(&pipe, WriteMode::Create, None, form).unwrap();
        tar.put_bytes("before", b"1").unwrap();
        let body = layer(&bytes).expecting(&expect).unwrap().chunks(&cancel).unwrap();
        assert_eq!(tar.put_stream_as("bad", body).unwrap_err().kind(), ErrorKind::Corrupt);
        let error = tar.put_bytes("behind", b"1").unwrap_err();
        assert!(error.to_string().contains("no archive"), "{error}");
        publish(output, tar, &cancel).unwrap_err();
        // What fails before its first byte never opens the pipe, and the reader would wait for a writer.
        while !reader.is_finished() {
            drop(std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let got = reader.join().unwrap();
        let mut plain = Vec::new();
        let read = decoder(compression, &*got).unwrap().read_to_end(&mut plain);
        assert_eq!(read.is_err(), compression != Compression::Plain);
        assert!(!plain.ends_with(&[0; 1024]));
        let nothing = plain.is_empty();
        let plain = FileRange::in_memory(plain, Path::new("got"));
        assert!(nothing || TarIndex::of(&plain, &cancel).is_err());
    }
}
