//! [`Store`]: where images are.

// Decide: this file is yours to replace. What it promises to the others is what a place has to offer: a change shows all
// at once or not at all, and who opened a container before the change reads what it was, or an error.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use transship_core::{Digest, Error, ErrorKind, ImageName, Manifest, Result, WriteMode};

use crate::parts::{Parts, Pending};
use crate::reference::Select;

/// At most so many names are listed in an error.
const NAMES: usize = 20;

/// Configs, layers and manifests.
pub(crate) type Blobs = HashMap<Digest, Bytes>;

/// Containers by their places. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(Arc<Mutex<HashMap<String, Arc<Container>>>>);

/// Images in the order of their commits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) images: Vec<Image>,
    blobs: Blobs,
}

/// One image.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) root: Manifest,
    pub(crate) names: Vec<ImageName>,
    pub(crate) parts: Parts,
}

impl Store {
    /// What is at a place.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn open(&self, place: &str) -> Result<Arc<Container>> {
        self.containers().get(place).cloned().ok_or_else(|| {
            let message = format!("nothing is at {place}");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// What is there already, where the mode lets it count.
    pub(crate) fn base(&self, place: &str, mode: WriteMode) -> Result<Arc<Container>> {
        let there = self.containers().get(place).cloned();
        base(there, place, mode)
    }

    /// Changes what is at a place, all at once or not at all.
    pub(crate) fn change(
        &self,
        place: &str,
        mode: WriteMode,
        change: impl FnOnce(&mut Container) -> Result<()>,
    ) -> Result<()> {
        let mut containers = self.containers();
        let mut container =
            Arc::unwrap_or_clone(base(containers.get(place).cloned(), place, mode)?);
        change(&mut container)?;
        container.collect();
        containers.insert(place.to_owned(), Arc::new(container));
        Ok(())
    }

    fn containers(&self) -> MutexGuard<'_, HashMap<String, Arc<Container>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn base(there: Option<Arc<Container>>, place: &str, mode: WriteMode) -> Result<Arc<Container>> {
    match (there, mode) {
        (Some(_), WriteMode::Create) => {
            let message = format!("{place} is there already");
            Err(Error::new(ErrorKind::AlreadyExists, message).hint("append to it, or replace it"))
        }
        (Some(there), WriteMode::Append) => Ok(there),
        _ => Ok(Arc::default()),
    }
}

impl Container {
    pub(crate) fn blob(&self, digest: &Digest) -> Option<Bytes> {
        self.blobs.get(digest).cloned()
    }

    /// Adds an image at the end, or finds it. Its names move here.
    pub(crate) fn add(&mut self, image: Pending, staged: &Blobs) -> Result<()> {
        let find = |digest: &Digest| staged.get(digest).or(self.blobs.get(digest)).cloned();
        // It was whole when it was committed: what it lacks now was there, and has gone since.
        let parts = Parts::gather(&image, &find).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Error::new(ErrorKind::Conflict, e.to_string()).hint("copy again")
            }
            _ => e,
        })?;
        for digest in &parts.digests {
            if let Some(bytes) = staged.get(digest) {
                self.blobs.entry(digest.clone()).or_insert_with(|| bytes.clone());
            }
        }
        for other in &mut self.images {
            other.names.retain(|name| !image.names.contains(name));
        }
        let digest = &image.root.descriptor().digest;
        match self.images.iter_mut().find(|other| other.root.descriptor().digest == *digest) {
            Some(same) => same.names.extend(image.names),
            None => self.images.push(Image { root: image.root, names: image.names, parts }),
        }
        Ok(())
    }

    /// Takes one of several names away, or an image with all that it has.
    pub(crate) fn remove(&mut self, select: &Select) -> Result<()> {
        let position = self.position(select)?;
        let names = &mut self.images[position].names;
        match select {
            Select::Name(name) if names.len() > 1 => names.retain(|other| other != name),
            _ => drop(self.images.remove(position)),
        }
        Ok(())
    }

    /// The image that a reference means.
    pub(crate) fn choose(&self, select: &Select) -> Result<&Image> {
        self.position(select).map(|position| &self.images[position])
    }

    fn position(&self, select: &Select) -> Result<usize> {
        let mut images = self.images.iter();
        let found = match select {
            Select::Only if self.images.len() > 1 => {
                let message = format!("it holds {} images", self.images.len());
                return Err(Error::new(ErrorKind::Ambiguous, message).hint(self.list()));
            }
            Select::Only => Some(0),
            Select::Index(index) => Some(*index),
            Select::Name(name) => images.position(|image| image.names.contains(name)),
            Select::Digest(digest) => images.position(|i| i.root.descriptor().digest == *digest),
        };
        found.filter(|position| *position < self.images.len()).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "it holds no such image").hint(self.list())
        })
    }

    /// The names that do exist.
    fn list(&self) -> String {
        let names = self.images.iter().flat_map(|image| &image.names).map(ImageName::as_str);
        let names: Vec<&str> = names.take(NAMES).collect();
        format!("it has the names {}", names.join(", "))
    }

    /// Forgets what no image uses any more.
    fn collect(&mut self) {
        let images = &self.images;
        self.blobs.retain(|digest, _| images.iter().any(|i| i.parts.digests.contains(digest)));
    }
}
