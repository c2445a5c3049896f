//! A layout in a tar, being written: blobs as they come, then the documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transship_archive::docker_save::{
    MANIFEST_LIMIT as DOCKER_LIMIT, MANIFEST_NAME, SavedEntry, entries_bytes, parse_entries,
};
use transship_archive::layout::{BLOBS, INDEX_FILE, LAYOUT_BYTES, LAYOUT_FILE, blob_path};
use transship_archive::{
    ArchiveOutput, Base, Compressor, Decision, Gaps, OutputOptions, TarWriter,
};
use transship_core::{
    Body, Cancel, Descriptor, Digest, DigestAlgorithm, Error, ErrorKind, Expect, FileRange,
    MANIFEST_LIMIT, Manifest, Result, ResultExt, Stored, WriteMode, WriteOptions, cancelled,
    parse_digest,
};
use transship_local::LockWait;

use super::{Store, TarStorage};
use crate::layout::Layout;
use crate::write::docker::{self, Images, Loadable};
use crate::write::{NewImage, enter_all};

/// What is written anew when an archive is joined.
const DOCUMENTS: &[&str] = &[INDEX_FILE, MANIFEST_NAME];

/// A layout in a tar, being written.
#[derive(Debug)]
pub(crate) struct TarStore {
    docker_manifest: bool,
    wait: LockWait,
    /// The archive that is joined, as it was in the beginning.
    base: Option<Arc<Base>>,
    output: Mutex<Output>,
    /// Where the blobs are: offset and size. Looked at while a blob is being written, too.
    put: Mutex<BTreeMap<String, (u64, u64)>>,
    /// Those that were put before it was known which images need them.
    staged: Mutex<BTreeSet<String>>,
    /// Whether blobs can be taken out again.
    stages: bool,
    /// Blobs of the base that were found true.
    found: Mutex<BTreeMap<String, u64>>,
}

#[derive(Debug)]
struct Output {
    archive: ArchiveOutput,
    tar: TarWriter,
    folders: Vec<DigestAlgorithm>,
}

impl TarStore {
    /// Begins the tar; nothing shows.
    pub(crate) fn open(
        path: &Path,
        (docker_manifest, compressor): (bool, Option<Compressor>),
        mode: WriteMode,
        how: &WriteOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let (spool, cache) = (how.spool.clone(), how.cache.clone());
        let options = OutputOptions { documents: DOCUMENTS, spool, compressor, cache };
        let (archive, tar) = ArchiveOutput::begin(path, mode, &options, cancel)?;
        let base = archive.base().cloned();
        if let Some(base) = &base {
            // Before anything is copied.
            layout_of(base, cancel)?;
            if docker_manifest {
                docker_entries(Some(base))?;
            }
        }
        let stages = archive.takes_back(&tar);
        let output = Output { archive, tar, folders: Vec::new() };
        Ok(Self {
            docker_manifest,
            stages,
            wait: LockWait::from(how),
            base,
            output: Mutex::new(output),
            put: Mutex::default(),
            staged: Mutex::default(),
            found: Mutex::default(),
        })
    }

    fn put(&self) -> MutexGuard<'_, BTreeMap<String, (u64, u64)>> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn staged(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what was staged and is not wanted.
    fn take_out(
        &self,
        output: &mut Output,
        wanted: &BTreeSet<&str>,
        cancel: &Cancel,
    ) -> Result<()> {
        let (mut staged, mut put) = (self.staged(), self.put());
        let gone = |digest: &&String| !wanted.contains(digest.as_str());
        let gone: Vec<String> = staged.iter().filter(gone).cloned().collect();
        let gaps = Gaps::of(gone.iter().filter_map(|digest| put.get(digest)).copied());
        output.archive.take_out(&mut output.tar, &gaps, cancel)?;
        for digest in &gone {
            staged.remove(digest);
            put.remove(digest);
        }
        for (offset, _) in put.values_mut() {
            *offset = gaps.moved(*offset);
        }
        Ok(())
    }

