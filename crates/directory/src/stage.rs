//! [`Stage`]: what has been put and does not show yet.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use transship_core::{
    Available, Body, Cancel, Descriptor, Digest, DigestAlgorithm, Error, ErrorKind, Expect,
    Manifest, Observer, Result, Stored, cancelled,
};
use transship_local::{CheckOld, Publish, StagedFile, StagedFolder, write_body};

use crate::format::{
    MANIFEST, MANIFEST_SUFFIX, SIGNATURES, SIGNATURES_SIZE, VERSION, name_of, signature_name,
    version_text, write_file,
};

/// What has been put.
#[derive(Debug, Default)]
pub(crate) struct Put {
    /// Blobs and their sizes.
    pub blobs: HashMap<Digest, u64>,
    /// Manifests below the root, and referrers.
    pub manifests: HashMap<Digest, Manifest>,
}

impl Available for Put {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        Ok(self.blobs.get(&of.digest).copied())
    }
}

/// Signatures by manifest; `None` is the root.
type SignaturesOf = HashMap<Option<Digest>, Vec<Bytes>>;

/// A folder being filled. It is made with the first thing that is put there.
#[derive(Debug)]
pub(crate) struct Stage {
    target: PathBuf,
    observer: Observer,
    folder: Mutex<Option<StagedFolder>>,
    path: OnceLock<PathBuf>,
    held: Mutex<Put>,
    signatures: Mutex<SignaturesOf>,
}

impl Stage {
    pub(crate) fn new(target: PathBuf, observer: Observer) -> Self {
        Self {
            target,
            observer,
            folder: Mutex::default(),
            path: OnceLock::new(),
            held: Mutex::default(),
            signatures: Mutex::default(),
        }
    }

    /// What is in it.
    pub(crate) fn held(&self) -> MutexGuard<'_, Put> {
        lock(&self.held)
    }

    pub(crate) fn put_blob(&self, expect: &Expect, body: Body, cancel: &Cancel) -> Result<Stored> {
        let body = body.expecting(expect)?;
        let folder = self.folder(cancel)?;
        let file = StagedFile::in_folder(folder)?;
        let stored = write_body(body, file.file(), file.path(), cancel)?;
        file.place_unsynced(&folder.join(name_of(&stored.digest)))?;
        self.held().blobs.insert(stored.digest.clone(), stored.size);
        Ok(stored)
    }

    pub(crate) fn put_manifest(&self, manifest: &Manifest, cancel: &Cancel) -> Result<()> {
        let digest = &manifest.descriptor().digest;
        let name = name_of(digest) + MANIFEST_SUFFIX;
        write_file(self.folder(cancel)?, &name, manifest.bytes())?;
        self.held().manifests.insert(digest.clone(), manifest.clone());
        Ok(())
    }

    pub(crate) fn put_signatures(&self, of: Option<Digest>, signatures: Vec<Bytes>) -> Result<()> {
        let mut all = lock(&self.signatures);
        let others = all.iter().filter(|(manifest, _)| **manifest != of);
        let new = others.flat_map(|(_, signatures)| signatures).chain(&signatures);
        let size: u64 = new.map(|signature| signature.len() as u64).sum();
        if size > SIGNATURES_SIZE || signatures.len() >= SIGNATURES {
            let message = format!(
                "a folder holds less than {SIGNATURES} signatures of a manifest, and {SIGNATURES_SIZE} bytes of them in all"
            );
            return Err(Error::new(ErrorKind::LimitExceeded, message));
        }
        all.insert(of, signatures);
        Ok(())
    }

    /// Writes the root and shows all of it, unless something is wrong with what it replaces.
    pub(crate) fn publish(
        &mut self,
        root: &Manifest,
        how: Publish,
        check_old: &CheckOld<'_>,
        cancel: &Cancel,
    ) -> Result<()> {
        let folder = self.folder(cancel)?;
        let mut signatures = std::mem::take(&mut *lock(&self.signatures));
        // Those of the root may have been put under its digest.
        let digest = &root.descriptor().digest;
        if let Some(of_root) = signatures.remove(&Some(digest.clone())) {
            signatures.entry(None).or_default().extend(of_root);
        }
        for (of, signatures) in &signatures {
            let name = of.as_ref().map(name_of);
            for (at, signature) in signatures.iter().enumerate() {
                write_file(folder, &signature_name(name.as_deref(), at + 1), signature)?;
            }
        }
        let sha256 = |digest: &Digest| *digest.algorithm() == DigestAlgorithm::Sha256;
        let all_sha256 = {
            let held = self.held();
            held.blobs.keys().chain(held.manifests.keys()).all(sha256)
        };
        write_file(folder, MANIFEST, root.bytes())?;
        write_file(folder, VERSION, version_text(all_sha256).as_bytes())?;
        match &mut *lock(&self.folder) {
            Some(folder) => folder.publish_over(how, check_old, cancel),
            None => Err(cancelled()),
        }
    }

    fn folder(&self, cancel: &Cancel) -> Result<&Path> {
        let mut folder = lock(&self.folder);
        if let Some(path) = self.path.get() {
            return Ok(path);
        }
        let made = StagedFolder::beside(&self.target, cancel)?.with_observer(&self.observer);
        let path = self.path.get_or_init(|| made.path().to_owned());
        *folder = Some(made);
        Ok(path)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
