//! [`Writing`]: an archive being written, shared by its writer and its images.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use transship_archive::docker_save::SavedImage;
use transship_archive::layout::blob_path;
use transship_archive::{
    ArchiveOutput, Base, Compressor, Decision, Gaps, OutputOptions, TarWriter,
};
use transship_core::{
    Body, CONFIG_LIMIT, Cancel, Descriptor, Digest, Error, ErrorKind, Expect, ImageName, Manifest,
    MediaType, Result, Staged, Stored, WriteMode, WriteOptions, cancelled,
};
use transship_local::LockWait;

use crate::commits::Commits;
use crate::existing::{Existing, StoredLayer};
use crate::legacy;
use crate::reference::Locator;
use crate::shape::{DOCUMENTS, Shape};
use crate::table::NewEntry;

/// An archive being written; dropping it removes what was staged. Its methods block but for [`turn`](Self::turn) and
/// [`known`](Self::known).
#[derive(Debug)]
pub(crate) struct Writing {
    /// The archive, without a choice among its images.
    pub(crate) place: Locator,
    /// The images of the archive that is joined, as they were in the beginning.
    pub(crate) existing: Option<Existing>,
    /// Whether layers can be taken out again.
    stages: bool,
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
    output: ArchiveOutput,
    tar: TarWriter,
    /// The legacy folders that are there.
    folders: HashSet<String>,
}

/// What is in the archive so far: what was put, and what was found in the one that is joined.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) layers: HashMap<Digest, StoredLayer>,
    pub(crate) images: HashMap<Digest, Recorded>,
    /// Manifests that were added of images that were there, by their IDs.
    pub(crate) manifests: HashMap<Digest, Descriptor>,
    /// What was committed, in order: images, and the names that they got.
    pub(crate) commits: Vec<(Digest, Vec<ImageName>)>,
    /// Layers that were put before it was known which images need them.
    staged: HashSet<Digest>,
}

/// An image that was written.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) config_size: u64,
    /// Its diff IDs.
    pub(crate) layers: Vec<Digest>,
    pub(crate) entry: NewEntry,
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

