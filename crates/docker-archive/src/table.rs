//! [`Table`]: what the documents of an archive say, while images and names come and go.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use transship_archive::docker_save::{
    self, MANIFEST_NAME, REPOSITORIES_NAME, Repositories, SavedEntry, SavedImage, entries_bytes,
    parse_repositories, repositories_bytes,
};
use transship_archive::layout::{CONTAINERD_NAME, INDEX_FILE, INDEX_LIMIT, LayoutIndex, REF_NAME};
use transship_core::{Descriptor, Digest, Error, ErrorKind, ImageName, Result};

use crate::existing::Existing;
use crate::reference::archive_name;

/// What the documents of an archive say.
#[derive(Debug)]
pub(crate) struct Table {
    images: Vec<Listed>,
    by_id: HashMap<Digest, usize>,
    holders: HashMap<ImageName, Vec<usize>>,
    /// The names that stand in the other documents.
    elsewhere: HashSet<ImageName>,
    repositories: Option<Repositories>,
    layout: Option<LayoutIndex>,
    /// An `index.json` that could not be read, as it is.
    unread: Option<Bytes>,
}

#[derive(Debug)]
struct Listed {
    entry: SavedEntry,
    /// The manifest that a layout in the same tar has of it.
    manifest: Option<Descriptor>,
    gone: bool,
}

/// An image that is listed anew.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) id: Digest,
    pub(crate) saved: SavedImage,
    /// The ID of its highest legacy folder, if it has any.
    pub(crate) top: Option<String>,
    /// Where there is a layout.
    pub(crate) manifest: Option<Descriptor>,
}