    fn with_output<T>(&self, work: impl FnOnce(&mut Output) -> Result<T>) -> Result<T> {
        work(&mut self.output.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The size of a blob that is known: put, or found true before.
    fn known(&self, digest: &Digest) -> Option<u64> {
        let put = self.put().get(digest.as_ref()).map(|(_, size)| *size);
        put.or_else(|| self.found().get(digest.as_ref()).copied())
    }

    /// The entries of blobs that are known.
    fn entries(&self, wanted: &BTreeSet<&str>) -> Result<Vec<(String, Digest)>> {
        let digests = wanted.iter().map(|digest| parse_digest(digest));
        let known =
            digests.filter(|digest| !digest.as_ref().is_ok_and(|d| self.known(d).is_none()));
        known.map(|digest| digest.map(|digest| (blob_path(&digest), digest))).collect()
    }

    /// Whether a blob is put, or true in the base.
    fn is_here(&self, digest: &Digest, cancel: &Cancel) -> Result<bool> {
        if self.known(digest).is_some() {
            return Ok(true);
        }
        let Some(base) = &self.base else { return Ok(false) };
        let Some(stored) = base.true_entry(&blob_path(digest), digest, cancel)? else {
            return Ok(false);
        };
        self.found().insert(digest.to_string(), stored.size);
        Ok(true)
    }

    /// Puts a blob, unless it turns out to be here. Gives where its bytes are if it was not.
    fn put_new(
        &self,
        output: &mut Output,
        body: Body,
        cancel: &Cancel,
    ) -> Result<(Stored, Option<u64>)> {
        let digest = body.expected().digest.clone();
        let algorithm = digest.as_ref().map_or(DigestAlgorithm::Sha256, |d| d.algorithm().clone());
        let chunks = body.chunks(cancel)?;
        output.put_folders(&algorithm, self.base.as_deref())?;
        if let Some(digest) = digest {
            let put = output.tar.put_stream_as(&blob_path(&digest), chunks)?;
            return Ok((put.stored, Some(put.offset)));
        }
        let mut passed = None;
        let put = output.tar.put_stream(chunks, |stored| {
            passed = Some(stored.clone());
            Ok(if self.is_here(&stored.digest, cancel)? {
                Decision::Rewind
            } else {
                Decision::Keep(blob_path(&stored.digest))
            })
        })?;
        Ok((passed.ok_or_else(cancelled)?, put.map(|put| put.offset)))
    }

    /// What docker can load of the new images, by their digest.
    fn loadable(&self, images: &[NewImage]) -> Result<HashMap<String, Option<Loadable>>> {
        let manifest = |of: &Descriptor| self.manifest(of);
        let holds = |digest: &Digest| Ok(self.known(digest).is_some());
        let seen = docker::Seen { manifest: &manifest, holds: &holds };
        let mut all = HashMap::new();
        for image in images {
            let loadable = Loadable::of(&seen, &image.entry)?;
            let loadable = loadable.map(|all| all.preferring(image.platform.as_ref()));
            all.insert(image.entry.digest.to_string(), loadable);
        }
        docker::warn_of_zstd(all.values().flatten(), self.wait.observer());
        Ok(all)
    }

    /// A manifest that is there and is one.
    fn manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        let Some(range) = self.read(&of.digest)?.filter(|range| range.len() <= MANIFEST_LIMIT)
        else {
            return Ok(None);
        };
        let bytes = range.bytes(MANIFEST_LIMIT, "the manifest")?;
        // Content of other types is nothing that docker takes.
        Ok(Manifest::verified(of, bytes).ok())
    }

    /// Writes the documents of an archive with these images, beside those of a base.
    fn put_documents(
        &self,
        tar: &mut TarWriter,
        base: Option<&Arc<Base>>,
        images: &[NewImage],
        ours: &HashMap<String, Option<Loadable>>,
        cancel: &Cancel,
    ) -> Result<()> {
        let layout = base.map(|base| layout_of(base, cancel)).transpose()?;
        let old = layout.as_ref().map(|layout| layout.index().clone()).unwrap_or_default();
        let mut index = old.clone();
        let is_referrer = |entry: &Descriptor| match &layout {
            Some(layout) => Ok(layout.subject(entry)?.is_some()),
            None => Ok(false),
        };
        enter_all(&mut index, images, &is_referrer)?;
        index.change_needs([], |digest| {
            let in_base =
                |digest: &Digest| base.is_some_and(|b| b.index().contains(&blob_path(digest)));
            !self.put().contains_key(digest) && !parse_digest(digest).is_ok_and(|d| in_base(&d))
        });
        tar.put_bytes(INDEX_FILE, &index.to_file()?)?;
        if self.docker_manifest {
            let referrers = images.iter().flat_map(|image| &image.referrers);
            let ours_about = referrers.map(|referrer| referrer.digest.to_string()).collect();
            let images =
                Images { old: &old, new: &index, ours, ours_about, layout: layout.as_ref() };
            let observer = self.wait.observer();
            let manifest = docker::manifest_json(&images, docker_entries(base)?, observer)?;
            tar.put_bytes(MANIFEST_NAME, &entries_bytes(&manifest))?;
        }
        match base {
            Some(base) if base.index().contains(LAYOUT_FILE) => Ok(()),
            _ => tar.put_bytes(LAYOUT_FILE, LAYOUT_BYTES),
        }
    }

    /// Makes sure of the blobs that we need of a base that is not the one that they were found in.
    fn make_sure(
        &self,
        tar: &mut TarWriter,
        base: Option<&Arc<Base>>,
        wanted: &BTreeSet<&str>,
        cancel: &Cancel,
    ) -> Result<()> {
        for digest in wanted {
            cancel.check()?;
            let digest = parse_digest(digest)?;
            let name = blob_path(&digest);
            let expect = Expect::digest(digest.clone());
            if let Some(base) = base.filter(|base| base.index().contains(&name)) {
                if base.true_entry(&name, &digest, cancel)?.is_none() {
                    let message =
                        format!("the archive was replaced by one whose {name} is corrupt");
                    return Err(Error::new(ErrorKind::Conflict, message).hint("copy again"));
                }
            } else if !self.put().contains_key(digest.as_ref())
                && let Some(from) = self.read(&digest)?
            {
                // It was in the archive that we joined first, and that one has gone.
                let chunks = Body::from_file(from).expecting(&expect)?.chunks(cancel)?;
                tar.put_stream_as(&name, chunks)?;
            }
        }
        Ok(())
    }
}

impl Output {
    /// The folders above a blob, once each.
    fn put_folders(&mut self, algorithm: &DigestAlgorithm, base: Option<&Base>) -> Result<()> {
        let there = |name: &str| base.is_some_and(|base| base.index().contains(name));
        if self.folders.is_empty() && !there(BLOBS) {
            self.tar.put_folder(BLOBS)?;
        }
        if !self.folders.contains(algorithm) {
            let folder = format!("{BLOBS}/{algorithm}");
            if !there(&folder) {
                self.tar.put_folder(&folder)?;
            }
            self.folders.push(algorithm.clone());
        }
        Ok(())
    }
}

impl Store for TarStore {
    fn has(&self, want: &Expect, cancel: &Cancel) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        self.is_here(digest, cancel)?;
        Ok(self.known(digest).and_then(|size| want.of_size(size)))
    }