/// A layer that was put.
struct NewLayer {
    file: String,
    /// Whether it takes the place of one that is damaged.
    mends: bool,
    offset: u64,
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
        let (spool, cache) = (how.spool.clone(), how.cache.clone());
        let options = OutputOptions { documents: DOCUMENTS, spool, compressor, cache };
        let (output, tar) = ArchiveOutput::begin(path, mode, &options, cancel)?;
        let existing = output.base().map(|base| Existing::of(&place, base, &how.observer));
        let existing = existing.transpose()?;
        let stages = output.takes_back(&tar);
        Ok(Self {
            place,
            existing,
            stages,
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
            open.tar.set_cancel(cancel);
            let (stored, new) = self.put_new(&mut open.tar, body, cancel)?;
            if let Some(NewLayer { file, mends, offset }) = new {
                if mends {
                    open.output.replace(&file);
                }
                let layer = MediaType::ImageLayer;
                let served = Descriptor::new(layer, stored.digest.clone(), stored.size);
                let held =
                    StoredLayer { stored: stored.clone(), served, file, offset: Some(offset) };
                self.known().layers.insert(stored.digest.clone(), held);
            }
            Ok(stored)
        })
    }

    /// Whether layers can be put before it is known which images need them.
    pub(crate) fn stages(&self) -> bool {
        self.stages
    }

    /// Puts a layer, which is gone in the end if no image needs it.
    pub(crate) fn stage(&self, body: Body, turn: &Turn, cancel: &Cancel) -> Result<Staged> {
        let stored = self.put_layer(&Expect::anything(), body, turn, cancel)?;
        let offset = self.known().layer(&stored.digest).and_then(|held| held.offset);
        let offset = offset.ok_or_else(cancelled)?;
        self.known().staged.insert(stored.digest.clone());
        let bytes = self.with_tar(turn, |open| open.tar.range(offset, stored.size))?;
        Ok(Staged::new(stored, bytes.ok_or_else(cancelled)?))
    }

    /// Puts a layer, which is not there if its digest is known. One that turns out to be there is taken out again.
    fn put_new(
        &self,
        tar: &mut TarWriter,
        body: Body,
        cancel: &Cancel,
    ) -> Result<(Stored, Option<NewLayer>)> {
        let digest = body.expected().digest.clone();
        let chunks = body.chunks(cancel)?;
        if let Some(digest) = digest {
            let (file, mends) = self.layer_name(&digest)?;
            let put = tar.put_stream_as(&file, chunks)?;
            return Ok((put.stored, Some(NewLayer { file, mends, offset: put.offset })));
        }
        let (mut passed, mut name) = (None, None);
        let put = tar.put_stream(chunks, |stored| {
            passed = Some(stored.clone());
            if self.layer(&stored.digest, cancel)?.is_some() {
                return Ok(Decision::Rewind);
            }
            let (file, _) = name.insert(self.layer_name(&stored.digest)?);
            Ok(Decision::Keep(file.clone()))
        })?;
        let new = put.zip(name);
        let new = new.map(|(put, (file, mends))| NewLayer { file, mends, offset: put.offset });
        Ok((passed.ok_or_else(cancelled)?, new))
    }

    /// The entry for a layer that is not there, and whether it takes the place of one that is damaged.
    fn layer_name(&self, diff_id: &Digest) -> Result<(String, bool)> {
        match self.existing.as_ref().and_then(|existing| existing.damaged(diff_id)) {
            Some(damaged) => Ok((damaged.to_string(), true)),
            None => Ok((self.free_name(&self.shape().layer(diff_id))?, false)),
        }
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
        let range = range.ok_or_else(|| {
            let message = format!("{digest} is no config: it was put as a layer");
            Error::new(ErrorKind::Unsupported, message)
        })?;
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
        cancel: &Cancel,
    ) -> Result<usize> {
        let fields = crate::config::fields(&image.config)?;
        let folders = match self.shape() {
            Shape::Saved => legacy::legacy_layers(&fields, &image.id, &image.layers),
            Shape::Layout => Vec::new(),
        };
        let config = self.config_name(&image)?;
        let layers = self.layer_files(&image.layers)?;
        self.with_tar(turn, |open| {
            open.tar.set_cancel(cancel);
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
    /// When it fails, the archive is as before, and it can be called again.
    pub(crate) fn finish(&mut self, cancel: &Cancel) -> Result<()> {
        let open = self.tar.get_mut().map_err(|_| failed_badly())?;
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        let unneeded = known.unneeded();
        let gaps = Gaps::of(unneeded.values().copied());
        open.output.take_out(&mut open.tar, &gaps, cancel)?;
        known.forget(&unneeded, &gaps);
        let commits = Commits {
            place: &self.place,
            existing: self.existing.as_ref(),
            observer: self.wait.observer(),
            known,
        };
        let mut documents =
            |base: Option<&Arc<Base>>, tar: &mut TarWriter| commits.put(base, tar, cancel);
        open.output.publish(&mut open.tar, &mut documents, &self.wait, cancel)?;
        open.output.note(&known.plain_layers());
        Ok(())
    }

    fn with_tar<T>(&self, _turn: &Turn, step: impl FnOnce(&mut OpenTar) -> Result<T>) -> Result<T> {
        step(&mut *self.tar.lock().map_err(|_| failed_badly())?)
    }
}

impl Known {
    /// A layer, by its diff ID.
    pub(crate) fn layer(&self, digest: &Digest) -> Option<&StoredLayer> {
        self.layers.get(digest)
    }

    /// Layers that were staged and that no image needs: where their bytes begin, and how many they are.
    fn unneeded(&self) -> HashMap<Digest, (u64, u64)> {
        let needed: HashSet<_> = self.images.values().flat_map(|image| &image.layers).collect();
        let unneeded = self.staged.iter().filter(|digest| !needed.contains(digest));
        let place = |held: &StoredLayer| Some((held.offset?, held.stored.size));
        let place = |digest: &Digest| Some((digest.clone(), place(self.layers.get(digest)?)?));
        unneeded.filter_map(place).collect()
    }

    /// Forgets layers that were taken out.
    fn forget(&mut self, gone: &HashMap<Digest, (u64, u64)>, gaps: &Gaps) {
        self.layers.retain(|digest, _| !gone.contains_key(digest));
        self.staged.retain(|digest| !gone.contains_key(digest));
        for held in self.layers.values_mut() {
            held.offset = held.offset.map(|offset| gaps.moved(offset));
        }
    }

    /// The layers of images that were written whose bytes have the diff ID, by their entries.
    fn plain_layers(&self) -> Vec<(String, Digest)> {
        let layers = self.images.values().flat_map(|image| &image.layers);
        let plain = |held: &&StoredLayer| held.served.digest == held.stored.digest;
        let entry = |held: &StoredLayer| (held.file.clone(), held.stored.digest.clone());
        layers.filter_map(|layer| self.layers.get(layer)).filter(plain).map(entry).collect()
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
    Error::new(ErrorKind::Unexpected, "an earlier step of writing the archive panicked")
}

pub(crate) fn config_file(id: &Digest) -> String {
    format!("{}.json", id.encoded())
}

/// Longer digests are cut, so that the name fits in a plain header.
pub(crate) fn layer_file(diff_id: &Digest) -> String {
    match diff_id.encoded() {
        hex if hex.len() == 64 => format!("{hex}.tar"),
        hex => format!("{}-{:.64}.tar", diff_id.algorithm(), hex),
    }
}
