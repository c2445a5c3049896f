//! [`Destination`]: an image being written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Accepts, AcceptsManifests, AcceptsNames, Body, Commit, Committed, Contents, Deltas, Descriptor,
    Digest, Error, ErrorKind, Expect, ImageDestination, ImageName, Manifest, MediaType, PutBeside,
    PutSignatures, Reference, Result, Shows, Stored, TagsMove, WriteMode, sha256,
};

use super::archive::{Archive, Image, Parts, Signed};
use super::{Formats, Locator, Memory, Room, Select, tars};
use crate::Layers;

/// More than an image in memory should have.
const LIMIT: u64 = 1 << 30;

/// An image being written. All of it is here until the commit, so there is nothing to clean up on drop.
#[derive(Debug)]
pub(super) struct Destination {
    place: Locator,
    reference: Reference,
    names: Vec<ImageName>,
    accepts: Accepts,
    /// What is in the archive already.
    there: Parts,
    put: Mutex<Parts>,
    signatures: Mutex<HashMap<Option<Digest>, Vec<Bytes>>>,
    beside: Mutex<BTreeMap<String, Manifest>>,
    /// What is there already, where it is added to.
    base: Archive,
    /// What had tags when they were asked for.
    asked: Mutex<HashMap<String, Option<Digest>>>,
    /// Where other places are.
    memory: Memory,
    target: Target,
}

/// What a commit adds the image to.
#[derive(Debug)]
pub(super) enum Target {
    /// The archive that shows.
    Place { memory: Memory, mode: WriteMode },
    /// The one that a writer is writing.
    Writer(Arc<Mutex<Archive>>),
}

impl Destination {
    pub(super) fn new(
        place: Locator,
        mut names: Vec<ImageName>,
        base: &Archive,
        memory: Memory,
        target: Target,
    ) -> Self {
        let mut seen = Vec::new();
        names.retain(|name| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
        let select = names.first().cloned().map_or(Select::Sole, Select::Name);
        let mut accepts = Accepts::anything();
        accepts.deltas = Deltas::Accepted;
        if matches!(target, Target::Writer(_)) {
            accepts.shows = Shows::AtFinish;
        }
        if memory.formats == Formats::Oci {
            let types = vec![MediaType::ImageManifest, MediaType::ImageIndex];
            accepts.manifests = AcceptsManifests::Only(types);
        }
        if memory.room == Room::One {
            accepts.names = AcceptsNames::None;
        }
        let (reference, there) = (place.with(select).reference(), base.parts());
        let (put, signatures, beside) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self {
            place,
            reference,
            names,
            accepts,
            there,
            put,
            signatures,
            beside,
            base: base.clone(),
            asked: Mutex::default(),
            memory,
            target,
        }
    }

    fn check_types<'m>(&self, mut all: impl Iterator<Item = &'m Manifest>) -> Result<()> {
        let Some(other) = all.find(|m| !self.accepts.takes(&m.descriptor().media_type)) else {
            return Ok(());
        };
        let what = format!(
            "{} takes no manifest of type {}",
            self.reference,
            other.descriptor().media_type
        );
        Err(Error::new(ErrorKind::Unsupported, what))
    }

    fn put(&self) -> MutexGuard<'_, Parts> {
        self.put.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<String, Option<Digest>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that a root may refer to: what was put, and what is there.
    fn parts(&self) -> Parts {
        let mut parts = self.there.clone();
        if let Target::Writer(archive) = &self.target {
            parts.take_in(&lock(archive).parts());
        }
        parts.take_in(&self.put());
        parts
    }

    /// Those that were put, the root's under its digest.
    fn signed(&self, root: &Digest) -> Signed {
        let signatures = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |of: &Option<Digest>| of.clone().unwrap_or_else(|| root.clone());
        signatures.iter().map(|(digest, all)| (of(digest), all.clone())).collect()
    }
}

