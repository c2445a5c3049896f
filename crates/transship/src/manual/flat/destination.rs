use std::fs;

use transship::local::{Publish, StagedFile, StagedFolder, Unpublished, write_body};
use transship::transport::{Accepts, AcceptsManifests, AcceptsNames, AcceptsReferrers, Cancel, Commit, Committed, Document, MediaType, Sparse, Stored, media_types};

/// An image being written: a folder beside, which takes the place of what is there with the commit.
#[derive(Debug)]
struct FlatDestination {
    reference: Reference,
    accepts: Accepts,
    publish: Publish,
    /// Steps share it, the commit takes it; dropped before, it is removed when no step has it any more.
    stage: Unpublished<StagedFolder>,
}

impl FlatDestination {
    fn open(reference: Reference, how: &WriteOptions, cancel: &Cancel) -> Result<Self> {
        let publish = match how.mode {
            None | Some(WriteMode::Replace) => Publish::Replace,
            Some(WriteMode::Create) => Publish::Create,
            Some(_) => {
                return Err(unsupported(&reference, "it holds one image and cannot be joined"));
            }
        };
        if !how.names.is_empty() {
            return Err(unsupported(&reference, "it keeps no names"));
        }
        check(&reference, publish)?;
        let mut accepts = Accepts::anything();
        let docker = MediaType::from(media_types::DOCKER_MANIFEST);
        accepts.manifests = AcceptsManifests::Only(vec![MediaType::ImageManifest, docker]);
        accepts.names = AcceptsNames::None;
        accepts.sparse = Sparse::Refused;
        accepts.referrers = AcceptsReferrers::Refused;
        let stage = StagedFolder::beside(path(&reference), cancel).context(|| &reference)?;
        Ok(Self { reference, accepts, publish, stage: Unpublished::new(stage) })
    }
}

/// Refuses to take the place of what is no image of ours.
fn check(at: &Reference, publish: Publish) -> Result<()> {
    match Folder::open(path(at)).and_then(|folder| folder.names()) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e.context(at)),
        Ok(names) if names.is_empty() => Ok(()),
        Ok(_) if publish == Publish::Create => {
            let error = Error::new(ErrorKind::AlreadyExists, "it is there already");
            Err(error.context(at).hint("replace it, or write to another folder"))
        }
        Ok(names) if names.iter().any(|name| name == "manifest.json") => Ok(()),
        Ok(_) => Err(unsupported(at, "the folder holds something else")),
    }
}

fn unsupported(at: &Reference, why: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, why).context(at)
}

#[async_trait]
impl ImageDestination for FlatDestination {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    fn accepts(&self) -> &Accepts {
        &self.accepts
    }

    async fn has(&self, _: &Expect) -> Result<Option<Stored>> {
        // Never wrong, if not always useful: a new image begins with nothing.
        Ok(None)
    }

    async fn put_blob(&self, expect: Expect, body: Body) -> Result<Stored> {
        let put = self.stage.step(move |stage, cancel| {
            let folder = stage.path();
            // It gets its name when it is known to be whole and true; until then, dropping it removes it.
            let file = StagedFile::in_folder(folder)?;
            let stored = write_body(body.expecting(&expect)?, file.file(), file.path(), cancel)?;
            file.place_unsynced(&folder.join(file_name(&stored.digest)))?;
            Ok(stored)
        });
        put.await.context(|| &self.reference)
    }

    async fn put_manifest(&self, _: &Manifest) -> Result<()> {
        Err(unsupported(&self.reference, "it holds single images, and nothing that is about them"))
    }

    async fn commit(self: Box<Self>, what: Commit<'_>) -> Result<Committed> {
        if !what.needs.is_empty() {
            return Err(unsupported(&self.reference, "it holds whole images, and no deltas"));
        }
        // Its descriptor is what a reader will find: the folder says nothing of the root but its bytes.
        let root = Manifest::new(what.root.bytes().clone())?;
        let Document::Image(image) = root.document() else {
            return Err(unsupported(&self.reference, "it holds single images, and no index"));
        };
        let parts: Vec<Descriptor> = image.layers.iter().chain([&image.config]).cloned().collect();
        let descriptor = root.descriptor().clone();
        let publish = self.publish;
        let committed = self.stage.last_step(move |stage, cancel| {
            for part in &parts {
                is_there(&stage, part)?;
            }
            let manifest = stage.path().join("manifest.json");
            fs::write(&manifest, root.bytes()).map_err(|e| Error::io("writing", &manifest, e))?;
            // Syncs all of it, and renames: the old image shows until the new one does.
            stage.publish(publish, cancel)
        });
        committed.await.context(|| &self.reference)?;
        Ok(Committed::new(descriptor, vec![self.reference.clone()]))
    }
}

fn is_there(stage: &StagedFolder, part: &Descriptor) -> Result<()> {
    let digest = &part.digest;
    match fs::metadata(stage.path().join(file_name(digest))) {
        Ok(found) if found.len() == part.size => Ok(()),
        Ok(found) => {
            let message = format!("{digest} has {} bytes, {} expected", found.len(), part.size);
            Err(Error::new(ErrorKind::Corrupt, message))
        }
        // Nobody may give it away: its URLs say where it is.
        Err(_) if part.is_nondistributable() => Ok(()),
        Err(_) => Err(Error::new(ErrorKind::NotFound, format!("{digest} was not put"))),
    }
}
