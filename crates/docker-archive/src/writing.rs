//! [`Writing`]: an archive being written, shared by its writer and its images.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use transship_archive::docker_save::{
    self, MANIFEST_NAME, REPOSITORIES_NAME, Repositories, SavedImage,
};
use transship_archive::{ArchiveOutput, Fate, Put, TarWriter};
use transship_core::{
    Body, CONFIG_LIMIT, Cancel, Digest, Error, ErrorKind, Expect, FileRange, ImageName, Result,
    Stored, WriteMode, WriteOptions, cancelled,
};

use crate::legacy::{self, LegacyLayer};
use crate::reference::Locator;

/// An archive being written. Its methods block but for [`turn`](Self::turn) and [`known`](Self::known).
#[derive(Debug)]
pub(crate) struct Writing {
    /// The archive, without a choice among its images.
    pub(crate) place: Locator,
    /// Whoever writes waits here for its turn, without a thread.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Locked as long as something is being written; empty when the archive is finished or abandoned.
    tar: Mutex<Option<OpenTar>>,
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

/// What is in the archive so far.
#[derive(Debug, Default)]
pub(crate) struct Known {
    layers: HashMap<Digest, Put>,
    /// In the order of their commits.
    images: Vec<Recorded>,
    by_id: HashMap<Digest, usize>,
    by_name: HashMap<ImageName, usize>,
}

/// An image that was committed.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) id: Digest,
    pub(crate) config_size: u64,
    /// Its diff IDs.
    pub(crate) layers: Vec<Digest>,
    names: Vec<ImageName>,
    /// The ID of its highest legacy folder, if it has layers.
    top: Option<String>,
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
    ///
    /// # Errors
    /// See [`ArchiveOutput::begin`].
    pub(crate) fn begin(place: Locator, how: &WriteOptions) -> Result<Self> {
        let mode = how.mode.unwrap_or(WriteMode::Create);
        let output = ArchiveOutput::begin(Path::new(&place.path), mode, how.spool.as_ref())?;
        let tar = TarWriter::new(&output);
        Ok(Self {
            place,
            turn: Arc::default(),
            tar: Mutex::new(Some(OpenTar { output, tar, folders: HashSet::new() })),
            known: Mutex::default(),
        })
    }

    /// Waits for the turn to write.
    pub(crate) async fn turn(&self) -> Turn {
        Turn(Arc::clone(&self.turn).lock_owned().await)
    }

