//! [`Writing`]: an archive being written, shared by its writer and its images.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use transship_archive::docker_save::SavedImage;
use transship_archive::layout::blob_path;
use transship_archive::{Base, Compressor, Decision, TarWriter};
use transship_core::{
    Body, CONFIG_LIMIT, Cancel, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, Manifest,
    MediaType, Observer, Result, Stored, WriteMode, WriteOptions, cancelled,
};
use transship_local::LockWait;

use crate::existing::{Existing, Held};
use crate::legacy;
use crate::output::{Output, Shape};
use crate::reference::Locator;
use crate::table::{NewEntry, Table};

/// An archive being written; dropping it removes what was staged. Its methods block but for [`turn`](Self::turn) and
/// [`known`](Self::known).
#[derive(Debug)]
pub(crate) struct Writing {
    /// The archive, without a choice among its images.
    pub(crate) place: Locator,
    /// The images of the archive that is joined, as they were in the beginning.
    pub(crate) existing: Option<Existing>,
    wait: LockWait,
    /// Writers wait here for their turn, without a thread.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Locked as long as something is being written.
    tar: Mutex<OpenTar>,
    /// Locked for moments only.
    known: Mutex<Known>,
}

/// The turn to write; given up on drop.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held")] OwnedMutexGuard<()>);

#[derive(Debug)]
struct OpenTar {
    output: Output,
    tar: TarWriter,
    /// The legacy folders that are there.
    folders: HashSet<String>,
}

/// What is in the archive so far: what was put, and what was found in the one that is joined.
#[derive(Debug, Default)]
pub(crate) struct Known {
    layers: HashMap<Digest, Held>,
    images: HashMap<Digest, Recorded>,
    /// Manifests that were added of images that were there, by their IDs.
    manifests: HashMap<Digest, Descriptor>,
    /// What was committed, in order: images, and the names that they got.
    commits: Vec<(Digest, Vec<ImageName>)>,
}

/// An image that was written.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) config_size: u64,
    /// Its diff IDs.
    pub(crate) layers: Vec<Digest>,
    entry: NewEntry,
    /// Its position among those that were written.
    at: usize,
}

/// An image to be recorded, checked already.
#[derive(Debug)]
pub(crate) struct NewImage {
    pub(crate) id: Digest,
    pub(crate) config: Bytes,
    pub(crate) layers: Vec<Digest>,
}

impl Writing {
    /// Begins an archive. Nothing shows.
    pub(crate) fn begin(
        place: Locator,
        compressor: Option<Compressor>,
        how: &WriteOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mode = how.mode.unwrap_or(WriteMode::Create);
        let path = Path::new(&place.path);
        let (output, tar) = Output::begin(path, mode, (how.spool.as_ref(), compressor), cancel)?;
        let existing = output.base().map(|base| Existing::of(&place, base, &how.observer));
        let existing = existing.transpose()?;
        Ok(Self {
            place,
            existing,
            wait: LockWait::from(how),
            turn: Arc::default(),
            tar: Mutex::new(OpenTar { output, tar, folders: HashSet::new() }),
            known: Mutex::default(),
        })
    }

    /// How entries are named.
    pub(crate) fn shape(&self) -> Shape {
        match &self.existing {
            Some(existing) if existing.layout.is_some() => Shape::Layout,
            _ => Shape::Saved,
        }
    }

    /// Waits for the turn to write.
    pub(crate) fn turn(&self) -> impl Future<Output = Turn> + Send + use<> {
        let turn = Arc::clone(&self.turn);
        async move { Turn(turn.lock_owned().await) }
    }

