//! [`DirectoryDestination`]: an image being written.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use transship_core::{
    Accepts, AcceptsNames, Body, Commit, Committed, Digest, Error, ErrorKind, Expect,
    ImageDestination, Manifest, PutSignatures, Reference, Result, ResultExt, Stored, WriteMode,
    WriteOptions,
};
use transship_local::{Folder, Publish, Target, Unpublished};

use crate::format::{Version, unknown_version};
use crate::stage::Stage;

/// An image on its way into a folder. It is staged beside, and takes the folder's place with the commit.
#[derive(Debug)]
pub(crate) struct DirectoryDestination {
    reference: Reference,
    path: PathBuf,
    accepts: Accepts,
    publish: Publish,
    stage: Unpublished<Stage>,
}

impl DirectoryDestination {
    /// Looks whether an image may be there. Writes nothing.
    pub(crate) fn open(reference: Reference, path: PathBuf, how: &WriteOptions) -> Result<Self> {
        let publish = match how.mode {
            None | Some(WriteMode::Replace) => Publish::Replace,
            Some(WriteMode::Create) => Publish::Create,
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "it holds one image, and cannot be joined",
                )
                .hint("replace it, or write to another folder"));
            }
        };
        if let Some(name) = how.names.first() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("it keeps no names, and cannot keep \"{name}\""),
            )
            .hint("an oci: layout keeps names"));
        }
        check_target(&path, publish)?;
        let mut accepts = Accepts::anything();
        accepts.names = AcceptsNames::None;
        let stage = Unpublished::new(Stage::new(path.clone(), how.observer.clone()));
        Ok(Self { reference, path, accepts, publish, stage })
    }
}

#[async_trait]
impl ImageDestination for DirectoryDestination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, want: &Expect) -> Result<Option<Stored>> {
        let Some(digest) = &want.digest else { return Ok(None) };
        let size = self.stage.hold()?.held().blobs.get(digest).copied();
        Ok(size.and_then(|size| want.of_size(size)))
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let put = self.stage.step(move |stage, cancel| stage.put_blob(&expect, body, cancel));
        put.await.context(|| &self.reference)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let manifest = manifest.clone();
        let put = self.stage.step(move |stage, cancel| stage.put_manifest(&manifest, cancel));
        put.await.context(|| &self.reference)
    }

    fn signatures(&self) -> Option<&dyn PutSignatures> {
        Some(self)
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        what.check_whole().context(|| &self.reference)?;
        // What a reader will find: the folder says nothing of the root but its bytes.
        let root = Manifest::new(what.root.bytes().clone())?;
        let descriptor = root.descriptor().clone();
        let (whole, absent) = (what.root.clone(), what.absent.to_vec());
        let (path, publish) = (self.path.clone(), self.publish);
        let last = self.stage.last_step(move |stage, cancel| {
            let held = stage.held();
            Commit::new(&whole).without(&absent).check_complete(held.manifests.values(), &*held)?;
            drop(held);
            check_target(&path, publish)?;
            stage.publish(&root, publish, &|old| check_folder(old, &path, publish), cancel)
        });
        last.await.context(|| &self.reference)?;
        Ok(Committed::new(descriptor, vec![self.reference.clone()]))
    }
}

#[async_trait]
impl PutSignatures for DirectoryDestination {
    async fn put_signatures(&self, of: Option<&Digest>, signatures: Vec<Bytes>) -> Result<()> {
        self.stage.hold()?.put_signatures(of.cloned(), signatures).context(|| &self.reference)
    }
}

/// Refuses to replace what is no image of ours.
fn check_target(path: &Path, publish: Publish) -> Result<()> {
    match Target::look_at(path)? {
        Target::Absent(_) => Ok(()),
        Target::Folder(_) => check_folder(path, path, publish),
        Target::File(_) | Target::Stream(_) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{} is no folder, and an image here is one", path.display()),
        )),
    }
}

/// Refuses to replace a folder that holds something else. It is `path`, and may stand elsewhere by now.
fn check_folder(folder: &Path, path: &Path, publish: Publish) -> Result<()> {
    let (_, (version, empty)) =
        Folder::read(folder, |folder| Ok((Version::of(folder)?, folder.names()?.is_empty())))?;
    match version {
        _ if empty => Ok(()),
        _ if publish == Publish::Create => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{} is there already", path.display()),
        )
        .hint("replace it, or write to another folder")),
        Version::Known => Ok(()),
        Version::Other(found) => Err(unknown_version(path, &found)),
        Version::None => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{} is not empty and holds no image: it is not replaced", path.display()),
        )
        .hint("choose another folder, or empty it")),
    }
}