fn lock(archive: &Mutex<Archive>) -> MutexGuard<'_, Archive> {
    archive.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ImageDestination for Destination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn names(&self) -> &[ImageName] {
        &self.names
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let found = self.parts().blobs.get(digest).map(|bytes| bytes.len() as u64);
        Ok(found.and_then(|size| want.of_size(size)))
    }

    async fn take_from(&self, want: &Expect, from: &Reference) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let Some(bytes) = self.memory.blob(digest, from) else { return Ok(None) };
        let size = bytes.len() as u64;
        if want.size.is_some_and(|want| want != size) {
            return Ok(None);
        }
        self.put().blobs.insert(digest.clone(), bytes);
        Ok(Some(Stored::new(digest.clone(), size)))
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let body = body.expecting(&expect).map_err(|e| e.context(&self.reference))?;
        let expect = body.expected().clone();
        let bytes = body.bytes(LIMIT).await.map_err(|e| e.context(&self.reference))?;
        let digest = match expect.digest {
            Some(verified) => verified,
            None => sha256(&bytes),
        };
        let stored = Stored::new(digest, bytes.len() as u64);
        self.put().blobs.insert(stored.digest.clone(), bytes);
        Ok(stored)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.put().put_manifest(manifest);
        Ok(())
    }

    fn signatures(&self) -> Option<&dyn PutSignatures> {
        Some(self)
    }

    fn beside(&self) -> Option<&dyn PutBeside> {
        (self.memory.room == Room::Many).then_some(self as &dyn PutBeside)
    }

    fn contents(&self) -> Option<&dyn Contents> {
        Some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        let (parts, about) = (self.parts(), self.put().about.clone());
        what.check_complete(&about, &parts).map_err(|e| e.context(&self.reference))?;
        self.check_types(parts.manifests.values().chain([what.root]))?;
        if self.memory.layers == Layers::Tars {
            let below = parts.manifests.values();
            tars::check(&parts, below.chain([what.root]))
                .map_err(|e| e.context(&self.reference))?;
        }
        let needs = what.needs.iter().map(|needed| &needed.digest);
        let needs: HashSet<_> = needs.filter(|needed| !parts.has(needed)).cloned().collect();
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut parts = parts.of([what.root].into_iter().chain(beside.values()));
        parts.manifests.retain(|digest, _| !needs.contains(digest));
        let signatures = self.signed(&what.root.descriptor().digest);
        let root = what.root.clone();
        let (names, asked) = (self.names.clone(), self.asked().clone());
        let image = Image { root, names, parts, signatures, beside, asked, needs };
        let mut position = 0;
        let add = |archive: &mut Archive| {
            position = archive.add(image)?;
            Ok(())
        };
        match &self.target {
            Target::Place { memory, mode } => memory.change(&self.place.place, *mode, add)?,
            Target::Writer(archive) => add(&mut lock(archive))?,
        }
        let selected = self.names.iter().cloned().map(Select::Name);
        let mut references: Vec<_> =
            selected.map(|name| self.place.with(name).reference()).collect();
        if references.is_empty() {
            let select = match self.memory.room {
                Room::Many => Select::Index(position),
                Room::One => Select::Sole,
            };
            references.push(self.place.with(select).reference());
        }
        Ok(Committed::new(what.root.descriptor().clone(), references))
    }
}

#[async_trait]
impl PutSignatures for Destination {
    async fn put_signatures(&self, of: Option<&Digest>, signatures: Vec<Bytes>) -> Result<()> {
        let mut all = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(of.cloned(), signatures);
        Ok(())
    }
}

#[async_trait]
impl PutBeside for Destination {
    async fn put_beside(&self, tag: &str, root: &Manifest) -> Result<()> {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.insert(tag.to_owned(), root.clone());
        Ok(())
    }

    async fn beside(&self, tag: &str) -> Result<Vec<Manifest>> {
        let written = match &self.target {
            Target::Writer(archive) => lock(archive).beside(tag).cloned(),
            Target::Place { .. } => None,
        };
        let there = written.or_else(|| self.base.beside(tag).cloned());
        let digest = there.as_ref().map(|there| there.descriptor().digest.clone());
        self.asked().entry(tag.to_owned()).or_insert(digest);
        Ok(there.into_iter().collect())
    }

    fn tags_move(&self) -> TagsMove {
        TagsMove::IfUnchanged
    }

    async fn blob_beside(&self, of: &Descriptor) -> Result<Body> {
        let read = Contents::read(self, of).await?;
        read.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{} is not here", of.digest)))
    }
}

#[async_trait]
impl Contents for Destination {
    async fn read(&self, of: &Descriptor) -> Result<Option<Body>> {
        let parts = self.parts();
        let manifest = || parts.manifests.get(&of.digest).map(|manifest| manifest.bytes().clone());
        let found = parts.blobs.get(&of.digest).cloned().or_else(manifest);
        found.map(|bytes| Body::from_bytes(bytes).expecting(&Expect::from(of))).transpose()
    }
}
