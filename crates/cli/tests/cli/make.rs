//! Archives for tests, good ones and wrong ones.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// An entry of a tar, of a kind that `docker save` writes.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) content: Content,
}

#[derive(Clone)]
pub(crate) enum Content {
    File(Vec<u8>),
    Folder,
    Symlink(String),
    Hardlink(String),
}

/// Plain files.
pub(crate) fn files<const N: usize>(files: [(&str, &str); N]) -> Vec<Member> {
    files.map(|(name, text)| file(name, text)).into()
}

pub(crate) fn file(name: &str, content: impl Into<Vec<u8>>) -> Member {
    Member { name: name.to_owned(), content: Content::File(content.into()) }
}

/// The members of a tar.
pub(crate) fn members(path: &Path) -> Vec<Member> {
    let mut archive = tar::Archive::new(File::open(path).unwrap());
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let kind = entry.header().entry_type();
            let link = || entry.link_name().unwrap().unwrap().to_str().unwrap().to_owned();
            let content = if kind.is_dir() {
                Content::Folder
            } else if kind.is_symlink() {
                Content::Symlink(link())
            } else {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                Content::File(bytes)
            };
            Member { name, content }
        })
        .collect()
}

/// Writes a tar. Names are written as they are, `../x` too.
pub(crate) fn tar(path: &Path, members: &[Member]) {
    let mut builder = tar::Builder::new(File::create(path).unwrap());
    for Member { name, content } in members {
        let mut header = tar::Header::new_ustar();
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        let (kind, bytes, link): (_, &[u8], _) = match content {
            Content::File(bytes) => (tar::EntryType::Regular, bytes, None),
            Content::Folder => (tar::EntryType::Directory, &[], None),
            Content::Symlink(to) => (tar::EntryType::Symlink, &[], Some(to)),
            Content::Hardlink(to) => (tar::EntryType::Link, &[], Some(to)),
        };
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        if let Some(link) = link {
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }
    builder.finish().unwrap();
}

/// A changed copy of `hello.tar`.
pub(crate) fn changed(hello: &Path, to: &Path, change: impl FnOnce(&mut Vec<Member>)) {
    let mut all = members(hello);
    change(&mut all);
    tar(to, &all);
}

/// Changes the text of one member.
pub(crate) fn edit(members: &mut [Member], name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let found = members.iter_mut().find(|member| member.name == name).unwrap();
    match &mut found.content {
        Content::File(bytes) => edit(bytes),
        _ => panic!("{name} is no file"),
    }
}

/// Replaces one text by another of any length.
pub(crate) fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(bytes)).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    *bytes = text.replace(from, to).into();
}

/// A golden archive that a real tool wrote.
pub(crate) fn golden(name: &str, to: &Path) {
    let goldens = concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/goldens");
    fs::copy(Path::new(goldens).join(name), to).unwrap();
}

/// Compresses a file with a tool that every system has.
pub(crate) fn packed(tool: &str, from: &Path, to: &Path) {
    let status = Command::new(tool)
        .stdin(Stdio::from(File::open(from).unwrap()))
        .stdout(Stdio::from(File::create(to).unwrap()))
        .status()
        .unwrap();
    assert!(status.success(), "{tool}");
}
