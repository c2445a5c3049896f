//! [`DirectorySource`]: an image being read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Body, Descriptor, Digest, Error, ErrorKind, Expect, FileRange, ImageSource, MANIFEST_LIMIT,
    Manifest, Reference, Referrers, Result, Signatures, parse_digest, run_blocking,
};
use transship_local::{Folder, read_bounded};

use crate::format::{
    MANIFEST, MANIFEST_SUFFIX, Version, name_of, names_of, signature_name, unknown_version,
};

/// The largest signature that is read, in bytes.
const SIGNATURE_LIMIT: u64 = 4 << 20;

/// The most signatures of one manifest.
const SIGNATURES: usize = 1000;

/// An image in a folder. The root and its signatures are read when it is opened, so that both are of one image.
#[derive(Debug)]
pub(crate) struct DirectorySource {
    reference: Reference,
    folder: Arc<Folder>,
    root: Manifest,
    signatures: Vec<Bytes>,
}

impl DirectorySource {
    pub(crate) fn open(reference: Reference, path: &Path) -> Result<Self> {
        let opened = Folder::read(path, |folder| {
            if let Version::Other(found) = Version::of(folder)? {
                return Err(unknown_version(path, &found));
            }
            Ok((read_root(folder)?, read_signatures(folder, None)?))
        });
        let (folder, (root, signatures)) = opened?;
        Ok(Self { reference, folder: Arc::new(folder), root, signatures })
    }

    async fn in_folder<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> Result<T> + Send + 'static,
    {
        let folder = Arc::clone(&self.folder);
        run_blocking(move |_| work(&folder)).await
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
        self.in_folder(move |folder| {
            let (file, name) = open(folder, &of.digest, MANIFEST_SUFFIX, "manifest")?;
            Manifest::verified(&of, read_manifest(folder, &file, &name)?)
        })
        .await
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let of = of.clone();
        self.in_folder(move |folder| {
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
        let of = of.clone();
        self.in_folder(move |folder| {
            let names = folder.names()?;
            let manifests = names.iter().filter(|name| name.ends_with(MANIFEST_SUFFIX));
            let about = manifests.filter_map(|name| subject_is(folder, name, &of).transpose());
            about.collect()
        })
        .await
    }
}

#[async_trait]
impl Signatures for DirectorySource {
    async fn signatures(&self, of: Option<&Digest>) -> Result<Vec<Bytes>> {
        match of.filter(|of| **of != self.root.descriptor().digest) {
            None => Ok(self.signatures.clone()),
            Some(of) => {
                let name = name_of(of);
                self.in_folder(move |folder| read_signatures(folder, Some(&name))).await
            }
        }
    }
}

fn read_root(folder: &Folder) -> Result<Manifest> {
    let file = folder.file(MANIFEST).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::new(
            ErrorKind::NotFound,
            format!("{} holds no image: it has no {MANIFEST}", folder.path().display()),
        ),
        _ => e,
    })?;
    Manifest::new(read_manifest(folder, &file, MANIFEST)?)
        .map_err(|e| e.context(folder.path().join(MANIFEST).display()))
}

fn read_manifest(folder: &Folder, file: &File, name: &str) -> Result<Vec<u8>> {
    read_bounded(file, &folder.path().join(name), MANIFEST_LIMIT, "the manifest")
}

fn read_signatures(folder: &Folder, of: Option<&str>) -> Result<Vec<Bytes>> {
    let mut signatures = Vec::new();
    for number in 1..=SIGNATURES {
        let name = signature_name(of, number);
        let file = match folder.file(&name) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(signatures),
            Err(e) => return Err(e),
        };
        let path = folder.path().join(name);
        signatures.push(read_bounded(&file, &path, SIGNATURE_LIMIT, "the signature")?.into());
    }
    let message = format!("{} has over {SIGNATURES} signatures", folder.path().display());
    Err(Error::new(ErrorKind::LimitExceeded, message))
}

/// Opens the file of a digest.
fn open(folder: &Folder, digest: &Digest, suffix: &str, what: &str) -> Result<(File, String)> {
    for name in names_of(digest) {
        let name = format!("{name}{suffix}");
        match folder.file(&name) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            opened => return opened.map(|file| (file, name)),
        }
    }
    let message = format!("{what} {digest} is not in {}", folder.path().display());
    Err(Error::new(ErrorKind::NotFound, message))
}

/// The manifest of a file, if it is about another one. Files that are no manifests are nobody's referrers.
fn subject_is(folder: &Folder, name: &str, of: &Digest) -> Result<Option<Descriptor>> {
    let Some(digest) = digest_of(name) else { return Ok(None) };
    let bytes = read_manifest(folder, &folder.file(name)?, name)?;
    let Ok(read) = Manifest::new(bytes) else { return Ok(None) };
    let document = read.document();
    if document.subject().is_none_or(|subject| subject.digest != *of) {
        return Ok(None);
    }
    let mut descriptor = read.descriptor().clone();
    descriptor.digest = digest;
    descriptor.artifact_type = document.artifact_type().map(str::to_owned);
    descriptor.annotations.clone_from(document.annotations());
    Ok(Some(descriptor))
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
