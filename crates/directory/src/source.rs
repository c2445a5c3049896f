//! [`DirectorySource`]: an image being read.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Body, Cancel, Descriptor, Digest, Error, ErrorKind, Expect, FileRange, ImageSource,
    MANIFEST_LIMIT, Manifest, Reference, Referrers, Result, ResultExt, Signatures, parse_digest,
    run_blocking,
};
use transship_local::{Folder, read_bounded};

use crate::format::{
    MANIFEST, MANIFEST_SUFFIX, SIGNATURES, SIGNATURES_SIZE, Version, name_of, names_of,
    signature_name, unknown_version,
};

/// An image in a folder. The root is read when it is opened; signatures when they are asked for, if it is still the one
/// that is there.
#[derive(Debug)]
pub(crate) struct DirectorySource {
    reference: Reference,
    folder: Arc<Folder>,
    root: Manifest,
    /// How many bytes of signatures each manifest has, of those that were read.
    signed: Mutex<HashMap<Option<Digest>, u64>>,
    /// The manifests that are about others, by the digest of what they are about.
    about: OnceLock<HashMap<Digest, Vec<Descriptor>>>,
}

impl DirectorySource {
    pub(crate) fn open(reference: Reference, path: &Path, cancel: &Cancel) -> Result<Self> {
        let opened = Folder::read(path, |folder| {
            cancel.check()?;
            if let Version::Other(found) = Version::of(folder)? {
                return Err(unknown_version(path, &found));
            }
            read_root(folder)
        });
        let (folder, root) = opened?;
        let (signed, about) = (Mutex::default(), OnceLock::new());
        Ok(Self { reference, folder: Arc::new(folder), root, signed, about })
    }

    async fn in_folder<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Folder, &Cancel) -> Result<T> + Send + 'static,
    {
        let folder = Arc::clone(&self.folder);
        run_blocking(move |cancel| {
            cancel.check()?;
            work(&folder, cancel)
        })
        .await
    }

    fn signed(&self) -> MutexGuard<'_, HashMap<Option<Digest>, u64>> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ImageSource for DirectorySource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        if of.digest == self.root.descriptor().digest {
            return Manifest::verified(of, self.root.bytes().clone());
        }
        let of = of.clone();
        self.in_folder(move |folder, _| {
            let (file, name) = open(folder, &of.digest, MANIFEST_SUFFIX, "manifest")?;
            Manifest::verified(&of, read_manifest(folder, &file, &name)?)
        })
        .await
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let of = of.clone();
        self.in_folder(move |folder, _| {
            let (file, name) = open(folder, &of.digest, "", "blob")?;
            let range = FileRange::whole(file, folder.path().join(name))?;
            Body::from_file(range).expecting(&Expect::from(&of))
        })
        .await
    }

    fn referrers(&self) -> Option<&dyn Referrers> {
        Some(self)
    }

    fn signatures(&self) -> Option<&dyn Signatures> {
        Some(self)
    }
}

#[async_trait]
impl Referrers for DirectorySource {
    async fn referrers(&self, of: &Digest) -> Result<Vec<Descriptor>> {
        let about = if let Some(about) = self.about.get() {
            about
        } else {
            let found = self.in_folder(find_subjects).await?;
            self.about.get_or_init(|| found)
        };
        Ok(about.get(of).cloned().unwrap_or_default())
    }
}

#[async_trait]
impl Signatures for DirectorySource {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        let of = of.filter(|of| **of != self.root.descriptor().digest).cloned();
        let name = of.as_ref().map(name_of);
        let others: u64 = {
            let signed = self.signed();
            signed.iter().filter(|(manifest, _)| **manifest != of).map(|(_, size)| size).sum()
        };
        let opened = Arc::clone(&self.folder);
        let read = run_blocking(move |cancel| {
            let (_, signatures) = Folder::read(opened.path(), |folder| {
                cancel.check()?;
                read_signatures(folder, name.as_deref(), others, cancel)
            })?;
            // Of the same image: what was seen of it is held open, and so nothing else has its identity.
            opened.check_unchanged()?;
            Ok(signatures)
        });
        let signatures = read.await?;
        let size = signatures.iter().map(|signature| signature.len() as u64).sum();
        self.signed().insert(of, size);
        Ok(signatures)
    }
}

