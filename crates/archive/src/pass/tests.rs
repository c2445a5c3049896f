//! A tar that passes is the tar that lies there, for good and for bad.

use std::collections::HashMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use tar::{EntryType, Header};
use transship_compression::Compression;
use transship_core::{
    Cancel, Error, ErrorKind, FileRange, ReadOptions, Result, Staged, Stored, sha256,
};

use super::input::Forward;
use super::passing::Passing;
use crate::compression::Growth;
use crate::{ArchiveFile, EntryKind, TarIndex};

const NAME: &str = "the pipe";

/// How often a stage gives up in the middle.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Whole,
    Half,
    No,
}

fn put(tar: &mut Vec<u8>, kind: EntryType, name: &str, link: &str, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_path(name).unwrap();
    if !link.is_empty() {
        header.set_link_name(link).unwrap();
    }
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn file(tar: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    put(tar, EntryType::Regular, name, "", bytes);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn noise(len: u32) -> Vec<u8> {
    (0..len).flat_map(|n| sha256(&n.to_le_bytes()).as_ref().as_bytes()[7..].to_vec()).collect()
}

fn sample() -> Vec<u8> {
    let mut tar = Vec::new();
    put(&mut tar, EntryType::Directory, "blobs/", "", b"");
    file(&mut tar, "a.tar", &noise(40));
    file(&mut tar, "b.tar.gz", &gzip(&noise(60)));
    put(&mut tar, EntryType::Symlink, "id/layer.tar", "../a.tar", b"");
    put(&mut tar, EntryType::Link, "hard.tar", "b.tar.gz", b"");
    file(&mut tar, "./a.tar", &noise(40));
    file(&mut tar, "id/VERSION", b"1.0");
    file(&mut tar, "manifest.json", format!("[{}]", " ".repeat(3000)).as_bytes());
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn at_random(bytes: &[u8]) -> Result<TarIndex> {
    let cancel = Cancel::new();
    let how = ReadOptions::default();
    let file = ArchiveFile::spool(Cursor::new(bytes.to_vec()), Path::new(NAME), &how, &cancel)?;
    TarIndex::read(&file, &cancel)
}

fn passing(input: impl Read + Send + 'static, growth: Growth, stage: Stage) -> Result<TarIndex> {
    let (cancel, path) = (Cancel::new(), Path::new(NAME));
    let input = Forward::new(input, path, growth, &cancel)?;
    let mut passing = Passing::of(input, path, &ReadOptions::default(), &cancel);
    while let Some(body) = passing.next(stage != Stage::No)? {
        let mut chunks = body.chunks(&cancel)?;
        let mut bytes = Vec::new();
        if stage == Stage::Whole {
            chunks.read_to_end(&mut bytes).map_err(|e| Error::io("staging", NAME, e))?;
        } else {
            // A stage that claims to have read what it has not.
            bytes = noise(40);
        }
        let stored = Stored::new(sha256(&bytes), bytes.len() as u64);
        passing.staged(Staged::new(stored, FileRange::in_memory(bytes, path)))?;
    }
    passing.finish()
}

fn in_one_pass(bytes: &[u8], stage: Stage) -> Result<TarIndex> {
    passing(Cursor::new(bytes.to_vec()), Growth::default(), stage)
}

fn content(index: &TarIndex) -> HashMap<String, Result<Vec<u8>, ErrorKind>> {
    let read = |name: &str| {
        let range = index.get(name).map_err(|e| e.kind())?;
        let mut bytes = Vec::new();
        range.reader().read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    };
    index.names().map(|name| (name.to_owned(), read(name))).collect()
}

#[test]
fn it_is_the_same_archive() {
    let tar = sample();
    let lies = at_random(&tar).unwrap();
    for stage in [Stage::Whole, Stage::No] {
        for bytes in [tar.clone(), gzip(&tar), zstd::encode_all(&tar[..], 1).unwrap()] {
            let passed = in_one_pass(&bytes, stage).unwrap();
            assert_eq!(passed.entries(), lies.entries());
            assert_eq!(passed.end(), lies.end());
            assert_eq!(content(&passed), content(&lies));
        }
    }
}

#[test]
fn wherever_it_is_cut_off_both_say_the_same() {
    let tar = sample();
    for len in (0..=tar.len()).step_by(128).chain([1, 511, 513]) {
        let cut = &tar[..len];
        let lies = at_random(cut).map(|index| content(&index)).map_err(|e| e.kind());
        for stage in [Stage::Whole, Stage::No] {
            let passed = in_one_pass(cut, stage);
            if let Err(error) = &passed
                && len > 512
            {
                assert!(error.to_string().contains(&format!("{len} bytes have come")), "{error}");
            }
            let passed = passed.map(|index| content(&index)).map_err(|e| e.kind());
            assert_eq!(passed, lies, "{len}");
        }
    }
    for len in [1, 10, 100, 1000] {
        let whole = gzip(&tar);
        let error = in_one_pass(&whole[..whole.len() - len], Stage::Whole).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}");
    }
}

#[test]
fn what_readers_take_differently_is_refused() {
    let mut other = Vec::new();
    file(&mut other, "a", &noise(20));
    file(&mut other, "b", b"{}");
    let duplicate = |name: &str, bytes: &[u8]| {
        let mut tar = other.clone();
        file(&mut tar, name, bytes);
        tar
    };
    let mut below = other.clone();
    file(&mut below, "a/x", b"");
    let mut outside = other.clone();
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..4].copy_from_slice(b"../x");
    header.set_size(0);
    header.set_cksum();
    outside.extend_from_slice(header.as_bytes());
    let mut again = other.clone();
    again.resize(again.len() + 1024, 0);
    again.extend_from_slice(&other);
    let mut torn = other.clone();
    torn[200] ^= 1;
    for tar in [
        duplicate("./a", &noise(21)),
        duplicate("a", &noise(20)[1..]),
        duplicate("b", b"[]"),
        below,
        outside,
        again,
        torn,
    ] {
        assert_eq!(at_random(&tar).unwrap_err().kind(), ErrorKind::Corrupt);
        for stage in [Stage::Whole, Stage::No] {
            assert_eq!(in_one_pass(&tar, stage).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
    assert!(in_one_pass(&duplicate("./a", &noise(20)), Stage::Whole).is_ok());
}

#[test]
fn links_that_lead_outside_are_refused_when_they_are_followed() {
    let mut tar = Vec::new();
    put(&mut tar, EntryType::Symlink, "out", "../../etc/passwd", b"");
    put(&mut tar, EntryType::Symlink, "round", "round", b"");
    let index = in_one_pass(&tar, Stage::Whole).unwrap();
    for name in ["out", "round"] {
        assert_eq!(index.get(name).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn an_endless_stream_ends() {
    struct Counted(u64);
    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 256 << 20, "it reads on and on");
            buffer.fill(0);
            Ok(buffer.len())
        }
    }
    let index = passing(Counted(0), Growth::default(), Stage::Whole).unwrap();
    assert_eq!(index.entries().len(), 0);
}

#[test]
fn growth_is_limited() {
    let mut tar = Vec::new();
    file(&mut tar, "zeros", &vec![0; 8 << 20]);
    let growth = Growth { free: 1 << 20, ratio: 2 };
    for (compression, bytes) in [
        (Compression::Gzip, gzip(&tar)),
        (Compression::Zstd, zstd::encode_all(&tar[..], 1).unwrap()),
    ] {
        for stage in [Stage::Whole, Stage::No] {
            let error = passing(Cursor::new(bytes.clone()), growth, stage).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{compression:?}");
        }
    }
    assert!(passing(Cursor::new(tar), growth, Stage::Whole).is_ok());
}

#[test]
fn what_is_compressed_is_known_plain() {
    let mut tar = Vec::new();
    let plain = noise(100);
    file(&mut tar, "gzip", &gzip(&plain));
    file(&mut tar, "zstd", &zstd::encode_all(&plain[..], 1).unwrap());
    file(&mut tar, "torn", &gzip(&plain)[..2000]);
    file(&mut tar, "plain", &plain);
    let index = in_one_pass(&tar, Stage::Whole).unwrap();
    let known = |name: &str| index.known(name).unwrap().plain.clone();
    assert_eq!(known("gzip"), Some(sha256(&plain)));
    assert_eq!(known("zstd"), Some(sha256(&plain)));
    assert_eq!((known("torn"), known("plain")), (None, None));
    assert_eq!(index.known("plain").unwrap().stored.digest, sha256(&plain));
    assert!(at_random(&tar).unwrap().known("plain").is_none());
}

#[test]
fn what_was_not_read_is_not_taken_for_staged() {
    let error = in_one_pass(&sample(), Stage::Half).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
}

#[test]
fn each_content_is_kept_once() {
    let mut tar = Vec::new();
    for name in ["a", "b", "c"] {
        file(&mut tar, name, &noise(20));
    }
    let index = in_one_pass(&tar, Stage::No).unwrap();
    let places: Vec<_> = ["a", "b", "c"].map(|name| index.get(name).unwrap().offset()).into();
    assert_eq!(places, [0, 0, 0]);
    assert!(index.entries().iter().all(|e| matches!(e.kind, EntryKind::File { .. })));
}
