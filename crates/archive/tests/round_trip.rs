//! What is written is what is read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use transship_archive::{ArchiveFile, Decision, EntryKind, TarIndex, TarWriter};
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
    Ok(writer.put_stream(chunks, |_| Ok(Decision::Keep(name.to_owned())))?.is_some())
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
    for size in [0, 1, 511, 512, 513, 300 << 10, (1 << 20) + 5, (17 << 20) - 1] {
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
fn a_stream_may_have_a_long_name() {
    let long = "n".repeat(200);
    let tar = |put_it: &dyn Fn(&mut TarWriter)| {
        let (file, mut writer) = writer();
        put_it(&mut writer);
        writer.finish().unwrap();
        bytes_of(&file)
    };
    let whole = tar(&|writer| writer.put_bytes(&long, b"1").unwrap());
    let streamed = tar(&|writer| {
        let chunks = || Body::from_bytes("1").chunks(&Cancel::new()).unwrap();
        // The name is known too late for another header.
        let late = writer.put_stream(chunks(), |_| Ok(Decision::Keep(long.clone())));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(writer.put_stream_as(&long, chunks()).unwrap().offset, 3 * 512);
        let wrong = transship_core::Expect::digest(sha256(b"other"));
        let body = Body::from_bytes("1").expecting(&wrong).unwrap();
        assert!(writer.put_stream_as(&long, body.chunks(&Cancel::new()).unwrap()).is_err());
    });
    assert!(whole == streamed);
    assert_eq!(index_of(&whole).1.document(&long, 1, "x").unwrap(), "1");
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
        Ok(Decision::Rewind)
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
}

#[test]
fn headers_say_nothing_of_who_and_when() {
    let (file, mut writer) = writer();
    writer.put_bytes("file", b"1").unwrap();
    writer.put_folder("folder/").unwrap();
    writer.put_symlink("link", "file").unwrap();
    assert!(put(&mut writer, "stream", Body::from_bytes(vec![1; 2 << 20])).unwrap());
    writer.put_bytes(&"n".repeat(200), b"1").unwrap();
    writer.finish().unwrap();
    let bytes = bytes_of(&file);
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut modes = Vec::new();
    for entry in archive.entries().unwrap().raw(true) {
        let entry = entry.unwrap();
        let header = entry.header().as_ustar().unwrap();
        assert_eq!((header.username_bytes(), header.groupname_bytes()), (&b""[..], &b""[..]));
        let header = entry.header();
        assert_eq!(
            (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
            (0, 0, 0)
        );
        modes.push((header.entry_type().as_byte(), header.mode().unwrap()));
    }
    let expected =
        [(b'0', 0o444), (b'5', 0o755), (b'2', 0o777), (b'0', 0o444), (b'x', 0o444), (b'0', 0o444)];
    assert_eq!(modes, expected);
    assert_eq!(bytes[bytes.len() - 1024..], [0; 1024]);
}

#[test]
fn what_was_put_can_be_read_before_the_end() {
    let (_file, mut writer) = writer();
    writer.put_bytes("a", b"1").unwrap();
    for data in [vec![b'x'; 100], vec![b'y'; 3 << 20]] {
        let chunks = Body::from_bytes(data.clone()).chunks(&Cancel::new()).unwrap();
        let name = format!("f{}", data.len());
        let put = writer.put_stream(chunks, |_| Ok(Decision::Keep(name))).unwrap().unwrap();
        let range = writer.range(put.offset, put.stored.size).unwrap().unwrap();
        let mut read = vec![0; data.len()];
        assert_eq!(range.read_at(0, &mut read).unwrap(), data.len());
        assert!(read == data);
    }
}

#[test]
fn rewinding_goes_back_to_any_entry() {
    let (file, mut writer) = writer();
    writer.put_bytes("a", b"1").unwrap();
    let at = writer.position();
    writer.put_bytes("b", &vec![2; 3 << 20]).unwrap();
    writer.put_bytes("c", b"3").unwrap();
    writer.rewind(at);
    assert_eq!(writer.position(), at);
    writer.put_bytes("d", b"4").unwrap();
    let here = writer.position();
    writer.put_bytes("e", b"5").unwrap();
    writer.rewind(here);
    writer.finish().unwrap();
    let (_archive, index) = index_of(&bytes_of(&file));
    assert_eq!(index.names().collect::<Vec<_>>(), ["a", "d"]);
    assert_eq!(file.metadata().unwrap().len(), here + 1024);
}

#[test]
fn a_long_name_that_is_known_beforehand() {
    let (file, mut writer) = writer();
    let name = format!("blobs/sha512/{}", "0".repeat(128));
    let chunks = |body: Body| body.chunks(&Cancel::new()).unwrap();
    let torn = std::io::Read::take(std::io::repeat(1), 9);
    let torn = Body::from_reader(torn).expecting(&transship_core::Expect::anything().with_size(10));
    writer.put_stream_as(&name, chunks(torn.unwrap())).unwrap_err();
    assert_eq!(writer.position(), 0);
    let put = writer.put_stream_as(&name, chunks(Body::from_bytes("content"))).unwrap();
    assert_eq!(put.stored.size, 7);
    let range = writer.range(put.offset, 7).unwrap().unwrap();
    let mut bytes = [0; 7];
    range.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"content");
    writer.finish().unwrap();
    let (_archive, index) = index_of(&bytes_of(&file));
    assert_eq!(index.document(&name, 7, "blob").unwrap(), "content");
}
