//! [`Store`]: where images are. Here: the images of a place in one folder, with a file for each blob.
//!
//! `scaffold.list` lists the images: [`MAGIC`], the digest of the list, and the list as JSON. `blobs/sha256-HEX` are configs,
//! layers and manifests.

#![allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "what a place offers, whether or not this one needs it")]

// Decide: what is where is yours to replace. What this file promises to the others is what a place has to offer: a change
// shows all at once or not at all, and who opened an archive before the change reads what it was, or an error.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use transship_core::{
    Body, Cancel, Candidate, Digest, Error, ErrorKind, FileRange, Identity, Result, Stored, WriteMode, sha256,
};
use transship_local::{
    Folder, Lock, Publish, StagedFile, StagedFolder, make_folder, open_regular, parse_json,
    read_document, sync_folder, write_all_at, write_body,
};

use crate::images::{Blobs, Change, Images, gone, missing};
use crate::writing::Place;

/// The list of images.
const LIST: &str = "scaffold.list";

/// How it begins.
const MAGIC: &[u8] = b"scaffold: images, 1\n";

/// The length of its digest: `sha256:` and 64 digits.
const DIGEST: usize = 71;

/// The folder of blobs.
const BLOBS: &str = "blobs";

/// More than the list should have. Tests go beyond it.
const LIMIT: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// Where archives are: all that is known is in their folders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store;

/// What is in a folder.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    pub(crate) images: Images,
    /// Where it is; `None` of one that is not there yet.
    path: Option<PathBuf>,
}

