//! A layout in a tar, being written: blobs as they come, then the documents.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use transship_archive::docker_save::MANIFEST_NAME;
use transship_archive::layout::{
    BLOBS, INDEX_FILE, LAYOUT_BYTES, LAYOUT_FILE, LayoutIndex, blob_path,
};
use transship_archive::{ArchiveOutput, Fate, TarWriter};
use transship_core::{
    Body, Cancel, Digest, DigestAlgorithm, Error, ErrorKind, Expect, FileRange, Observer, Result,
    Stored, WriteMode, WriteOptions,
};

use super::Store;
use crate::write::{NewImage, enter_all, manifest_json};

/// A layout in a tar, being written.
#[derive(Debug)]
pub(crate) struct TarStore {
    docker_manifest: bool,
    observer: Observer,
    /// `None` when it is published or closed.
    output: Mutex<Option<Output>>,
    /// Where the blobs are: offset and size. Looked at while a blob is being written, too.
    put: Mutex<BTreeMap<String, (u64, u64)>>,
}

#[derive(Debug)]
struct Output {
    archive: ArchiveOutput,
    tar: TarWriter,
    folders: Vec<DigestAlgorithm>,
}

impl TarStore {
    /// Begins the tar; nothing shows.
    ///
    /// # Errors
    /// `AlreadyExists`, `Unsupported` for [`WriteMode::Append`], I/O errors.
    pub(crate) fn open(
        path: &Path,
        docker_manifest: bool,
        mode: WriteMode,
        how: &WriteOptions,
    ) -> Result<Self> {
        let archive = ArchiveOutput::begin(path, mode, how.spool.as_ref())?;
        let tar = TarWriter::new(&archive);
        let output = Output { archive, tar, folders: Vec::new() };
        let observer = how.observer.clone();
        Ok(Self {
            docker_manifest,
            observer,
            output: Mutex::new(Some(output)),
            put: Mutex::default(),
        })
    }

    fn put(&self) -> MutexGuard<'_, BTreeMap<String, (u64, u64)>> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_output<T>(&self, work: impl FnOnce(&mut Output) -> Result<T>) -> Result<T> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        match output.as_mut() {
            Some(output) => work(output),
            None => Err(finished()),
        }
    }
}

impl Output {
    /// The folders above a blob, once each.
    fn put_folders(&mut self, algorithm: &DigestAlgorithm) -> Result<()> {
        if self.folders.is_empty() {
            self.tar.put_folder(BLOBS)?;
        }
        if !self.folders.contains(algorithm) {
            self.tar.put_folder(&format!("{BLOBS}/{algorithm}"))?;
            self.folders.push(algorithm.clone());
        }
        Ok(())
    }
}

impl Store for TarStore {
    fn has(&self, want: &Expect, _cancel: &Cancel) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let size = self.put().get(digest.as_ref()).map(|(_, size)| *size);
        let fits = size.filter(|size| want.size.is_none_or(|want| want == *size));
        Ok(fits.map(|size| Stored::new(digest.clone(), size)))
    }

    fn put(&self, body: Body, cancel: &Cancel) -> Result<Stored> {
        self.with_output(|output| {
            let digest = body.expected().digest.clone();
            let is_there = |digest: &Digest| self.put().contains_key(digest.as_ref());
            if digest.as_ref().is_some_and(is_there) {
                return body.chunks(cancel)?.finish();
            }
            let algorithm =
                digest.as_ref().map_or(DigestAlgorithm::Sha256, |d| d.algorithm().clone());
            let chunks = body.chunks(cancel)?;
            output.put_folders(&algorithm)?;
            let (stored, offset) = if let Some(digest) = digest {
                let put = output.tar.put_stream_as(&blob_path(&digest), chunks)?;
                (put.stored, Some(put.offset))
            } else {
                let mut passed = None;
                let put = output.tar.put_stream(chunks, |stored| {
                    passed = Some(stored.clone());
                    Ok(if is_there(&stored.digest) {
                        Fate::Rewind
                    } else {
                        Fate::Keep(blob_path(&stored.digest))
                    })
                })?;
                (passed.ok_or_else(finished)?, put.map(|put| put.offset))
            };
            if let Some(offset) = offset {
                self.put().insert(stored.digest.to_string(), (offset, stored.size));
            }
            Ok(stored)
        })
    }

    fn read(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let place = self.put().get(digest.as_ref()).copied();
        let Some((offset, size)) = place else { return Ok(None) };
        self.with_output(|output| output.tar.range(offset, size)).map(Some)
    }

    fn publish(&self, images: &[NewImage], cancel: &Cancel) -> Result<()> {
        let mut index = LayoutIndex::new();
        enter_all(&mut index, images, &|_| Ok(false))?;
        let docker = if self.docker_manifest {
            Some(manifest_json(self, images, &self.observer)?)
        } else {
            None
        };
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Output { archive, mut tar, .. } = output.ok_or_else(finished)?;
        tar.put_bytes(INDEX_FILE, &index.to_bytes())?;
        if let Some(docker) = docker {
            tar.put_bytes(MANIFEST_NAME, &docker)?;
        }
        tar.put_bytes(LAYOUT_FILE, LAYOUT_BYTES)?;
        tar.finish()?;
        archive.publish(cancel)
    }

    fn close(&self) {
        *self.output.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn finished() -> Error {
    Error::new(ErrorKind::Unexpected, "the archive is not being written any more")
}
