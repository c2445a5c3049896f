//! [`Images`]: which images are in a place, and what each consists of.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use transship_core::{
    Available, Commit, DeletedNames, Descriptor, Digest, Error, ErrorKind, ImageName, MANIFEST_LIMIT, Manifest,
    Result, few,
};

use crate::reference::Select;
use crate::store::Blob;

/// Configs, layers and manifests that were put, and where their bytes are.
pub(crate) type Blobs = HashMap<Digest, Blob>;

/// The images of a place, in the order of their commits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Images(pub(crate) Vec<Image>);

/// One image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) root: Descriptor,
    pub(crate) names: Vec<ImageName>,
    /// All that it consists of and that is here: manifests, configs, layers, and what is about it.
    pub(crate) parts: Vec<Digest>,
    /// The manifests that are about it, in the order in which they came.
    pub(crate) about: Vec<About>,
}

/// A manifest that is about another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) subject: Digest,
    pub(crate) manifest: Descriptor,
}

impl Images {
    /// Adds images at the end, if all that they need is here still: each was whole when it was committed.
    pub(crate) fn add_all(&mut self, new: &[Image], is_here: &IsHere<'_>) -> Result<()> {
        for image in new {
            if let Some(part) = image.parts.iter().find(|part| !is_here(part)) {
                return Err(gone(part));
            }
            self.add(image.clone());
        }
        Ok(())
    }

    /// Adds an image at the end. One that is there already gets the names and whatever else is new. Its names move here.
    fn add(&mut self, image: Image) {
        for other in &mut self.0 {
            other.names.retain(|name| !image.names.contains(name));
        }
        let Some(same) = self.0.iter_mut().find(|o| o.root.digest == image.root.digest) else {
            self.0.push(image);
            return;
        };
        same.names.extend(image.names);
        let here: HashSet<Digest> = same.parts.iter().cloned().collect();
        same.parts.extend(image.parts.into_iter().filter(|part| !here.contains(part)));
        for about in image.about {
            if !same.about.contains(&about) {
                same.about.push(about);
            }
        }
    }

    /// Takes one of several names away, or an image with all that it has. `NotFound` and `Ambiguous` as in opening it;
    /// `Conflict` where another root is meant.
    pub(crate) fn remove(
        &mut self,
        select: &Select,
        root: Option<&Digest>,
        which: DeletedNames,
    ) -> Result<()> {
        let position = self.position(select)?;
        let found = &self.0[position].root.digest;
        if root.is_some_and(|root| root != found) {
            let message = format!("it is another image now, {found}");
            return Err(Error::new(ErrorKind::Conflict, message).hint("look at it again"));
        }
        let names = &mut self.0[position].names;
        match select {
            Select::Name(name) if names.len() > 1 && which != DeletedNames::All => {
                names.retain(|other| *other != name.0);
            }
            _ => drop(self.0.remove(position)),
        }
        Ok(())
    }

    /// The image that a reference means.
    pub(crate) fn choose(&self, select: &Select) -> Result<&Image> {
        self.position(select).map(|position| &self.0[position])
    }

    /// All blobs and manifests that an image needs, each once; also those that are damaged or gone, so that what is left of an image
    /// stays until it is copied again or deleted.
    pub(crate) fn parts(&self) -> Vec<&Digest> {
        let mut known = HashSet::new();
        let all = self.0.iter().flat_map(|image| &image.parts);
        all.filter(|part| known.insert(*part)).collect()
    }

    fn position(&self, select: &Select) -> Result<usize> {
        let mut images = self.0.iter();
        let found = match select {
            Select::None if self.0.len() > 1 => {
                let message = format!("it holds {} images", self.0.len());
                return Err(Error::new(ErrorKind::Ambiguous, message).hint(self.list()));
            }
            Select::None => Some(0),
            Select::Index(index) => Some(*index),
            Select::Name(name) => images.position(|image| image.names.contains(&name.0)),
            Select::Digest(digest) => images.position(|image| image.root.digest == *digest),
        };
        found.filter(|position| *position < self.0.len()).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "it holds no such image").hint(self.list())
        })
    }

    /// The names that do exist.
    fn list(&self) -> String {
        let mut names = self.0.iter().flat_map(|image| &image.names).peekable();
        if names.peek().is_none() {
            return "no image here has a name".to_owned();
        }
        format!("it has the names {}", few(names))
    }
}

/// That something is not there any more that was counted on.
pub(crate) fn gone(digest: &Digest) -> Error {
    let message = format!("{digest} was deleted meanwhile");
    Error::new(ErrorKind::Conflict, message).hint("copy again")
}

/// That a part of an image is not there, which nobody has deleted.
pub(crate) fn missing(digest: &Digest) -> Error {
    let message = format!("it is damaged: {digest} is not there, and an image needs it");
    Error::new(ErrorKind::Corrupt, message).hint("copy that image again, or delete it")
}

/// A change of the images of a place. It gets what is here, and runs again where another process was faster.
pub(crate) type Change<'c> = dyn FnMut(&mut Images, &IsHere<'_>) -> Result<()> + 'c;

/// Whether a blob or manifest is here.
pub(crate) type IsHere<'i> = dyn Fn(&Digest) -> bool + 'i;

/// Finds the bytes of a blob or manifest.
pub(crate) type Find<'f> = dyn Fn(&Digest) -> Result<Option<Blob>> + 'f;

/// What is to be committed, and the manifests that were put with it.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    root: Manifest,
    names: Vec<ImageName>,
    absent: Vec<Descriptor>,
    put: Vec<Manifest>,
}

impl Pending {
    pub(crate) fn new(what: &Commit<'_>, names: Vec<ImageName>, put: Vec<Manifest>) -> Self {
        Self { root: what.root.clone(), names, absent: what.absent.to_vec(), put }
    }

    /// The image, if all that it refers to is there.
    ///
    /// # Errors
    /// As [`Commit::check_complete`].
    pub(crate) fn gather(self, find: &Find<'_>) -> Result<Image> {
        let commit = Commit::new(&self.root).without(&self.absent);
        let complete = commit.check_complete(&self.put, &Here(find))?;
        let mut parts: Vec<Digest> = complete.digests.into_iter().collect();
        // The same image gives the same bytes.
        parts.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        let about = complete.referrers.iter().filter_map(|manifest| {
            let subject = manifest.document().subject()?.digest.clone();
            Some(About { subject, manifest: manifest.as_referrer() })
        });
        let (root, about) = (self.root.descriptor().clone(), about.collect());
        Ok(Image { root, names: self.names, parts, about })
    }
}

/// Answers whether parts of an image are there.
struct Here<'f>(&'f Find<'f>);

impl Available for Here<'_> {
    fn blob(&self, of: &Descriptor) -> Result<Option<u64>> {
        Ok((self.0)(&of.digest)?.map(|blob| blob.len()))
    }

    fn manifest(&self, of: &Descriptor) -> Result<Option<Manifest>> {
        let Some(blob) = (self.0)(&of.digest)? else { return Ok(None) };
        let bytes = blob.bytes(MANIFEST_LIMIT, format_args!("manifest {}", of.digest))?;
        Manifest::verified(of, bytes).map(Some)
    }
}
