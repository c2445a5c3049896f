//! [`Store`]: where images are. Here: all images of a place in one file.
//!
//! The file is [`MAGIC`], the bytes of blobs and manifests, a [`Table`] of them as JSON with its digest in front, and 8 bytes
//! with the length of both.

#![allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "what a place offers, whether or not this one needs it")]

// Decide: the format is yours to replace. What this file promises to the others is what a place has to offer: a change shows
// all at once or not at all, and who opened an archive before the change reads what it was, or an error.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use transship_core::{
    Body, Cancel, Candidate, Digest, Error, ErrorKind, FileRange, Identity, Result, Stored, WriteMode, sha256,
};
use transship_local::{
    StagedFile, change_file, copy_range, folder_of, open_regular, parse_json, spool_file,
    write_all_at, write_body,
};

use crate::images::{Blobs, Change, Images, missing};
use crate::writing::Place;

/// How the file begins.
const MAGIC: &[u8] = b"scaffold: images, 1\n";

/// More than a table should have. Tests go beyond it.
const LIMIT: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// The length of the digest of a table: `sha256:` and 64 digits.
const DIGEST: usize = 71;

/// The length of what stands at the end.
const END: u64 = 8;

/// Where archives are: all that is known is in their files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store;

/// What is in a file.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    pub(crate) images: Images,
    blobs: Blobs,
}

/// What is where in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    images: Images,
    /// Offset and length of each.
    blobs: Vec<(Digest, u64, u64)>,
}

/// Where bytes wait that do not show yet: in files without names, beside the one that they are for.
#[derive(Debug)]
pub(crate) struct Room(Arc<Path>);

/// The bytes of a blob or manifest, wherever they are.
// Decide: for what is in no file, a type of your own that has `len` and `bytes`.
pub(crate) type Blob = FileRange;

/// They as a body.
// Decide: `Body::from_reader` and `Body::from_fn` are for what is in no file.
pub(crate) fn body(blob: Blob) -> Body {
    Body::from_file(blob)
}

impl Store {
    /// What is at a place.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`.
    pub(crate) fn open(&self, path: &Path, _: &Cancel) -> Result<Archive> {
        Archive::read(&FileRange::whole(open_regular(path)?, path)?)
    }

    /// What is at a place, if anything is.
    pub(crate) fn find(&self, path: &Path, cancel: &Cancel) -> Result<Option<Archive>> {
        match self.open(path, cancel) {
            Ok(archive) => Ok(Some(archive)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether a path is a place of ours.
    pub(crate) fn recognizes(&self, found: &Candidate, _: &Cancel) -> Result<bool> {
        Ok(found.head().starts_with(MAGIC))
    }

    /// What policies on trust call the images of a place.
    pub(crate) fn identity(&self, path: &Path) -> Identity {
        Identity::of_path(path)
    }
}

impl Archive {
    /// The bytes of a blob or manifest. They are of the file that was opened, whatever is at its path now.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        Ok(self.blobs.get(digest).cloned())
    }

    /// Why a part of an image is not there.
    pub(crate) fn lost(&self, digest: &Digest) -> Error {
        missing(digest)
    }

    fn read(file: &FileRange) -> Result<Self> {
        let bad = |why: &str| {
            let message = format!("{} is damaged: {why}", file.path().display());
            Error::new(ErrorKind::Corrupt, message)
        };
        let begins = file.part(0, MAGIC.len() as u64).bytes(LIMIT, "the beginning")?;
        if begins != MAGIC {
            return Err(bad("it is no file of images, or its beginning has changed"));
        }
        let end = file.len().saturating_sub(END);
        let length: Option<[u8; 8]> = file.part(end, END).bytes(END, "the end")?[..].try_into().ok();
        let length = u64::from_le_bytes(length.ok_or_else(|| bad("it has no end"))?);
        let begins = end.checked_sub(length).ok_or_else(|| bad("it is cut off"))?;
        let table = file.part(begins, length).bytes(LIMIT, "the table of images")?;
        let table = unseal(&table).ok_or_else(|| bad("its table has changed"))?;
        let table: Table = parse_json(table, "the table of images")?;
        let mut blobs = Blobs::new();
        for (digest, at, len) in table.blobs {
            if at.checked_add(len).is_none_or(|end| end > begins) {
                return Err(bad("its table says that a blob is behind its end"));
            }
            blobs.insert(digest, file.part(at, len));
        }
        Ok(Self { images: table.images, blobs })
    }
}

impl Room {
    pub(crate) fn new(path: &Path, _: &Cancel) -> Result<Self> {
        // Where no file can be, that is said before anything is copied.
        let file = StagedFile::beside(path)?;
        Ok(Self(folder_of(file.target()).into()))
    }

    /// Takes all bytes of a body.
    pub(crate) fn keep(&self, body: Body, cancel: &Cancel) -> Result<(Stored, Blob)> {
        let file = spool_file(&self.0)?;
        let stored = write_body(body, &file, &self.0, cancel)?;
        Ok((stored, FileRange::whole(file, Arc::clone(&self.0))?))
    }
}

impl Place {
    /// Changes what is there, all at once or not at all: the file is written anew, without what no image uses any more.
    // Decide: whether something is worth its effort that writes less. Then `change` has to be more than a new file.
    pub(crate) fn change(
        &self,
        new: &Blobs,
        cancel: &Cancel,
        change: &mut Change<'_>,
    ) -> Result<()> {
        change_file(&self.path, &self.wait, cancel, &mut |before| {
            // What is replaced may be anything.
            let there = before.file().filter(|_| self.mode != WriteMode::Replace);
            let base = self.base(there.map(Archive::read).transpose()?)?;
            let Archive { mut images, blobs } = base;
            let find = |digest: &Digest| new.get(digest).or(blobs.get(digest));
            change(&mut images, &|digest| find(digest).is_some())?;
            let file = StagedFile::beside(&self.path)?;
            write(&file, images, &find, cancel)?;
            Ok(Some(file))
        })
    }
}

/// Writes a file of images.
fn write<'b>(
    file: &StagedFile,
    images: Images,
    find: &dyn Fn(&Digest) -> Option<&'b Blob>,
    cancel: &Cancel,
) -> Result<()> {
    let put = |bytes: &[u8], at: u64| {
        write_all_at(file.file(), bytes, at).map_err(|e| Error::io("writing", file.path(), e))
    };
    put(MAGIC, 0)?;
    let (mut at, mut blobs) = (MAGIC.len() as u64, Vec::new());
    for digest in images.parts() {
        let Some(bytes) = find(digest) else { continue };
        copy_range(bytes, file.file(), file.path(), at, cancel)?;
        blobs.push((digest.clone(), at, bytes.len()));
        at += bytes.len();
    }
    let table = seal(&Table { images, blobs })?;
    put(&table, at)?;
    put(&(table.len() as u64).to_le_bytes(), at + table.len() as u64)
}

/// What a table is kept as, with a digest of its own in front: a bit that flips in it is seen.
fn seal(table: &Table) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(table).map_err(|e| {
        Error::new(ErrorKind::Unexpected, "the table of images cannot be written").caused_by(e)
    })?;
    let sealed = [sha256(&json).as_ref().as_bytes(), &json].concat();
    if sealed.len() as u64 > LIMIT {
        let message = format!("the table of images would have more than {LIMIT} bytes");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    Ok(sealed)
}

/// The JSON, if it is what was sealed.
fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (digest, json) = sealed.split_at_checked(DIGEST)?;
    (sha256(json).as_ref().as_bytes() == digest).then_some(json)
}

#[cfg(test)]
mod damage;
