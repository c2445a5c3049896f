//! What a registry holds, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::{Bytes, BytesMut};
use transship_core::{Digest, Hasher, Result, sha256};

/// Blobs are kept in pieces of this size: a large one is never copied as a whole.
const PIECE: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Store {
    blobs: HashMap<String, Blob>,
    repositories: BTreeMap<String, Repository>,
    sessions: HashMap<String, Session>,
    serial: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Blob {
    pub(super) pieces: Vec<Bytes>,
    pub(super) size: u64,
}

#[derive(Debug, Default)]
pub(super) struct Repository {
    blobs: BTreeSet<String>,
    pub(super) manifests: BTreeMap<String, StoredManifest>,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(super) struct StoredManifest {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) repository: String,
    /// Part of each `Location` that was given out: a client that drops the query is found out.
    pub(super) state: String,
    blob: Blob,
    tail: BytesMut,
    /// The last chunk was smaller than allowed, so nothing may follow.
    pub(super) ended: bool,
}

impl Store {
    pub(super) fn repositories(&self) -> impl Iterator<Item = &str> {
        self.repositories.iter().filter(|(_, held)| !held.is_empty()).map(|(name, _)| name.as_str())
    }

    pub(super) fn repository(&self, name: &str) -> Option<&Repository> {
        self.repositories.get(name).filter(|held| !held.is_empty())
    }

    pub(super) fn repository_mut(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(super) fn blob(&self, repository: &str, digest: &str) -> Option<&Blob> {
        let linked = self.repositories.get(repository)?.blobs.contains(digest);
        linked.then(|| self.blobs.get(digest)).flatten()
    }

    pub(super) fn put_blob(&mut self, repository: &str, digest: &str, blob: Blob) {
        self.blobs.insert(digest.to_owned(), blob);
        self.link(repository, digest);
    }

    /// Links a blob, which is somewhere here, to a repository.
    pub(super) fn link(&mut self, repository: &str, digest: &str) {
        self.repository_mut(repository).blobs.insert(digest.to_owned());
    }

    /// The bytes stay while another repository has them.
    pub(super) fn unlink(&mut self, repository: &str, digest: &str) -> bool {
        let removed = self.repository_mut(repository).blobs.remove(digest);
        if !self.repositories.values().any(|held| held.blobs.contains(digest)) {
            self.blobs.remove(digest);
        }
        removed
    }

    /// A repository other than one's own that has the blob.
    pub(super) fn anywhere(&self, digest: &str) -> Option<&str> {
        let mut holding = self.repositories.iter().filter(|(_, held)| held.blobs.contains(digest));
        holding.next().map(|(name, _)| name.as_str())
    }

    /// Opens a session; the result is its identifier.
    pub(super) fn open(&mut self, repository: &str) -> String {
        let id = format!("session-{}", self.next());
        let state = format!("state-{}", self.next());
        let session = Session { repository: repository.to_owned(), state, ..Session::default() };
        self.sessions.insert(id.clone(), session);
        id
    }

    pub(super) fn session(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    pub(super) fn close(&mut self, id: &str) -> Option<Session> {
        self.sessions.remove(id)
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

impl Repository {
    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.manifests.is_empty()
    }

    /// A manifest by tag or digest, with its digest.
    pub(super) fn manifest(&self, reference: &str) -> Option<(&str, &StoredManifest)> {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        self.manifests.get_key_value(digest).map(|(digest, manifest)| (digest.as_str(), manifest))
    }

    pub(super) fn put_manifest(&mut self, media_type: &str, bytes: Bytes) -> String {
        let digest = sha256(&bytes).to_string();
        self.put_manifest_as(&digest, media_type, bytes);
        digest
    }

    pub(super) fn put_manifest_as(&mut self, digest: &str, media_type: &str, bytes: Bytes) {
        let manifest = StoredManifest { media_type: media_type.to_owned(), bytes };
        self.manifests.insert(digest.to_owned(), manifest);
    }

    /// Removes a manifest and the tags that showed it.
    pub(super) fn remove_manifest(&mut self, digest: &str) -> bool {
        self.tags.retain(|_, shown| shown != digest);
        self.manifests.remove(digest).is_some()
    }
}

impl Blob {
    pub(super) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        Self { pieces: vec![bytes], size }
    }

    pub(super) fn part(&self, first: u64, end: u64) -> Vec<Bytes> {
        let (mut at, mut part) = (0, Vec::new());
        for piece in &self.pieces {
            let length = piece.len() as u64;
            let from = first.clamp(at, at + length) - at;
            let to = end.clamp(at, at + length) - at;
            if let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to))
                && from < to
            {
                part.push(piece.slice(from..to));
            }
            at += length;
        }
        part
    }

    /// The digest by the algorithm of another one.
    pub(super) fn digest_as(&self, expected: &Digest) -> Result<Digest> {
        let mut hasher = Hasher::new(expected.algorithm())?;
        self.pieces.iter().for_each(|piece| hasher.update(piece));
        Ok(hasher.finish())
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        Bytes::from(self.pieces.concat())
    }
}

impl Session {
    pub(super) fn size(&self) -> u64 {
        self.blob.size
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        self.blob.size += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.tail.capacity() == 0 {
                self.tail.reserve(PIECE.min(bytes.len().max(4096)));
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.tail.len()));
            self.tail.extend_from_slice(now);
            bytes = later;
            if self.tail.len() == PIECE {
                self.seal();
            }
        }
    }

    pub(super) fn into_blob(mut self) -> Blob {
        self.seal();
        self.blob
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.blob.pieces.push(std::mem::take(&mut self.tail).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_every_byte_in_order() {
        let bytes: Vec<u8> =
            (0..3 * PIECE + 17).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut session = Session::default();
        bytes.chunks(70_001).for_each(|chunk| session.append(chunk));
        assert_eq!(session.size(), bytes.len() as u64);
        let blob = session.into_blob();
        assert!(blob.pieces.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(blob.to_bytes(), bytes);
        let (first, end) = (PIECE - 3, 2 * PIECE + 5);
        assert_eq!(blob.part(first as u64, end as u64).concat(), bytes[first..end]);
    }
}
