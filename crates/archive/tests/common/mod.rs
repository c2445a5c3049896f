//! Tars as no honest tool writes them.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::path::Path;
use std::sync::Arc;

use transship_archive::{ArchiveFile, TarIndex};
use transship_core::{Cancel, ErrorKind, FileRange, ReadOptions, Result};

/// A tar in the making.
#[derive(Clone, Default)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn file(self, name: &str, payload: &[u8]) -> Self {
        self.entry(b'0', name, "", payload)
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, b"")
    }

    pub fn hard(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, b"")
    }

    pub fn pax(self, records: &str) -> Self {
        self.entry(b'x', "pax", "", records.as_bytes())
    }

    pub fn entry(self, kind: u8, name: &str, link: &str, payload: &[u8]) -> Self {
        let size = format!("{:011o}\0", payload.len());
        self.header(kind, name, link, size.as_bytes(), |_| {}).payload(payload)
    }

    /// A header that is changed before its checksum is made.
    pub fn header(
        mut self,
        kind: u8,
        name: &str,
        link: &str,
        size: &[u8],
        change: impl FnOnce(&mut [u8; 512]),
    ) -> Self {
        let mut block = [0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..124 + size.len()].copy_from_slice(size);
        block[136..148].copy_from_slice(b"00000000000\0");
        block[156] = kind;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        change(&mut block);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(block);
        self
    }

    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.0.extend(payload);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn end(mut self) -> Self {
        self.0.extend([0; 1024]);
        self
    }

    pub fn index(&self) -> Result<TarIndex> {
        index_of(&self.0)
    }

    /// The kind of error that reading it gives, after a check that the error says something of the reason.
    pub fn refused(&self, says: &str) -> ErrorKind {
        let error = self.index().expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
        error.kind()
    }
}

/// The index of bytes, without a look at whether they are a tar.
pub fn index_of(bytes: &[u8]) -> Result<TarIndex> {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    let range = FileRange::new(Arc::new(file), Path::new("t.tar"), 0, bytes.len() as u64);
    TarIndex::of(&range, &Cancel::new())
}

pub fn open(bytes: &[u8]) -> Result<ArchiveFile> {
    ArchiveFile::spool(bytes, Path::new("t.tar"), &ReadOptions::default(), &Cancel::new())
}

pub fn text(index: &TarIndex, name: &str) -> Result<String> {
    index.document(name, 1 << 20, "document").map(|b| String::from_utf8_lossy(&b).into_owned())
}