/// Where bytes wait that do not show yet: in a folder of their own, near the one that they are for.
#[derive(Debug)]
pub(crate) struct Room(StagedFolder);

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
        let list = read_document(&path.join(LIST), LIMIT, "the list of images")?;
        let list = unseal(&list).ok_or_else(|| {
            let message = format!("{}: the list of images has changed", path.display());
            Error::new(ErrorKind::Corrupt, message)
        })?;
        let images = parse_json(list, "the list of images")?;
        Ok(Archive { images, path: Some(path.to_owned()) })
    }

    /// What is at a place, if anything is.
    ///
    /// # Errors
    /// `Unsupported` for a folder of something else.
    pub(crate) fn find(&self, path: &Path, cancel: &Cancel) -> Result<Option<Archive>> {
        match self.open(path, cancel) {
            Ok(archive) => return Ok(Some(archive)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        match Folder::open(path).and_then(|folder| folder.names()) {
            // A writer that was killed may have left blobs.
            Ok(names) if names.iter().all(|name| name == BLOBS) => Ok(None),
            Ok(_) => {
                let message = format!("{} holds something else", path.display());
                Err(Error::new(ErrorKind::Unsupported, message).hint("choose another folder"))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether a path is a place of ours.
    pub(crate) fn recognizes(&self, found: &Candidate, _: &Cancel) -> Result<bool> {
        let list = found.path().join(LIST);
        if !found.is_folder() || !list.is_file() {
            return Ok(false);
        }
        let list = FileRange::whole(open_regular(&list)?, list)?;
        Ok(list.part(0, MAGIC.len() as u64).bytes(LIMIT, "the beginning")? == MAGIC)
    }

    /// What policies on trust call the images of a place.
    pub(crate) fn identity(&self, path: &Path) -> Identity {
        Identity::of_path(path)
    }
}

impl Archive {
    /// The bytes of a blob or manifest. Those that were deleted since are not there.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        let Some(place) = &self.path else { return Ok(None) };
        let path = place.join(BLOBS).join(file_name(digest));
        match open_regular(&path) {
            Ok(file) => FileRange::whole(file, path).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Why a part of an image is not there: it was deleted, unless an image has it still, and it has not come again.
    pub(crate) fn lost(&self, digest: &Digest) -> Error {
        let now = self.path.as_ref().and_then(|path| Store.open(path, &Cancel::new()).ok());
        let is_listed = now.is_some_and(|now| now.images.parts().contains(&digest));
        let is_back = matches!(self.blob(digest), Ok(Some(_)));
        if is_listed && !is_back { missing(digest) } else { gone(digest) }
    }
}

impl Room {
    pub(crate) fn new(path: &Path, cancel: &Cancel) -> Result<Self> {
        StagedFolder::beside(path, cancel).map(Self)
    }

    /// Takes all bytes of a body, durably.
    pub(crate) fn keep(&self, body: Body, cancel: &Cancel) -> Result<(Stored, Blob)> {
        // It gets its name when it is known to be whole and true; until then, dropping it removes it.
        let file = StagedFile::in_folder(self.0.path())?;
        let stored = write_body(body, file.file(), file.path(), cancel)?;
        let path = self.0.path().join(file_name(&stored.digest));
        file.place(&path)?;
        Ok((stored.clone(), FileRange::closed(path, stored.size)))
    }
}

impl Place {
    /// Changes what is there, all at once or not at all: the new list shows the images. What none uses any more is removed.
    pub(crate) fn change(
        &self,
        new: &Blobs,
        cancel: &Cancel,
        change: &mut Change<'_>,
    ) -> Result<()> {
        let is_new = !self.path.exists();
        let changed = self.lock(cancel).and_then(|_lock| {
            let changed = self.change_locked(new, cancel, change);
            if changed.is_err() && is_new && !self.path.join(LIST).exists() {
                // They may not be there yet. What was staged stays where it was staged.
                let _ = fs::remove_dir_all(self.path.join(BLOBS));
            }
            changed
        });
        if changed.is_err() && is_new {
            // What others put there keeps it.
            let _ = fs::remove_dir(&self.path);
        }
        changed
    }

    /// Makes the folder, and keeps other writers out.
    fn lock(&self, cancel: &Cancel) -> Result<Lock> {
        loop {
            cancel.check()?;
            make_folder(&self.path)?;
            match Lock::exclusive(&self.path, &self.wait, cancel) {
                // One that failed to write the first image took it away again.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                locked => return locked,
            }
        }
    }

    fn change_locked(
        &self,
        new: &Blobs,
        cancel: &Cancel,
        change: &mut Change<'_>,
    ) -> Result<()> {
        let there = match self.store.find(&self.path, cancel) {
            Err(e) if e.kind() == ErrorKind::Corrupt && self.mode == WriteMode::Replace => None,
            there => there?,
        };
        let mut images = self.base(there)?.images;
        let blobs = self.path.join(BLOBS);
        let place = |digest: &Digest| blobs.join(file_name(digest));
        change(&mut images, &|digest| new.contains_key(digest) || place(digest).exists())?;
        let (parts, list) = (images.parts(), seal(&images)?);
        // From here on it goes to its end.
        cancel.check()?;
        make_folder(&blobs)?;
        for digest in &parts {
            if let Some(staged) = new.get(digest) {
                link(staged.path(), &place(digest))?;
            }
        }
        sync_folder(&blobs)?;
        let mut file = StagedFile::beside(&self.path.join(LIST))?;
        write_all_at(file.file(), &list, 0).map_err(|e| Error::io("writing", file.path(), e))?;
        file.publish(Publish::Replace)?;
        remove_unused(&blobs, &parts.into_iter().map(file_name).collect())
    }
}

/// Gives a staged file a name in the place, too, which no other file has then. It keeps the name under which it is staged: a
/// change that fails later on is made again.
// Decide: where a place may be on a file system without hard links, copy it there.
fn link(staged: &Path, to: &Path) -> Result<()> {
    let new = to.with_extension("new");
    // It may be left of a writer that was killed.
    let _ = fs::remove_file(&new);
    let linked = fs::hard_link(staged, &new).and_then(|()| fs::rename(&new, to));
    // Renaming one name of a file to another one of it does nothing.
    let _ = fs::remove_file(&new);
    linked.map_err(|e| Error::io("writing", to, e))
}

fn remove_unused(blobs: &Path, used: &HashSet<String>) -> Result<()> {
    for name in Folder::open(blobs)?.names()? {
        let path = blobs.join(&name);
        match if used.contains(&name) { Ok(()) } else { fs::remove_file(&path) } {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("removing", &path, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// `sha256-44136f...`: a digest is safe in a path but for its colon.
fn file_name(digest: &Digest) -> String {
    digest.to_string().replace(':', "-")
}

/// What a list is kept as, with a digest of its own in front: a bit that flips in it is seen.
fn seal(images: &Images) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(images).map_err(|e| {
        Error::new(ErrorKind::Unexpected, "the list of images cannot be written").caused_by(e)
    })?;
    let sealed = [MAGIC, sha256(&json).as_ref().as_bytes(), &json].concat();
    if sealed.len() as u64 > LIMIT {
        let message = format!("the list of images would have more than {LIMIT} bytes");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    Ok(sealed)
}

/// The JSON, if it is what was sealed.
fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (digest, json) = sealed.strip_prefix(MAGIC)?.split_at_checked(DIGEST)?;
    (sha256(json).as_ref().as_bytes() == digest).then_some(json)
}

#[cfg(test)]
mod damage;
