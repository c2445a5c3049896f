//! Archives that real tools wrote, and what other readers see in them and in ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::io::Read;
use std::path::{Path, PathBuf};

use common::Raw;
use transship_archive::{ArchiveFile, EntryKind, TarIndex, TarWriter};
use transship_core::{Cancel, ReadOptions};

fn goldens() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/goldens");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "tar")).collect()
}

/// What the tar crate sees without our gate: cleaned names, and the content of files.
fn as_the_tar_crate_sees_it(path: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let mut all = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().into_owned();
        let name: Vec<_> = name
            .components()
            .filter(|c| !matches!(c, std::path::Component::CurDir))
            .map(|c| c.as_os_str().to_str().unwrap().to_owned())
            .collect();
        let is_file = entry.header().entry_type().is_file();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        all.push((name.join("/"), is_file.then_some(bytes)));
    }
    all.retain(|(name, _)| !name.is_empty());
    all
}

fn as_we_see_it(path: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let archive = ArchiveFile::open(path, &ReadOptions::default(), &Cancel::new()).unwrap();
    let index = TarIndex::read(&archive, &Cancel::new()).unwrap();
    let see = |entry: &transship_archive::Entry| {
        let file = matches!(entry.kind, EntryKind::File { .. });
        let bytes = file.then(|| index.document(&entry.name, 1 << 30, "file").unwrap().to_vec());
        (entry.name.to_string(), bytes)
    };
    index.entries().iter().map(see).collect()
}

/// The names as the system's tar lists them.
fn as_the_system_lists_it(path: &Path) -> Vec<String> {
    let out = std::process::Command::new("tar").arg("-tf").arg(path).output().unwrap();
    assert!(out.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&out.stderr));
    let names = String::from_utf8(out.stdout).unwrap();
    let clean = |name: &str| name.trim_start_matches("./").trim_end_matches('/').to_owned();
    names.lines().map(clean).filter(|name| !name.is_empty()).collect()
}

#[test]
fn all_readers_see_the_same_in_what_real_tools_wrote() {
    let goldens = goldens();
    assert!(goldens.len() >= 10, "{goldens:?}");
    for path in goldens {
        let seen = as_we_see_it(&path);
        assert!(!seen.is_empty());
        assert!(seen == as_the_tar_crate_sees_it(&path), "{path:?}");
        let names: Vec<_> = seen.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, as_the_system_lists_it(&path), "{path:?}");
    }
}

#[test]
fn all_readers_see_the_same_in_what_we_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path);
    let mut writer = TarWriter::to_file(file.unwrap().into(), path.as_path());
    writer.put_folder("folder").unwrap();
    writer.put_bytes("folder/file", &[7; 1000]).unwrap();
    writer.put_bytes(&format!("{}/{}", "d".repeat(155), "f".repeat(100)), b"1").unwrap();
    writer.put_bytes(&"n".repeat(101), b"2").unwrap();
    writer.put_bytes(&"\u{fc}".repeat(51), b"3").unwrap();
    writer.put_symlink("link", "folder/file").unwrap();
    writer.put_symlink("far", &"x/".repeat(60)).unwrap();
    writer.finish().unwrap();
    let seen = as_we_see_it(&path);
    assert_eq!(seen.len(), 7);
    assert!(seen == as_the_tar_crate_sees_it(&path));
    let listed = as_the_system_lists_it(&path);
    // It escapes what is not ASCII.
    assert_eq!(listed.len(), 7);
    let ascii = |name: &&String| name.is_ascii() && !name.contains('\\');
    let names: Vec<_> = seen.iter().map(|(name, _)| name).filter(ascii).collect();
    assert_eq!(names, listed.iter().filter(ascii).collect::<Vec<_>>());
}

#[test]
fn what_others_disagree_on_is_refused() {
    // The tar crate skips a link's payload, others read it as a header.
    let inner = Raw::new().file("manifest.json", b"evil").0;
    let tar = Raw::new().entry(b'2', "link", "to", &inner).file("manifest.json", b"good").end();
    let mut seen = tar::Archive::new(&tar.0[..]);
    assert_eq!(seen.entries().unwrap().count(), 2);
    tar.refused("some read them as headers");
    // It takes the first of two PAX names, others the last.
    let tar = Raw::new().pax("10 path=x\n10 path=y\n").file("a", b"1").end();
    let mut seen = tar::Archive::new(&tar.0[..]);
    let name = seen.entries().unwrap().next().unwrap().unwrap().path().unwrap().into_owned();
    assert_eq!(name, Path::new("x"));
    tar.refused("some readers take the first");
    // It passes over malformed PAX records.
    let tar = Raw::new().pax("99 path=x\n").file("a", b"1").end();
    let mut seen = tar::Archive::new(&tar.0[..]);
    let name = seen.entries().unwrap().next().unwrap().unwrap().path().unwrap().into_owned();
    assert_eq!(name, Path::new("a"));
    tar.refused("malformed PAX record");
}

#[test]
fn entries_beyond_8_gib() {
    // A hole, as the writer would have left it after a stream.
    let size = (8_u64 << 30) + 5;
    let file = tempfile::tempfile().unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("big").unwrap();
    header.set_size(size);
    header.set_cksum();
    std::os::unix::fs::FileExt::write_all_at(&file, header.as_bytes(), 0).unwrap();
    let end = 512 + size.next_multiple_of(512);
    let tail = Raw::new().file("a", b"1").end().0;
    std::os::unix::fs::FileExt::write_all_at(&file, &tail, end).unwrap();
    let range = transship_core::FileRange::whole(file, Path::new("big.tar")).unwrap();
    let index = TarIndex::of(&range, &Cancel::new()).unwrap();
    assert_eq!(index.get("big").unwrap().len(), size);
    assert_eq!(common::text(&index, "a").unwrap(), "1");
}
