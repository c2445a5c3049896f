//! What is written is what is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::Write;
use std::sync::Arc;

use transship_archive::{ArchiveFile, EntryKind, Fate, TarIndex, TarWriter};
use transship_core::{Body, Cancel, Error, ErrorKind, ReadOptions, sha256};

fn writer() -> (Arc<std::fs::File>, TarWriter) {
    let file = Arc::new(tempfile::tempfile().unwrap());
    (Arc::clone(&file), TarWriter::to_file(file, std::path::Path::new("t.tar")))
}

fn bytes_of(file: &std::fs::File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0).unwrap();
    bytes
}

fn index_of(bytes: &[u8]) -> (ArchiveFile, TarIndex) {
    let path = std::path::Path::new("t.tar");
    let how = ReadOptions::default();
    let archive = ArchiveFile::spool(bytes, path, &how, &Cancel::new()).unwrap();
    let index = TarIndex::read(&archive, &Cancel::new()).unwrap();
    (archive, index)
}

fn put(writer: &mut TarWriter, name: &str, body: Body) -> Result<bool, Error> {
    let chunks = body.chunks(&Cancel::new())?;
    Ok(writer.put_stream(chunks, |_| Ok(Fate::Keep(name.to_owned())))?.is_some())
}

#[test]
fn all_kinds_of_entries() {
    let (file, mut writer) = writer();
    let big = vec![7; 3 << 20];
    put(&mut writer, "big", Body::from_bytes(big.clone())).unwrap();
    writer.put_folder("a").unwrap();
    writer.put_bytes("a/VERSION", b"1.0").unwrap();
    writer.put_symlink("a/layer.tar", "../big").unwrap();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let longer = "x".repeat(180);
    writer.put_bytes(&long, b"prefix").unwrap();
    writer.put_bytes(&longer, b"pax").unwrap();
    writer.put_symlink("l", &longer).unwrap();
    writer.finish().unwrap();
    let (_archive, index) = index_of(&bytes_of(&file));
    let names = ["big", "a", "a/VERSION", "a/layer.tar", &long, &longer, "l"];
    assert_eq!(index.names().collect::<Vec<_>>(), names);
    assert_eq!(index.document("a/layer.tar", 4 << 20, "layer").unwrap(), big);
    assert_eq!(index.document("./a//VERSION", 3, "version").unwrap(), "1.0");
    assert_eq!(index.document(&long, 10, "x").unwrap(), "prefix");
    assert_eq!(index.document("l", 10, "x").unwrap(), "pax");
    assert_eq!(index.entries()[1].kind, EntryKind::Folder);
    assert_eq!(index.document("big", 3, "layer").unwrap_err().kind(), ErrorKind::LimitExceeded);
    assert_eq!(index.get("none").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_size_that_was_not_known_changes_no_byte() {
    for size in [0, 1, 511, 512, 513, 300 << 10, (1 << 20) + 5] {
        let data = vec![b'x'; size];
        let tar = |put_it: &dyn Fn(&mut TarWriter)| {
            let (file, mut writer) = writer();
            writer.put_bytes("before", b"1").unwrap();
            put_it(&mut writer);
            writer.put_bytes("after", b"2").unwrap();
            writer.finish().unwrap();
            bytes_of(&file)
        };
        let known = tar(&|writer| writer.put_bytes("it", &data).unwrap());
        let reader = data.clone();
        let unknown = tar(&|writer| {
            let body = Body::from_reader(std::io::Cursor::new(reader.clone()));
            assert!(put(writer, "it", body).unwrap());
        });
        assert!(known == unknown, "{size}");
    }
}

#[test]
fn what_fails_or_is_there_already_leaves_nothing() {
    let plain = {
        let (file, mut writer) = writer();
        writer.put_bytes("a", b"1").unwrap();
        writer.finish().unwrap();
        bytes_of(&file)
    };
    let (file, mut writer) = writer();
    writer.put_bytes("a", b"1").unwrap();
    let big = vec![9; 5 << 20];
    let chunks = Body::from_bytes(big.clone()).chunks(&Cancel::new()).unwrap();
    let put_it = writer.put_stream(chunks, |stored| {
        assert_eq!(stored.digest, sha256(&big));
        Ok(Fate::Rewind)
    });
    assert_eq!(put_it.unwrap(), None);
    let wrong = transship_core::Expect::digest(sha256(b"other"));
    let body = Body::from_bytes(big).expecting(&wrong).unwrap();
    assert_eq!(put(&mut writer, "b", body).unwrap_err().kind(), ErrorKind::Corrupt);
    for bad in ["", "/a", "a/../b", "a\0b"] {
        assert_eq!(writer.put_bytes(bad, b"").unwrap_err().kind(), ErrorKind::Unsupported);
    }
    writer.finish().unwrap();
    assert!(bytes_of(&file) == plain);
    std::io::stdout().flush().unwrap();
}
