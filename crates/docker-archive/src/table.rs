//! [`Table`]: what the documents of an archive say, while images and names come and go.
//!
//! Archives have ten thousands of names, so each name is looked up and none is searched for.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use transship_archive::docker_save::{
    self, MANIFEST_NAME, REPOSITORIES_NAME, Repositories, SavedEntry, SavedImage, entries_bytes,
    parse_repositories, repositories_bytes,
};
use transship_archive::layout::{INDEX_FILE, INDEX_LIMIT, LayoutIndex};
use transship_core::{Descriptor, Digest, Error, ErrorKind, ImageName, Result};

use crate::existing::Existing;
use crate::named_layout::NamedLayout;
use crate::reference::archive_name;

/// What the documents of an archive say.
#[derive(Debug)]
pub(crate) struct Table {
    images: Vec<Listed>,
    by_id: HashMap<Digest, usize>,
    /// Where each name stands: the image, and the position among its names.
    holders: HashMap<ImageName, Vec<(usize, usize)>>,
    repositories: Option<Repositories>,
    /// Where each name stands in them.
    entered: HashMap<ImageName, Vec<(String, String)>>,
    layout: Option<NamedLayout>,
    /// An `index.json` that could not be read, as it is.
    unread: Option<Bytes>,
}

#[derive(Debug)]
struct Listed {
    entry: SavedEntry,
    /// Its names as they stand; `None` for those that were taken.
    names: Vec<Option<String>>,
    /// How many were not taken.
    left: usize,
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
    pub(crate) fn of(existing: Option<&Existing>) -> Result<Self> {
        let mut this = Self {
            images: Vec::new(),
            by_id: HashMap::new(),
            holders: HashMap::new(),
            repositories: Some(Repositories::new()),
            entered: HashMap::new(),
            layout: None,
            unread: None,
        };
        let Some(existing) = existing else { return Ok(this) };
        let index = existing.base.index();
        for (at, entry) in existing.entries.iter().enumerate() {
            let id = existing.configs[at].as_ref().map(|config| &config.id);
            let manifest = id.and_then(|id| existing.contents.stored.find(index, id));
            if let Some(id) = id {
                this.by_id.entry(id.clone()).or_insert(at);
            }
            this.list(entry.clone(), manifest);
        }
        this.layout = existing.layout.clone().map(NamedLayout::new);
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
        for (repository, tags) in this.repositories.iter().flatten() {
            for tag in tags.keys() {
                if let Ok(name) = archive_name(&format!("{repository}:{tag}")) {
                    let stands = (repository.clone(), tag.clone());
                    this.entered.entry(ImageName::from(&name)).or_default().push(stands);
                }
            }
        }
        Ok(this)
    }

    /// Lists an image, with the names that it has.
    fn list(&mut self, entry: SavedEntry, manifest: Option<Descriptor>) -> usize {
        let at = self.images.len();
        for (position, raw) in entry.image().names().iter().enumerate() {
            if let Ok(name) = archive_name(raw) {
                self.holders.entry(ImageName::from(&name)).or_default().push((at, position));
            }
        }
        let names: Vec<_> = entry.image().names().iter().cloned().map(Some).collect();
        let left = names.len();
        self.images.push(Listed { entry, names, left, manifest, gone: false });
        at
    }

    /// Lists an image, unless it is, and gives it names in addition, which move here from others.
    pub(crate) fn add(&mut self, image: &NewEntry, names: &[ImageName]) {
        let at = match self.by_id.get(&image.id) {
            Some(at) => *at,
            None => self.push(image),
        };
        let top = image.top.clone().or_else(|| self.top_of(at));
        for name in names {
            let holders = self.holders.get(name).map_or(&[][..], Vec::as_slice);
            let here = !holders.is_empty() && holders.iter().all(|(of, _)| *of == at);
            if !here {
                self.take_name(name);
                self.give_name(at, name);
            }
            self.enter(name, top.as_deref());
        }
    }

    /// Gives an image that is listed, and of which the layout has no manifest, the one that was added. It takes the place of entries of
    /// its names that cannot be read.
    pub(crate) fn add_manifest(
        &mut self,
        image: &NewEntry,
        is_readable: &dyn Fn(&Descriptor) -> bool,
    ) {
        let Some(at) = self.by_id.get(&image.id).copied() else { return };
        let listed = &mut self.images[at];
        let (Some(layout), Some(manifest), None) =
            (&mut self.layout, &image.manifest, &listed.manifest)
        else {
            return;
        };
        listed.manifest = Some(manifest.clone());
        let names = listed.names.iter().flatten().filter_map(|raw| archive_name(raw).ok());
        let names: Vec<_> = names.map(|name| ImageName::from(&name)).collect();
        layout.enter(manifest, &names, is_readable);
    }

    /// Takes a name from all that have it. Gives those that have none left.
    pub(crate) fn take_name(&mut self, name: &ImageName) -> Vec<usize> {
        let holders = self.holders.remove(name).unwrap_or_default();
        for (at, position) in &holders {
            let image = &mut self.images[*at];
            image.names[*position] = None;
            image.left -= 1;
        }
        for (repository, tag) in self.entered.remove(name).unwrap_or_default() {
            let Some(repositories) = &mut self.repositories else { break };
            let Some(tags) = repositories.get_mut(&repository) else { continue };
            tags.remove(&tag);
            if tags.is_empty() {
                repositories.remove(&repository);
            }
        }
        if let Some(layout) = &mut self.layout {
            layout.unname(name);
        }
        let mut left = images_of(&holders);
        left.retain(|at| self.images[*at].left == 0);
        left
    }

