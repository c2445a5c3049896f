//! A layout in a folder, being written. The order of things, and the locks, are in the
//! [crate's documentation](crate#writing-to-a-folder).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use transship_archive::layout::{
    BLOBS, INDEX_FILE, INDEX_LIMIT, LAYOUT_BYTES, LAYOUT_FILE, LAYOUT_LIMIT, LayoutIndex,
    check_layout,
};
use transship_core::{
    Body, Cache, Cancel, Digest, Error, ErrorKind, Expect, FileRange, Hint, Result, ResultExt,
    Stored, WriteMode, WriteOptions, cancelled,
};
use transship_local::{
    Lock, LockWait, NewFile, Publish, SETTLED, StagedFile, StagedFolder, Target, WORTH_SETTLING,
    clean_around, folder_of, is_ours, known_blob, list_folder, make_folder, note_new, open_regular,
    put_file, shown, sync_folder, write_body,
};

use super::folder::{blob_file, blob_root};
use super::{FolderStorage, Storage, Store, refuse_links};
use crate::layout::Layout;
use crate::write::{NewImage, enter_all};

/// A layout in a folder, being written.
#[derive(Debug)]
pub(crate) struct FolderStore {
    /// The layout's folder, symlinks resolved.
    target: PathBuf,
    shared: Option<PathBuf>,
    mode: WriteMode,
    cache: Cache,
    wait: LockWait,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The content lock, where there is a layout.
    lock: Option<Lock>,
    room: Option<Arc<BlobStaging>>,
    /// Blobs that were put, and their sizes.
    put: BTreeMap<String, u64>,
    /// Their files, to be noted as true.
    new: BTreeMap<String, NewFile>,
    /// Blobs that were found in place, and true.
    found: BTreeMap<String, u64>,
    /// When the last one was put.
    last: Option<Instant>,
}

/// Where blobs wait for the commit, as `blobs/ALGORITHM/ENCODED`.
#[derive(Debug)]
enum BlobStaging {
    /// In what becomes the layout.
    New(StagedFolder),
    /// Near the place where they will be.
    Near(StagedFolder),
}

impl BlobStaging {
    fn folder(&self) -> &Path {
        self.staged().path()
    }

    fn staged(&self) -> &StagedFolder {
        let (Self::New(staged) | Self::Near(staged)) = self;
        staged
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        blob_file(&self.folder().join(BLOBS), digest)
    }
}

/// What is at the place of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing, or an empty folder.
    Free,
    /// A layout; it may lack its `index.json`, if its first writer was killed.
    Layout,
}