    /// What is in the archive so far.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a layer, unless it is there: then its bytes are only checked.
    /// When it fails, the archive is as before.
    pub(crate) fn put_layer(
        &self,
        expect: &Expect,
        body: Body,
        turn: &Turn,
        cancel: &Cancel,
    ) -> Result<Stored> {
        let body = body.expecting(expect)?;
        self.with_tar(turn, |open| {
            let expected = body.expected().digest.clone();
            if let Some(digest) = expected
                && self.layer(&digest, cancel)?.is_some()
            {
                return body.chunks(cancel)?.finish();
            }
            let chunks = body.chunks(cancel)?;
            let mut passed = None;
            let put = open.tar.put_stream(chunks, |stored| {
                let there = self.layer(&stored.digest, cancel)?.is_some();
                let wanted = self.shape().layer(&stored.digest);
                let existing = self.existing.as_ref().filter(|_| !there);
                let damaged = existing.and_then(|existing| existing.damaged(&stored.digest));
                let file = match &damaged {
                    Some(damaged) => damaged.to_string(),
                    None if there => wanted,
                    None => self.free_name(&wanted)?,
                };
                passed = Some((stored.clone(), file.clone(), damaged.is_some()));
                Ok(if there { Decision::Rewind } else { Decision::Keep(file) })
            })?;
            let (stored, file, mends) = passed.ok_or_else(cancelled)?;
            if let Some(put) = put {
                if mends {
                    open.output.replace(&file);
                }
                let layer = MediaType::ImageLayer;
                let served = Descriptor::new(layer, stored.digest.clone(), stored.size);
                let held = Held { stored: stored.clone(), served, file, offset: Some(put.offset) };
                self.known().layers.insert(stored.digest.clone(), held);
            }
            Ok(stored)
        })
    }

    /// A layer by its diff ID: put, or true in the archive that is joined.
    pub(crate) fn layer(&self, diff_id: &Digest, cancel: &Cancel) -> Result<Option<Stored>> {
        if let Some(known) = self.known().layer(diff_id) {
            return Ok(Some(known.stored.clone()));
        }
        let Some(existing) = &self.existing else { return Ok(None) };
        let Some(held) = existing.find_layer(diff_id, cancel)? else { return Ok(None) };
        let stored = held.stored.clone();
        self.known().layers.insert(diff_id.clone(), held);
        Ok(Some(stored))
    }

    /// A name that no entry has yet: the one that is wanted, or else another.
    fn free_name(&self, wanted: &str) -> Result<String> {
        let Some(existing) = self.existing.as_ref().filter(|e| e.contains(wanted)) else {
            return Ok(wanted.to_owned());
        };
        if self.shape() == Shape::Layout {
            return Err(not_what_it_says(wanted));
        }
        let (stem, suffix) = wanted.rsplit_once('.').unwrap_or((wanted, ""));
        let mut others = (1_u32..).map(|n| format!("{stem}-{n}.{suffix}"));
        let free = others.find(|name| !existing.contains(name));
        Ok(free.unwrap_or_else(|| wanted.to_owned()))
    }