    /// What is in the archive so far.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a layer, unless it is there: then its bytes are only checked.
    ///
    /// # Errors
    /// Those of the body, I/O errors, `Cancelled` when the archive was abandoned. The archive is as before.
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
            let chunks = body.chunks(cancel)?;
            if expected.is_some_and(|digest| self.known().layer(&digest).is_some()) {
                return chunks.finish();
            }
            let mut passed = None;
            let put = open.tar.put_stream(chunks, |stored| {
                passed = Some(stored.clone());
                let there = self.known().layer(&stored.digest).is_some();
                Ok(if there { Fate::Rewind } else { Fate::Keep(layer_file(&stored.digest)) })
            })?;
            if let Some(put) = put {
                self.known().layers.insert(put.stored.digest.clone(), put);
            }
            passed.ok_or_else(cancelled)
        })
    }

    /// Reads back a small blob that was put as a layer, because nobody said what it is.
    ///
    /// # Errors
    /// `NotFound` naming it, `LimitExceeded`, I/O errors.
    pub(crate) fn read_back(&self, digest: &Digest, turn: &Turn) -> Result<Bytes> {
        let Some(put) = self.known().layers.get(digest).cloned() else {
            let message = format!("the config {digest} was not put");
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        if put.stored.size > CONFIG_LIMIT {
            let size = put.stored.size;
            let message = format!("the config {digest} has {size} bytes, more than {CONFIG_LIMIT}");
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        let range = self.with_tar(turn, |open| open.tar.range(put.offset, put.stored.size))?;
        whole(&range)
    }

    /// Gives more names to an image that is there. They move here from others. Gives its position.
    pub(crate) fn add_names(&self, id: &Digest, names: &[ImageName]) -> Option<usize> {
        let mut known = self.known();
        let at = known.by_id.get(id).copied()?;
        known.name(at, names);
        Some(at)
    }

    /// Writes an image's config and legacy folders, and records it under names. They move here from earlier images.
    /// An image that is there gets the names in addition. Gives its position.
    ///
    /// # Errors
    /// `Corrupt` for a config that is no JSON object, I/O errors. The archive is as before.
    pub(crate) fn record(
        &self,
        image: NewImage,
        names: &[ImageName],
        turn: &Turn,
    ) -> Result<usize> {
        if let Some(at) = self.add_names(&image.id, names) {
            return Ok(at);
        }
        let folders =
            legacy::legacy_layers(&crate::config::fields(&image.config)?, &image.id, &image.layers);
        self.with_tar(turn, |open| {
            let start = open.tar.position();
            open.put_image(&image, &folders).inspect_err(|_| open.tar.rewind(start))?;
            open.folders.extend(folders.iter().map(|folder| folder.id.clone()));
            Ok(())
        })?;
        let mut known = self.known();
        let at = known.images.len();
        known.by_id.insert(image.id.clone(), at);
        known.images.push(Recorded {
            id: image.id,
            config_size: image.config.len() as u64,
            layers: image.layers,
            names: Vec::new(),
            top: folders.last().map(|folder| folder.id.clone()),
        });
        known.name(at, names);
        Ok(at)
    }

    /// Writes the documents and puts the archive in place.
    ///
    /// # Errors
    /// See [`ArchiveOutput::publish`]; `Cancelled` when it was abandoned. What was there is then as before.
    pub(crate) fn finish(&self, cancel: &Cancel) -> Result<()> {
        // Kept to the end, so that a drop waits for it.
        let mut tar = self.lock()?;
        let mut open = tar.take().ok_or_else(cancelled)?;
        cancel.check()?;
        let known = self.known();
        let manifest = docker_save::manifest_bytes(&known.saved());
        if manifest.len() as u64 > docker_save::MANIFEST_LIMIT {
            return Err(too_large(manifest.len()));
        }
        open.tar.put_bytes(MANIFEST_NAME, &manifest)?;
        let repositories = docker_save::repositories_bytes(&known.repositories());
        open.tar.put_bytes(REPOSITORIES_NAME, &repositories)?;
        drop(known);
        open.tar.finish()?;
        open.output.publish(cancel)
    }

    /// Waits for the last step, then removes what was staged. After [`finish`](Self::finish) there is nothing to do.
    pub(crate) fn abandon(&self) {
        drop(self.tar.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<OpenTar>>> {
        self.tar.lock().map_err(|_| {
            Error::new(ErrorKind::Unexpected, "an earlier step of writing the archive failed badly")
        })
    }

    fn with_tar<T>(&self, _turn: &Turn, step: impl FnOnce(&mut OpenTar) -> Result<T>) -> Result<T> {
        step(self.lock()?.as_mut().ok_or_else(cancelled)?)
    }
}

impl OpenTar {
    fn put_image(&mut self, image: &NewImage, folders: &[LegacyLayer]) -> Result<()> {
        self.tar.put_bytes(&config_file(&image.id), &image.config)?;
        for folder in folders.iter().filter(|folder| !self.folders.contains(&folder.id)) {
            let id = &folder.id;
            let target = format!("../{}", layer_file(&folder.layer));
            self.tar.put_bytes(&format!("{id}/VERSION"), legacy::VERSION)?;
            self.tar.put_bytes(&format!("{id}/json"), &folder.json)?;
            self.tar.put_symlink(&format!("{id}/layer.tar"), &target)?;
        }
        Ok(())
    }
}

impl Known {
    /// A layer, by its diff ID.
    pub(crate) fn layer(&self, digest: &Digest) -> Option<&Stored> {
        self.layers.get(digest).map(|put| &put.stored)
    }

    /// An image, by its ID.
    pub(crate) fn image(&self, id: &Digest) -> Option<&Recorded> {
        self.by_id.get(id).map(|at| &self.images[*at])
    }

    fn name(&mut self, at: usize, names: &[ImageName]) {
        for name in names {
            match self.by_name.insert(name.clone(), at) {
                Some(before) if before == at => continue,
                Some(before) => self.images[before].names.retain(|other| other != name),
                None => {}
            }
            self.images[at].names.push(name.clone());
        }
    }

    fn saved(&self) -> Vec<SavedImage> {
        let saved = |image: &Recorded| {
            let layers = image.layers.iter().map(layer_file).collect();
            SavedImage::new(config_file(&image.id), layers)
                .named(image.names.iter().map(ToString::to_string).collect())
        };
        self.images.iter().map(saved).collect()
    }

    fn repositories(&self) -> Repositories {
        let mut all = Repositories::new();
        for image in &self.images {
            let Some(top) = &image.top else { continue };
            // Names have tags, and a tag has no colon.
            for (repository, tag) in
                image.names.iter().filter_map(|name| name.as_str().rsplit_once(':'))
            {
                let tags = all.entry(repository.to_owned()).or_default();
                tags.insert(tag.to_owned(), top.clone());
            }
        }
        all
    }
}

fn too_large(len: usize) -> Error {
    let limit = docker_save::MANIFEST_LIMIT;
    let message = format!("its {MANIFEST_NAME} would have {len} bytes, more than {limit}");
    Error::new(ErrorKind::LimitExceeded, message).hint("write fewer images to one archive")
}

fn config_file(id: &Digest) -> String {
    format!("{}.json", id.digest())
}

/// Longer digests are cut, so that the name fits in a plain header.
fn layer_file(diff_id: &Digest) -> String {
    match diff_id.digest() {
        hex if hex.len() == 64 => format!("{hex}.tar"),
        hex => format!("{}-{:.64}.tar", diff_id.algorithm(), hex),
    }
}

fn whole(range: &FileRange) -> Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(range.len()).unwrap_or(usize::MAX)];
    range.read_at(0, &mut bytes)?;
    Ok(bytes.into())
}