impl FolderStore {
    /// Looks at the place. Changes nothing.
    pub(crate) fn open(
        path: &Path,
        shared: Option<&Path>,
        mode: WriteMode,
        how: &WriteOptions,
    ) -> Result<Self> {
        let target = match Target::look_at(path)? {
            Target::Absent(path) | Target::Folder(path) => path,
            Target::File(path) | Target::Stream(path) => {
                let message = format!("{} is no folder", shown(&path).display());
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .hint("a layout in a tar is oci-archive:"));
            }
        };
        refuse_links(&target, shared)?;
        if look(&target)? == Place::Layout {
            match mode {
                WriteMode::Create => return Err(exists(&target)),
                WriteMode::Append => drop(read_index(&target)?),
                _ => {}
            }
        }
        let shared = shared.map(Path::to_owned);
        let (cache, wait) = (how.cache.clone(), LockWait::from(how));
        Ok(Self { target, shared, mode, cache, wait, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn root(&self) -> PathBuf {
        blob_root(&self.target, self.shared.as_deref())
    }

    /// Takes the content lock, if there is a layout and nobody has taken it yet.
    fn lock_content(&self, cancel: &Cancel) -> Result<()> {
        if self.state().lock.is_some() {
            return Ok(());
        }
        let lock = Lock::shared(&self.target.join(BLOBS), &self.wait, cancel).if_found()?;
        // Two steps may have taken one each; either will do.
        let mut state = self.state();
        state.lock = state.lock.take().or(lock);
        Ok(())
    }

    fn room(&self, cancel: &Cancel) -> Result<Arc<BlobStaging>> {
        self.lock_content(cancel)?;
        let mut state = self.state();
        if let Some(room) = &state.room {
            return Ok(Arc::clone(room));
        }
        let in_layout = look(&self.target)? == Place::Layout;
        let observer = self.wait.observer();
        let room = if in_layout || self.shared.is_some() {
            BlobStaging::Near(
                StagedFolder::in_folder(&nearest(&self.root()))?.with_observer(observer),
            )
        } else {
            BlobStaging::New(StagedFolder::beside(&self.target, cancel)?.with_observer(observer))
        };
        let room = Arc::new(room);
        state.room = Some(Arc::clone(&room));
        Ok(room)
    }

    fn find_in_place(
        &self,
        digest: &Digest,
        want: &Expect,
        cancel: &Cancel,
    ) -> Result<Option<Stored>> {
        self.lock_content(cancel)?;
        let found = known_blob(&blob_file(&self.root(), digest), want, &self.cache, cancel)?;
        if let Some(stored) = &found {
            self.state().found.insert(digest.to_string(), stored.size);
        }
        Ok(found)
    }

    /// Puts the blobs in place. Those that are there then count as found.
    fn move_blobs(
        &self,
        room: &BlobStaging,
        wanted: &BTreeSet<&str>,
        cancel: &Cancel,
    ) -> Result<()> {
        room.staged().sync(cancel)?;
        let blobs = self.root();
        make_folder(&blobs)?;
        let mut folders = BTreeSet::new();
        let put: Vec<(String, u64)> = self.state().put.clone().into_iter().collect();
        for (digest, size) in put {
            cancel.check()?;
            if !wanted.contains(digest.as_str()) {
                continue;
            }
            let of = transship_core::parse_digest(&digest)?;
            let to = blob_file(&blobs, &of);
            let folder = blobs.join(of.algorithm().as_ref());
            if folders.insert(folder.clone()) {
                make_folder(&folder)?;
            }
            fs::rename(room.blob(&of), &to).map_err(|e| Error::io("putting in place", &to, e))?;
            let mut state = self.state();
            state.put.remove(&digest);
            state.found.insert(digest, size);
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        sync_folder(&blobs)
    }

    /// Blobs that were found true have to be there still: other tools take no lock.
    fn check_found(&self, wanted: &BTreeSet<&str>) -> Result<()> {
        let root = self.root();
        for (digest, size) in &self.state().found {
            if !wanted.contains(digest.as_str()) {
                continue;
            }
            let path = blob_file(&root, &transship_core::parse_digest(digest)?);
            if !path.metadata().is_ok_and(|found| found.len() == *size) {
                let message = format!("blob {digest} was there, and has been removed meanwhile");
                return Err(Error::new(ErrorKind::Conflict, message).hint("copy again"));
            }
        }
        Ok(())
    }

    /// Makes the folder a layout, if it is none. It has no images yet.
    fn make_layout(&self) -> Result<()> {
        if look(&self.target)? == Place::Layout {
            return make_folder(&self.target.join(BLOBS));
        }
        make_folder(&self.target)?;
        match put_file(&self.target.join(LAYOUT_FILE), LAYOUT_BYTES, Publish::Create) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ => make_folder(&self.target.join(BLOBS)),
        }
    }

    /// Changes `index.json`, under the index lock.
    fn change_index(&self, images: &[NewImage], cancel: &Cancel) -> Result<()> {
        let _lock = Lock::exclusive(&self.target.join(LAYOUT_FILE), &self.wait, cancel)?;
        let old = read_index(&self.target);
        let before = old.as_ref().ok().and_then(Clone::clone);
        let mut index = match self.mode {
            WriteMode::Replace => LayoutIndex::new(),
            WriteMode::Create if before.is_some() => return Err(exists(&self.target)),
            _ => old?.unwrap_or_default(),
        };
        let storage = FolderStorage::new(&self.target, self.shared.as_deref());
        let layout = Layout::over(Box::new(storage));
        enter_all(&mut index, images, &|entry| Ok(layout.subject(entry)?.is_some()))?;
        let root = self.root();
        let lacks = |digest: &str| {
            transship_core::parse_digest(digest)
                .is_ok_and(|digest| !blob_file(&root, &digest).exists())
        };
        index.change_needs([], lacks);
        if before.is_some_and(|before| before == index) {
            return Ok(());
        }
        put_file(&self.target.join(INDEX_FILE), &index.to_file()?, Publish::Replace)
    }

    /// Takes the room: no step works in it any more.
    fn take_room(&self, cancel: &Cancel) -> Result<BlobStaging> {
        drop(self.room(cancel)?);
        self.state().room.take().and_then(Arc::into_inner).ok_or_else(cancelled)
    }
}

impl Store for FolderStore {
    fn has(&self, want: &Expect, cancel: &Cancel) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let known = {
            let state = self.state();
            let known = |known: &BTreeMap<String, u64>| known.get(digest.as_ref()).copied();
            known(&state.put).or_else(|| known(&state.found))
        };
        match known {
            Some(size) => Ok(want.of_size(size)),
            None => self.find_in_place(digest, want, cancel),
        }
    }

    fn put(&self, body: Body, cancel: &Cancel) -> Result<Stored> {
        let room = self.room(cancel)?;
        let file = StagedFile::in_folder(room.folder())?;
        let stored = write_body(body, file.file(), file.path(), cancel)?;
        let new = NewFile::of(file.file());
        let path = room.blob(&stored.digest);
        let folder = folder_of(&path);
        // In the staging: it is synced as a whole.
        fs::create_dir_all(&folder).map_err(|e| Error::io("making", &folder, e))?;
        file.place_unsynced(&path)?;
        let mut state = self.state();
        state.put.insert(stored.digest.to_string(), stored.size);
        state.new.insert(stored.digest.to_string(), new);
        state.last = Some(Instant::now());
        Ok(stored)
    }

    fn stages(&self) -> bool {
        true
    }

    fn stage(&self, body: Body, cancel: &Cancel) -> Result<(Stored, Option<FileRange>)> {
        let stored = self.put(body, cancel)?;
        let room = self.state().room.clone();
        let bytes = room.map(|room| FileRange::closed(room.blob(&stored.digest), stored.size));
        Ok((stored, bytes))
    }

    fn read(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let (room, put) = {
            let state = self.state();
            (state.room.clone(), state.put.contains_key(digest.as_ref()))
        };
        let Some(room) = room.filter(|_| put) else {
            return FolderStorage::new(&self.target, self.shared.as_deref()).blob(digest);
        };
        let path = room.blob(digest);
        FileRange::whole(open_regular(&path)?, path).map(Some)
    }

    fn joined(&self, cancel: &Cancel) -> Result<Option<Layout>> {
        if self.mode == WriteMode::Replace || look(&self.target)? == Place::Free {
            return Ok(None);
        }
        let storage = FolderStorage::new(&self.target, self.shared.as_deref());
        Layout::open(Box::new(storage), cancel).if_found()
    }

    fn publish(&mut self, images: &[NewImage], cancel: &Cancel) -> Result<()> {
        let wanted: BTreeSet<&str> =
            images.iter().flat_map(|image| &image.reached).map(String::as_str).collect();
        // One may have come since.
        refuse_links(&self.target, self.shared.as_deref())?;
        // What killed writers left, wherever they staged.
        clean_around(&self.target.join(INDEX_FILE));
        clean_around(&self.root().join(INDEX_FILE));
        if self.is_unchanged()? {
            self.check_found(&wanted)?;
            return self.change_index(images, cancel);
        }
        self.settle();
        self.publish_put(images, &wanted, cancel)?;
        self.note_put(&wanted)
    }
}

impl FolderStore {
    /// Whether all that is needed was in place.
    fn is_unchanged(&self) -> Result<bool> {
        Ok(self.state().room.is_none() && look(&self.target)? == Place::Layout)
    }