impl Table {
    /// Of an archive that is there, or of a new one.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn of(existing: Option<&Existing>) -> Result<Self> {
        let mut this = Self {
            images: Vec::new(),
            by_id: HashMap::new(),
            holders: HashMap::new(),
            elsewhere: HashSet::new(),
            repositories: Some(Repositories::new()),
            layout: None,
            unread: None,
        };
        let Some(existing) = existing else { return Ok(this) };
        let index = existing.base.index();
        for (at, entry) in existing.entries.iter().enumerate() {
            let id = existing.configs[at].as_ref().map(|config| &config.id);
            let manifest = id.and_then(|id| existing.contents.stored.find(index, id));
            for name in existing.contents.names(at) {
                this.holders.entry(name).or_default().push(at);
            }
            if let Some(id) = id {
                this.by_id.entry(id.clone()).or_insert(at);
            }
            this.images.push(Listed { entry: entry.clone(), manifest, gone: false });
        }
        this.layout.clone_from(&existing.layout);
        if this.layout.is_none() && index.contains(INDEX_FILE) {
            this.unread = Some(index.document(INDEX_FILE, INDEX_LIMIT, "the layout's index")?);
        }
        this.repositories = if index.contains(REPOSITORIES_NAME) {
            let limit = docker_save::MANIFEST_LIMIT;
            let read = index.document(REPOSITORIES_NAME, limit, "the list of names");
            // Nobody reads it where there is a manifest.json.
            Some(read.and_then(|bytes| parse_repositories(&bytes)).unwrap_or_default())
        } else {
            this.layout.is_none().then(Repositories::new)
        };
        this.look_elsewhere();
        Ok(this)
    }

    fn look_elsewhere(&mut self) {
        let listed = self.layout.iter().flat_map(LayoutIndex::entries).filter_map(name_of);
        let listed = listed.filter_map(|raw| archive_name(raw).ok());
        let entered = self.repositories.iter().flatten().flat_map(|(repository, tags)| {
            tags.keys().filter_map(move |tag| archive_name(&format!("{repository}:{tag}")).ok())
        });
        self.elsewhere = listed.chain(entered).map(|name| ImageName::from(&name)).collect();
    }

    /// Lists an image, unless it is, and gives it names in addition, which move here from others.
    pub(crate) fn add(&mut self, image: &NewEntry, names: &[ImageName]) {
        let at = match self.by_id.get(&image.id) {
            Some(at) => *at,
            None => self.push(image),
        };
        let top = image.top.clone().or_else(|| self.top_of(at));
        for name in names {
            let here = self.holders.get(name).is_some_and(|holders| holders[..] == [at]);
            if !here {
                self.take_name(name);
                self.give_name(at, name);
            }
            self.enter(name, top.as_deref());
        }
    }

    /// Takes a name from all that have it. Gives those that have none left.
    pub(crate) fn take_name(&mut self, name: &ImageName) -> Vec<usize> {
        let holders = self.holders.remove(name).unwrap_or_default();
        let is_it =
            |raw: &str| archive_name(raw).is_ok_and(|found| ImageName::from(&found) == *name);
        for at in &holders {
            let entry = &mut self.images[*at].entry;
            let left = entry.image().names().iter().filter(|raw| !is_it(raw)).cloned().collect();
            entry.rename(left);
        }
        let nameless = |this: &Self, at: &usize| this.images[*at].entry.image().names().is_empty();
        if !self.elsewhere.remove(name) {
            return holders.into_iter().filter(|at| nameless(self, at)).collect();
        }
        if let Some(repositories) = &mut self.repositories {
            for (repository, tags) in repositories.iter_mut() {
                tags.retain(|tag, _| !is_it(&format!("{repository}:{tag}")));
            }
            repositories.retain(|_, tags| !tags.is_empty());
        }
        if let Some(layout) = &mut self.layout {
            unname(layout, &is_it);
        }
        holders.into_iter().filter(|at| nameless(self, at)).collect()
    }

    /// Takes an image out, with its names.
    pub(crate) fn remove(&mut self, at: usize) {
        let names: Vec<ImageName> = self
            .holders
            .iter()
            .filter(|(_, of)| of.contains(&at))
            .map(|(n, _)| n.clone())
            .collect();
        for name in names {
            let others: Vec<usize> = self
                .holders
                .get(&name)
                .into_iter()
                .flatten()
                .copied()
                .filter(|o| *o != at)
                .collect();
            self.take_name(&name);
            // A name that two have stays with the other.
            for other in others {
                self.give_name(other, &name);
            }
        }
        self.images[at].gone = true;
    }

    /// The index of the layout, if there is one, to be changed.
    pub(crate) fn layout(&mut self) -> Option<&mut LayoutIndex> {
        self.layout.as_mut()
    }

    /// The documents, in the order in which they are written.
    ///
    /// # Errors
    /// `LimitExceeded` when they would be larger than readers take.
    pub(crate) fn documents(self) -> Result<Vec<(&'static str, Bytes)>> {
        let entries: Vec<SavedEntry> =
            self.images.into_iter().filter(|image| !image.gone).map(|image| image.entry).collect();
        let manifest = entries_bytes(&entries);
        if manifest.len() as u64 > docker_save::MANIFEST_LIMIT {
            return Err(too_large(manifest.len()));
        }
        let mut documents = Vec::new();
        let index = self.layout.map(|layout| Bytes::from(layout.to_bytes())).or(self.unread);
        documents.extend(index.map(|index| (INDEX_FILE, index)));
        documents.push((MANIFEST_NAME, manifest));
        let repositories = self.repositories.map(|all| repositories_bytes(&all));
        documents.extend(repositories.map(|all| (REPOSITORIES_NAME, all)));
        Ok(documents)
    }

    fn push(&mut self, image: &NewEntry) -> usize {
        let at = self.images.len();
        self.by_id.insert(image.id.clone(), at);
        let (entry, manifest) = (image.saved.clone().into(), image.manifest.clone());
        if let (Some(layout), Some(manifest)) = (&mut self.layout, &manifest) {
            layout.push(manifest.clone());
        }
        self.images.push(Listed { entry, manifest, gone: false });
        at
    }

    fn give_name(&mut self, at: usize, name: &ImageName) {
        self.holders.entry(name.clone()).or_default().push(at);
        self.elsewhere.insert(name.clone());
        let image = &mut self.images[at];
        let mut names = image.entry.image().names().to_vec();
        names.push(name.to_string());
        image.entry.rename(names);
        if let (Some(layout), Some(manifest)) = (&mut self.layout, &image.manifest) {
            let mut entry = manifest.clone();
            for key in [CONTAINERD_NAME, REF_NAME] {
                entry.annotations.insert(key.to_owned(), name.to_string());
            }
            let nameless = |e: &Descriptor| e.digest == manifest.digest && name_of(e).is_none();
            match layout.entries().iter().position(nameless) {
                Some(position) => layout.replace(position, entry),
                None => layout.push(entry),
            }
        }
    }

    /// The highest legacy folder of an image, as one of its names has it.
    fn top_of(&self, at: usize) -> Option<String> {
        let repositories = self.repositories.as_ref()?;
        let mut names = self.images[at].entry.image().names().iter();
        names.find_map(|name| {
            let (repository, tag) = name.rsplit_once(':')?;
            repositories.get(repository)?.get(tag).cloned()
        })
    }

    /// What docker before 1.10 reads.
    fn enter(&mut self, name: &ImageName, top: Option<&str>) {
        let Some(repositories) = &mut self.repositories else { return };
        // Names have tags, and a tag has no colon.
        if let (Some(top), Some((repository, tag))) = (top, name.as_str().rsplit_once(':')) {
            let tags: &mut BTreeMap<_, _> = repositories.entry(repository.to_owned()).or_default();
            tags.insert(tag.to_owned(), top.to_owned());
        }
    }
}

/// Takes a name off the entries of a layout that have it; the last of an image stays, without one.
fn unname(layout: &mut LayoutIndex, is_it: &dyn Fn(&str) -> bool) {
    while let Some(at) = layout.entries().iter().position(|e| name_of(e).is_some_and(is_it)) {
        let entry = layout.entries()[at].clone();
        let of_image = layout.entries().iter().filter(|other| other.digest == entry.digest);
        if of_image.count() > 1 {
            layout.retain(|position, _| position != at);
        } else {
            let mut entry = entry;
            for key in [CONTAINERD_NAME, REF_NAME] {
                entry.annotations.remove(key);
            }
            layout.replace(at, entry);
        }
    }
}

/// The name of an entry of a layout, as it stands.
fn name_of(entry: &Descriptor) -> Option<&str> {
    let annotation = |key: &str| entry.annotation(key).filter(|name| !name.is_empty());
    annotation(CONTAINERD_NAME).or_else(|| annotation(REF_NAME))
}

fn too_large(len: usize) -> Error {
    let limit = docker_save::MANIFEST_LIMIT;
    let message = format!("its {MANIFEST_NAME} would have {len} bytes, more than {limit}");
    Error::new(ErrorKind::LimitExceeded, message).hint("write fewer images to one archive")
}