    fn put(&self, body: Body, cancel: &Cancel) -> Result<Stored> {
        self.with_output(|output| {
            output.tar.set_cancel(cancel);
            if let Some(digest) = body.expected().digest.clone()
                && self.is_here(&digest, cancel)?
            {
                return body.chunks(cancel)?.finish();
            }
            let (stored, offset) = self.put_new(output, body, cancel)?;
            if let Some(offset) = offset {
                let name = blob_path(&stored.digest);
                self.put().insert(stored.digest.to_string(), (offset, stored.size));
                // One that is there and was not found true.
                if self.base.as_ref().is_some_and(|base| base.index().contains(&name)) {
                    output.archive.replace(&name);
                }
            }
            Ok(stored)
        })
    }

    fn stages(&self) -> bool {
        self.stages
    }

    fn stage(&self, body: Body, cancel: &Cancel) -> Result<(Stored, Option<FileRange>)> {
        let stored = Store::put(self, body, cancel)?;
        self.staged().insert(stored.digest.to_string());
        let bytes = self.read(&stored.digest)?;
        Ok((stored, bytes))
    }

    fn read(&self, digest: &Digest) -> Result<Option<FileRange>> {
        let place = self.put().get(digest.as_ref()).copied();
        if let Some((offset, size)) = place {
            return self.with_output(|output| output.tar.range(offset, size));
        }
        let is_found = self.found().contains_key(digest.as_ref());
        Ok(self.base.as_ref().filter(|_| is_found).and_then(|base| blob(base, digest)))
    }

    fn joined(&self, cancel: &Cancel) -> Result<Option<Layout>> {
        self.base.as_ref().map(|base| layout_of(base, cancel)).transpose()
    }

    fn publish(&mut self, images: &[NewImage], cancel: &Cancel) -> Result<()> {
        let ours = if self.docker_manifest { self.loadable(images)? } else { HashMap::new() };
        let wanted: BTreeSet<&str> =
            images.iter().flat_map(|image| &image.reached).map(String::as_str).collect();
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_out(&mut output, &wanted, cancel)?;
        let Output { archive, tar, .. } = &mut *output;
        let mut documents = |base: Option<&Arc<Base>>, tar: &mut TarWriter| {
            if base.map(Arc::as_ptr) != self.base.as_ref().map(Arc::as_ptr) {
                self.make_sure(tar, base, &wanted, cancel)?;
            }
            self.put_documents(tar, base, images, &ours, cancel)
        };
        archive.publish(tar, &mut documents, &self.wait, cancel)?;
        archive.note(&self.entries(&wanted)?);
        Ok(())
    }
}

/// The layout in an archive that is joined.
pub(crate) fn layout_of(base: &Arc<Base>, cancel: &Cancel) -> Result<Layout> {
    Layout::open(Box::new(TarStorage::new(Arc::clone(base.index()))), cancel).map_err(|e| {
        let of_docker = base.index().contains(MANIFEST_NAME);
        match e.kind() {
            ErrorKind::NotFound if of_docker => Error::new(ErrorKind::Unsupported, e.to_string())
                .hint("it is an archive of docker save: write to it as docker-archive:"),
            _ => e,
        }
    })
}

/// What `manifest.json` lists, if there is one.
pub(crate) fn docker_entries(base: Option<&Arc<Base>>) -> Result<Vec<SavedEntry>> {
    let Some(base) = base.filter(|base| base.index().contains(MANIFEST_NAME)) else {
        return Ok(Vec::new());
    };
    let bytes = base.index().document(MANIFEST_NAME, DOCKER_LIMIT, "the list of images")?;
    parse_entries(&bytes).context(|| MANIFEST_NAME)
}

fn blob(base: &Base, digest: &Digest) -> Option<FileRange> {
    base.index().get(&blob_path(digest)).ok()
}