    /// Waits until the last write to a blob is so old that a later one can be told from it, unless the blobs are small: those are not
    /// noted.
    fn settle(&self) {
        let last = {
            let mut state = self.state();
            if state.put.values().sum::<u64>() < WORTH_SETTLING {
                state.new.clear();
                return;
            }
            state.last.filter(|_| self.cache.is_set())
        };
        if let Some(last) = last {
            std::thread::sleep(SETTLED.saturating_sub(last.elapsed()));
        }
    }

    /// Remembers what was put in place.
    fn note_put(&self, wanted: &BTreeSet<&str>) -> Result<()> {
        if !self.cache.is_set() {
            return Ok(());
        }
        let root = self.root();
        for (digest, new) in &self.state().new {
            if wanted.contains(digest.as_str()) {
                let digest = transship_core::parse_digest(digest)?;
                note_new(&blob_file(&root, &digest), *new, &digest, &self.cache);
            }
        }
        Ok(())
    }

    fn publish_put(
        &self,
        images: &[NewImage],
        wanted: &BTreeSet<&str>,
        cancel: &Cancel,
    ) -> Result<()> {
        let mut room = self.take_room(cancel)?;
        let published = self.publish_room(&mut room, images, wanted, cancel);
        if published.is_err() {
            self.state().room = Some(Arc::new(room));
        }
        published
    }