    /// Reads back a small blob that was put as a layer, because its type was not given.
    pub(crate) fn read_back(&self, digest: &Digest, turn: &Turn) -> Result<Bytes> {
        let put =
            self.known().layers.get(digest).and_then(|held| Some((held.offset?, held.stored.size)));
        let Some((offset, size)) = put else {
            let message = format!("the config {digest} was not put");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let range = self.with_tar(turn, |open| open.tar.range(offset, size))?;
        range.bytes(CONFIG_LIMIT, format_args!("the config {digest}"))
    }

    /// Gives more names to an image that is there. They move here from others. Gives its position.
    pub(crate) fn add_names(&self, id: &Digest, names: &[ImageName]) -> usize {
        let before = self.existing.as_ref().map_or(0, |existing| existing.entries.len());
        let there = self.existing.as_ref().and_then(|existing| existing.position(id));
        let mut known = self.known();
        known.commits.push((id.clone(), names.to_vec()));
        there.unwrap_or_else(|| before + known.images.get(id).map_or(0, |image| image.at))
    }

    /// Writes an image's config, and what older tools or a layout in the same tar need; records it under names. They move
    /// here from earlier images. Gives its position.
    /// When it fails, the archive is as before.
    pub(crate) fn record(
        &self,
        image: NewImage,
        manifest: &Manifest,
        names: &[ImageName],
        turn: &Turn,
    ) -> Result<usize> {
        let fields = crate::config::fields(&image.config)?;
        let folders = match self.shape() {
            Shape::Saved => legacy::legacy_layers(&fields, &image.id, &image.layers),
            Shape::Layout => Vec::new(),
        };
        let config = self.config_name(&image)?;
        let layers = self.layer_files(&image.layers)?;
        self.with_tar(turn, |open| {
            let start = open.tar.position();
            let put = self.put_image(open, &image, &config, &folders, manifest);
            put.inspect_err(|_| open.tar.rewind(start))?;
            open.folders.extend(folders.iter().map(|folder| folder.id.clone()));
            Ok(())
        })?;
        let saved = SavedImage::new(config, layers);
        let top = folders.last().map(|folder| folder.id.clone());
        let manifest = Some(manifest.descriptor().clone());
        let entry = NewEntry { id: image.id.clone(), saved, top, manifest };
        let config_size = image.config.len() as u64;
        let mut known = self.known();
        let at = known.images.len();
        let recorded = Recorded { config_size, layers: image.layers, entry, at };
        known.images.insert(image.id.clone(), recorded);
        drop(known);
        Ok(self.add_names(&image.id, names))
    }

    fn put_image(
        &self,
        open: &mut OpenTar,
        image: &NewImage,
        config: &str,
        folders: &[legacy::LegacyLayer],
        manifest: &Manifest,
    ) -> Result<()> {
        let there = |name: &str| self.existing.as_ref().is_some_and(|e| e.contains(name));
        self.put_true(open, config, &image.config)?;
        if self.shape() == Shape::Layout {
            self.put_true(open, &blob_path(&manifest.descriptor().digest), manifest.bytes())?;
        }
        let new = |id: &String| !open.folders.contains(id) && !there(&format!("{id}/json"));
        for folder in folders.iter().filter(|folder| new(&folder.id)) {
            let id = &folder.id;
            let file = self.known().layers.get(&folder.layer).map(|held| held.file.clone());
            let target = format!("../{}", file.unwrap_or_else(|| layer_file(&folder.layer)));
            open.tar.put_bytes(&format!("{id}/VERSION"), legacy::VERSION)?;
            open.tar.put_bytes(&format!("{id}/json"), &folder.json)?;
            open.tar.put_symlink(&format!("{id}/layer.tar"), &target)?;
        }
        Ok(())
    }

    /// Puts a file, unless it is there; other bytes under its name give way where they are of no use.
    fn put_true(&self, open: &mut OpenTar, name: &str, bytes: &[u8]) -> Result<()> {
        if let Some(existing) = self.existing.as_ref().filter(|existing| existing.contains(name)) {
            if existing.holds(name, bytes) {
                return Ok(());
            }
            if !existing.is_of_no_use(name) {
                return Err(not_what_it_says(name));
            }
            open.output.replace(name);
        }
        open.tar.put_bytes(name, bytes)
    }

    /// Adds a manifest to the layout in the same tar, if there is one, of an image that was there.
    pub(crate) fn add_manifest(&self, id: &Digest, manifest: &Manifest, turn: &Turn) -> Result<()> {
        if self.shape() == Shape::Saved {
            return Ok(());
        }
        let of = manifest.descriptor();
        self.with_tar(turn, |open| self.put_true(open, &blob_path(&of.digest), manifest.bytes()))?;
        self.known().manifests.insert(id.clone(), of.clone());
        Ok(())
    }

    /// The entry for a config: one that has these bytes already, or a new one.
    fn config_name(&self, image: &NewImage) -> Result<String> {
        let wanted = self.shape().config(&image.id);
        let fits = |existing: &Existing| {
            existing.holds(&wanted, &image.config)
                || (self.shape() == Shape::Layout && existing.is_of_no_use(&wanted))
        };
        if self.existing.as_ref().is_some_and(fits) {
            return Ok(wanted);
        }
        self.free_name(&wanted)
    }

    fn layer_files(&self, layers: &[Digest]) -> Result<Vec<String>> {
        let known = self.known();
        let file = |diff_id: &Digest| known.layers.get(diff_id).map(|held| held.file.clone());
        layers.iter().map(|diff_id| file(diff_id).ok_or_else(cancelled)).collect()
    }

    /// Writes the documents and puts the archive in place.
    /// When it fails, the archive is as before.
    pub(crate) fn finish(self, cancel: &Cancel) -> Result<()> {
        let open = self.tar.into_inner().map_err(|_| failed_badly())?;
        let commits = Commits {
            place: &self.place,
            existing: self.existing.as_ref(),
            observer: self.wait.observer(),
            known: &self.known.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        let mut documents =
            |base: Option<&Arc<Base>>, tar: &mut TarWriter| commits.put(base, tar, cancel);
        open.output.publish(open.tar, &mut documents, &self.wait, cancel)
    }

    fn with_tar<T>(&self, _turn: &Turn, step: impl FnOnce(&mut OpenTar) -> Result<T>) -> Result<T> {
        step(&mut *self.tar.lock().map_err(|_| failed_badly())?)
    }
}

/// What was committed, when all of it is there.
struct Commits<'a> {
    place: &'a Locator,
    existing: Option<&'a Existing>,
    observer: &'a Observer,
    known: &'a Known,
}

impl Commits<'_> {
    /// Puts the documents of an archive that joins a base; made sure of, where that is not the one of the beginning.
    fn put(&self, base: Option<&Arc<Base>>, tar: &mut TarWriter, cancel: &Cancel) -> Result<()> {
        if base.map(Arc::as_ptr) == self.existing.map(|ours| Arc::as_ptr(&ours.base)) {
            return self.put_documents(Table::of(self.existing)?, self.existing, tar);
        }
        let other = base.map(|base| Existing::of(self.place, base, self.observer));
        let other = other.transpose()?;
        self.make_sure(tar, other.as_ref(), cancel)?;
        self.put_documents(Table::of(other.as_ref())?, other.as_ref(), tar)
    }

