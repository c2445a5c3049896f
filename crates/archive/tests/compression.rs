//! Archives that are compressed as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::io::Write;
use std::path::Path;

use common::{Raw, open, text};
use transship_archive::{ArchiveFile, Compression, TarIndex, sniff};
use transship_core::{Cancel, ErrorKind, ReadOptions};

const ALL: [Compression; 4] =
    [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz];

fn compress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).unwrap();
            gzip.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        Compression::Bzip2 => {
            let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            bzip2.write_all(bytes).unwrap();
            bzip2.finish().unwrap()
        }
        Compression::Xz => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(bytes).unwrap();
            xz.finish().unwrap()
        }
        Compression::Plain => bytes.to_vec(),
    }
}

/// A tar that does not compress to nothing.
fn tar() -> Vec<u8> {
    let noise: Vec<u8> =
        (0..200_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    Raw::new().file("noise", &noise).file("a", b"1").end().0
}

fn read(bytes: &[u8]) -> String {
    let archive = open(bytes).unwrap();
    text(&TarIndex::read(&archive, &Cancel::new()).unwrap(), "a").unwrap()
}

#[test]
fn known_by_content() {
    for compression in ALL {
        let bytes = compress(compression, &tar());
        assert_eq!(sniff(&bytes), compression);
        let archive = open(&bytes).unwrap();
        assert_eq!((archive.compression(), archive.is_spooled()), (compression, true));
        assert_eq!(archive.range().len(), tar().len() as u64);
        assert_eq!(read(&bytes), "1", "{compression:?}");
    }
    let skippable =
        [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), compress(Compression::Zstd, &tar())];
    assert_eq!(read(&skippable.concat()), "1");
}

#[test]
fn all_parts_of_a_stream_are_read() {
    let (head, tail) = (&tar()[..100_000], &tar()[100_000..]);
    for compression in ALL {
        let parts = [compress(compression, head), compress(compression, tail)].concat();
        assert_eq!(read(&parts), "1", "{compression:?}");
    }
}

#[test]
fn a_torn_stream_is_corrupt() {
    for compression in ALL {
        let bytes = compress(compression, &tar());
        for cut in [bytes.len() / 2, bytes.len() - 1, 20] {
            let error = open(&bytes[..cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{compression:?} {cut}");
            assert!(error.to_string().contains("cut off"), "{error}");
        }
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        assert_eq!(open(&flipped).unwrap_err().kind(), ErrorKind::Corrupt, "{compression:?}");
    }
}

#[test]
fn what_is_inside_must_be_a_tar() {
    for compression in ALL {
        let error = open(&compress(compression, b"hello")).unwrap_err().to_string();
        assert!(
            error.contains("what is compressed in it is not a tar: it looks like text"),
            "{error}"
        );
        let twice = compress(compression, &compress(compression, &tar()));
        let error = open(&twice).unwrap_err();
        assert!(error.to_string().contains("compressed twice"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_plain_file_is_read_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, tar()).unwrap();
    let open = |path: &Path| ArchiveFile::open(path, &ReadOptions::default(), &Cancel::new());
    let archive = open(&path).unwrap();
    assert_eq!((archive.compression(), archive.is_spooled()), (Compression::Plain, false));
    let mut how = ReadOptions::default();
    how.spool = Some(folder.path().join("nowhere"));
    assert!(ArchiveFile::open(&path, &how, &Cancel::new()).is_ok());
    std::fs::write(&path, compress(Compression::Gzip, &tar())).unwrap();
    let error = ArchiveFile::open(&path, &how, &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("another folder"), "{error}");
    assert_eq!(open(&folder.path().join("b.tar")).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(open(folder.path()).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(open(Path::new("/dev/null")).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_pipe_is_spooled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let to = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, compress(Compression::Xz, &tar())));
    let archive = ArchiveFile::open(&path, &ReadOptions::default(), &Cancel::new()).unwrap();
    writer.join().unwrap().unwrap();
    assert!(archive.is_spooled());
    let index = TarIndex::read(&archive, &Cancel::new()).unwrap();
    assert_eq!(text(&index, "a").unwrap(), "1");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn it_stops_when_it_is_cancelled() {
    let cancel = Cancel::new();
    cancel.cancel();
    let path = Path::new("t.tar");
    let error = ArchiveFile::spool(std::io::repeat(0), path, &ReadOptions::default(), &cancel);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_pipe_that_says_nothing_does_not_hold_us() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    for other_end in [false, true] {
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            stop.cancel();
        });
        // Open for both, as its own other end; what is not there yet is waited for all the same.
        let both =
            other_end.then(|| std::fs::File::options().read(true).write(true).open(&path).unwrap());
        let opened = ArchiveFile::open(&path, &ReadOptions::default(), &cancel);
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Cancelled);
        stopper.join().unwrap();
        drop(both);
    }
}