    /// Takes an image out, with its names.
    pub(crate) fn remove(&mut self, at: usize) {
        let has = |holders: &Vec<(usize, usize)>| holders.iter().any(|(of, _)| *of == at);
        let names = self.holders.iter().filter(|(_, holders)| has(holders));
        let mut names: Vec<_> =
            names.map(|(name, holders)| (name.clone(), images_of(holders))).collect();
        names.sort();
        for (name, holders) in names {
            self.take_name(&name);
            // A name that two have stays with the other.
            for other in holders.into_iter().filter(|of| *of != at) {
                self.give_name(other, &name);
            }
        }
        self.images[at].gone = true;
    }

    /// The index of the layout, if there is one, to be changed.
    pub(crate) fn layout(&mut self) -> Option<&mut LayoutIndex> {
        self.layout.as_mut().map(NamedLayout::index)
    }

    /// The documents, in the order in which they are written.
    pub(crate) fn documents(self) -> Result<Vec<(&'static str, Bytes)>> {
        let images = self.images.into_iter().filter(|image| !image.gone);
        let entries: Vec<SavedEntry> = images
            .map(|mut image| {
                image.entry.rename(image.names.into_iter().flatten().collect());
                image.entry
            })
            .collect();
        let manifest = entries_bytes(&entries);
        if manifest.len() as u64 > docker_save::MANIFEST_LIMIT {
            return Err(too_large(manifest.len()));
        }
        let mut documents = Vec::new();
        let index = self.layout.map(|mut layout| layout.index().to_file()).transpose()?;
        let index = index.map(Bytes::from);
        let index = index.or(self.unread);
        documents.extend(index.map(|index| (INDEX_FILE, index)));
        documents.push((MANIFEST_NAME, manifest));
        let repositories = self.repositories.map(|all| repositories_bytes(&all));
        documents.extend(repositories.map(|all| (REPOSITORIES_NAME, all)));
        Ok(documents)
    }

    fn push(&mut self, image: &NewEntry) -> usize {
        if let (Some(layout), Some(manifest)) = (&mut self.layout, &image.manifest) {
            layout.push(manifest.clone());
        }
        let at = self.list(image.saved.clone().into(), image.manifest.clone());
        self.by_id.insert(image.id.clone(), at);
        at
    }

    fn give_name(&mut self, at: usize, name: &ImageName) {
        let image = &mut self.images[at];
        self.holders.entry(name.clone()).or_default().push((at, image.names.len()));
        image.names.push(Some(name.to_string()));
        image.left += 1;
        if let (Some(layout), Some(manifest)) = (&mut self.layout, &image.manifest) {
            layout.name(manifest, name);
        }
    }

    /// The highest legacy folder of an image, as one of its names has it.
    fn top_of(&self, at: usize) -> Option<String> {
        let repositories = self.repositories.as_ref()?;
        let mut names = self.images[at].names.iter().flatten();
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
            if tags.insert(tag.to_owned(), top.to_owned()).is_none() {
                let stands = (repository.to_owned(), tag.to_owned());
                self.entered.entry(name.clone()).or_default().push(stands);
            }
        }
    }
}

/// Images among the holders of a name, each once.
fn images_of(holders: &[(usize, usize)]) -> Vec<usize> {
    let mut images: Vec<usize> = holders.iter().map(|(at, _)| *at).collect();
    images.dedup();
    images
}

fn too_large(len: usize) -> Error {
    let limit = docker_save::MANIFEST_LIMIT;
    let message = format!("its {MANIFEST_NAME} would have {len} bytes, more than {limit}");
    Error::new(ErrorKind::LimitExceeded, message).hint("write fewer images to one archive")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use transship_core::MediaType;

    use super::*;

    /// Two documents list each of many names, and all of them move to another image.
    #[test]
    fn names_are_looked_up_and_not_searched_for() {
        let raw: Vec<String> = (0..8_000).map(|n| format!("example.com/x:{n}")).collect();
        let names: Vec<ImageName> =
            raw.iter().map(|raw| ImageName::from(&archive_name(raw).unwrap())).collect();
        let image = |what: &str| {
            let (id, saved) =
                (transship_core::sha256(what.as_bytes()), SavedImage::new(what, Vec::new()));
            let manifest = Some(Descriptor::new(MediaType::ImageManifest, id.clone(), 2));
            NewEntry { id, saved, top: Some(what.to_owned()), manifest }
        };
        let mut table = Table::of(None).unwrap();
        table.layout = Some(NamedLayout::new(LayoutIndex::new()));
        table.add(&image("a"), &names);
        table.add(&image("b"), &names);
        let gone: usize = names[..4_000].iter().map(|name| table.take_name(name).len()).sum();
        assert_eq!(gone, 0);
        // Each entry of the layout was looked at when it came, and not again for each name.
        let looked_at = table.layout.as_ref().unwrap().looked_at();
        assert!(looked_at <= 2 * names.len() + 2, "{looked_at}");
        let documents: HashMap<_, _> = table.documents().unwrap().into_iter().collect();
        let parsed = |name| serde_json::from_slice::<serde_json::Value>(&documents[name]).unwrap();
        let listed = parsed(MANIFEST_NAME);
        assert_eq!(listed[0]["RepoTags"], json!(null));
        assert_eq!(listed[1]["RepoTags"].as_array().unwrap().len(), 4_000);
        assert_eq!(parsed(REPOSITORIES_NAME)["example.com/x"].as_object().unwrap().len(), 4_000);
        // One entry without a name is left of the first image.
        assert_eq!(parsed(INDEX_FILE)["manifests"].as_array().unwrap().len(), 4_001);
    }
}