    fn publish_room(
        &self,
        room: &mut BlobStaging,
        images: &[NewImage],
        wanted: &BTreeSet<&str>,
        cancel: &Cancel,
    ) -> Result<()> {
        if let BlobStaging::New(staged) = room {
            drop_unwanted(staged, &self.state().put, wanted)?;
            if publish_new(staged, images, cancel)? {
                return Ok(());
            }
            if self.mode == WriteMode::Create && look(&self.target)? == Place::Layout {
                return Err(exists(&self.target));
            }
        }
        self.make_layout()?;
        self.lock_content(cancel)?;
        self.move_blobs(room, wanted, cancel)?;
        self.check_found(wanted)?;
        self.change_index(images, cancel)
    }
}

/// Shows a layout that was not there. Gives whether it does: it does not when another writer was faster.
fn publish_new(room: &mut StagedFolder, images: &[NewImage], cancel: &Cancel) -> Result<bool> {
    let write = |name: &str, bytes: &[u8]| {
        let path = room.path().join(name);
        fs::write(&path, bytes).map_err(|e| Error::io("writing", &path, e))
    };
    let mut index = LayoutIndex::new();
    enter_all(&mut index, images, &|_| Ok(false))?;
    write(LAYOUT_FILE, LAYOUT_BYTES)?;
    write(INDEX_FILE, &index.to_file()?)?;
    make_folder(&room.path().join(BLOBS))?;
    room.publish_new(cancel)
}

/// What is at the place of a layout.
fn look(target: &Path) -> Result<Place> {
    let storage = FolderStorage::new(target, None);
    if let Some(version) = storage.document(LAYOUT_FILE, LAYOUT_LIMIT)? {
        check_layout(&version)?;
        return Ok(Place::Layout);
    }
    for path in list_folder(target)? {
        let name = path.file_name().unwrap_or_default();
        if !name.to_str().is_some_and(|name| is_ours(name) || name == "lost+found") {
            // It may have become one since.
            if target.join(LAYOUT_FILE).exists() {
                return Ok(Place::Layout);
            }
            let message = format!("{} is neither empty nor an OCI layout", shown(target).display());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    Ok(Place::Free)
}

fn read_index(target: &Path) -> Result<Option<LayoutIndex>> {
    let index = FolderStorage::new(target, None).document(INDEX_FILE, INDEX_LIMIT)?;
    index.map(|bytes| LayoutIndex::parse(&bytes)).transpose().context(|| target.display())
}

/// Removes blobs that no image needs, of images that were abandoned, from what becomes the layout.
fn drop_unwanted(
    room: &StagedFolder,
    put: &BTreeMap<String, u64>,
    wanted: &BTreeSet<&str>,
) -> Result<()> {
    let blobs = room.path().join(BLOBS);
    for digest in put.keys().filter(|digest| !wanted.contains(digest.as_str())) {
        let path = blob_file(&blobs, &transship_core::parse_digest(digest)?);
        // An earlier try may have removed it.
        fs::remove_file(&path).map_err(|e| Error::io("removing", &path, e)).if_found()?;
    }
    Ok(())
}

/// The folder itself, or the nearest one above it that is there.
fn nearest(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|folder| folder.is_dir());
    match there {
        Some(found) => found.to_owned(),
        None => PathBuf::from("."),
    }
}

fn exists(target: &Path) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("the layout {} is there already", shown(target).display()),
    )
    .hint(Hint::AppendOrReplace)
}