fn read_root(folder: &Folder) -> Result<Manifest> {
    let path = folder.path().join(MANIFEST);
    let Some(file) = folder.file(MANIFEST).if_found()? else {
        let message = format!("{} holds no image: it has no {MANIFEST}", folder.path().display());
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    Manifest::new(read_manifest(folder, &file, MANIFEST)?).context(|| path.display())
}

fn read_manifest(folder: &Folder, file: &File, name: &str) -> Result<Vec<u8>> {
    read_bounded(file, &folder.path().join(name), MANIFEST_LIMIT, "the manifest")
}

/// Reads the signatures of a manifest; `others` is how many bytes those of other manifests have.
fn read_signatures(
    folder: &Folder,
    of: Option<&str>,
    others: u64,
    cancel: &Cancel,
) -> Result<Vec<Bytes>> {
    let (mut signatures, mut left) = (Vec::new(), SIGNATURES_SIZE.saturating_sub(others));
    for number in 1..=SIGNATURES {
        cancel.check()?;
        let name = signature_name(of, number);
        let Some(file) = folder.file(&name).if_found()? else { return Ok(signatures) };
        let what = format!("with the others of up to {SIGNATURES_SIZE} bytes, the signature");
        let signature = read_bounded(&file, &folder.path().join(name), left, &what)?;
        left -= signature.len() as u64;
        signatures.push(signature.into());
    }
    let message = format!("{} has over {SIGNATURES} signatures", folder.path().display());
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

/// Opens the file of a digest.
fn open(folder: &Folder, digest: &Digest, suffix: &str, what: &str) -> Result<(File, String)> {
    for name in names_of(digest) {
        let name = format!("{name}{suffix}");
        if let Some(file) = folder.file(&name).if_found()? {
            return Ok((file, name));
        }
    }
    let message = format!("{what} {digest} is not in {}", folder.path().display());
    Err(Error::new(ErrorKind::NotFound, message))
}

/// The manifests that are about others, by the digest of what they are about, in the order of their names.
fn find_subjects(folder: &Folder, cancel: &Cancel) -> Result<HashMap<Digest, Vec<Descriptor>>> {
    let mut about: HashMap<_, Vec<_>> = HashMap::new();
    for name in folder.names()? {
        cancel.check()?;
        if let Some((subject, of)) = about_another(folder, &name)? {
            about.entry(subject).or_default().push(of);
        }
    }
    Ok(about)
}

/// What the manifest in a file is about, and its descriptor. Other files are no referrers.
fn about_another(folder: &Folder, name: &str) -> Result<Option<(Digest, Descriptor)>> {
    let Some(digest) = digest_of(name) else { return Ok(None) };
    let bytes = read_manifest(folder, &folder.file(name)?, name)?;
    let Ok(read) = Manifest::new(bytes) else { return Ok(None) };
    let Some(subject) = read.document().subject() else { return Ok(None) };
    let mut descriptor = read.as_referrer();
    descriptor.digest = digest;
    descriptor.annotations.clone_from(read.document().annotations());
    Ok(Some((subject.digest.clone(), descriptor)))
}

fn digest_of(name: &str) -> Option<Digest> {
    let stem = name.strip_suffix(MANIFEST_SUFFIX)?;
    let text = match stem.split_once('-') {
        Some((algorithm, encoded)) => format!("{algorithm}:{encoded}"),
        None if stem.len() == 128 => format!("sha512:{stem}"),
        None => format!("sha256:{stem}"),
    };
    parse_digest(&text).ok()
}