    fn put_documents(
        &self,
        mut table: Table,
        base: Option<&Existing>,
        tar: &mut TarWriter,
    ) -> Result<()> {
        let is_readable = |entry: &Descriptor| base.is_none_or(|base| base.is_readable(entry));
        for (id, names) in &self.known.commits {
            if let Some(recorded) = self.known.images.get(id) {
                table.add(&recorded.entry, names);
            } else if let Some(existing) = self.existing
                && let Some(entry) = existing.as_new(id, self.known.manifests.get(id))
            {
                table.add_manifest(&entry, &is_readable);
                table.add(&entry, names);
            }
        }
        table.documents()?.iter().try_for_each(|(name, bytes)| tar.put_bytes(name, bytes))
    }

    /// Makes sure of what our images need in an archive that is not the one that it was found in.
    fn make_sure(
        &self,
        tar: &mut TarWriter,
        other: Option<&Existing>,
        cancel: &Cancel,
    ) -> Result<()> {
        let shape = |of: Option<&Existing>| of.is_some_and(|of| of.layout.is_some());
        if shape(other) && !shape(self.existing) {
            return Err(replaced("has another form"));
        }
        let known = self.known;
        let mut files: Vec<(&str, Expect)> = Vec::new();
        for (id, _) in &known.commits {
            let Some(image) = known.images.get(id) else {
                if other.and_then(|other| other.position(id)).is_none() {
                    return Err(replaced("does not have an image that was there"));
                }
                continue;
            };
            files.push((&image.entry.saved.config, Expect::digest(id.clone())));
            let layers = image.layers.iter().filter_map(|layer| known.layers.get(layer));
            files.extend(layers.map(|held| (&*held.file, Expect::from(&held.served))));
        }
        let mut done = HashSet::new();
        for (name, expect) in files.into_iter().filter(|(name, _)| done.insert(*name)) {
            let there = other.filter(|other| other.contains(name));
            let from = match (there, self.existing) {
                (Some(other), _) => other.base.index().get(name)?,
                (None, Some(ours)) if ours.contains(name) => ours.base.index().get(name)?,
                _ => continue,
            };
            let chunks = Body::from_file(from).expecting(&expect)?.chunks(cancel)?;
            if there.is_some() {
                chunks.finish().map_err(|e| replaced("has another file of a name").caused_by(e))?;
            } else {
                // It was in the archive that we joined first, and that one has gone.
                tar.put_stream_as(name, chunks)?;
            }
        }
        Ok(())
    }
}

impl Known {
    /// A layer, by its diff ID.
    pub(crate) fn layer(&self, digest: &Digest) -> Option<&Held> {
        self.layers.get(digest)
    }

    /// An image that was written, by its ID.
    pub(crate) fn image(&self, id: &Digest) -> Option<&Recorded> {
        self.images.get(id)
    }
}

fn not_what_it_says(name: &str) -> Error {
    let message = format!("{name} is in the archive, and is not what its name says");
    Error::new(ErrorKind::Corrupt, message)
        .hint("copy its images and the new ones to another archive")
}

fn failed_badly() -> Error {
    Error::new(ErrorKind::Unexpected, "an earlier step of writing the archive failed badly")
}

fn replaced(how: &str) -> Error {
    let message = format!("the archive was replaced meanwhile, by one that {how}");
    Error::new(ErrorKind::Conflict, message).hint("copy again")
}

pub(crate) fn config_file(id: &Digest) -> String {
    format!("{}.json", id.digest())
}

/// Longer digests are cut, so that the name fits in a plain header.
pub(crate) fn layer_file(diff_id: &Digest) -> String {
    match diff_id.digest() {
        hex if hex.len() == 64 => format!("{hex}.tar"),
        hex => format!("{}-{:.64}.tar", diff_id.algorithm(), hex),
    }
}
