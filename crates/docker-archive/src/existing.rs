//! [`Existing`]: the images of an archive that is joined or changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use transship_archive::docker_save::{MANIFEST_LIMIT, MANIFEST_NAME, SavedEntry, parse_entries};
use transship_archive::layout::{
    INDEX_FILE, INDEX_LIMIT, LAYOUT_FILE, LayoutIndex, blob_path, entry_name,
};
use transship_archive::{Base, Compression, TarIndex};
use transship_core::{
    Body, Cancel, Descriptor, Digest, Error, ErrorKind, Escaped, Expect, ImageName, Observer,
    ReadOptions, Result, Stored,
};

use crate::config::Config;
use crate::contents::Contents;
use crate::form::{form_of, plain};
use crate::layer::{Layer, Served};
use crate::reference::{Locator, archive_name};
use crate::shape::DOCUMENTS;
use crate::stored;
use crate::table::NewEntry;
use crate::writing::layer_file;

/// The images of an archive that is joined or changed.
#[derive(Debug)]
pub(crate) struct Existing {
    pub(crate) base: Arc<Base>,
    pub(crate) contents: Contents,
    pub(crate) entries: Vec<SavedEntry>,
    /// What the configs say that can be read.
    pub(crate) configs: Vec<Option<Arc<Config>>>,
    /// The index of the layout that stands in the same tar.
    pub(crate) layout: Option<LayoutIndex>,
    by_id: HashMap<Digest, usize>,
    /// Files that are said to be a layer, by its diff ID.
    layers: HashMap<Digest, Vec<String>>,
    /// How many diff IDs each entry is said to have, by its own name or through links.
    claims: HashMap<Arc<str>, usize>,
    /// The entries of configs, and whether one can be read.
    config_files: HashMap<Arc<str>, bool>,
}

/// A layer that is in the archive.
#[derive(Clone, Debug)]
pub(crate) struct StoredLayer {
    /// Its plain bytes.
    pub(crate) stored: Stored,
    /// What it is served as.
    pub(crate) served: Descriptor,
    /// The entry that has it.
    pub(crate) file: String,
    /// Where its bytes are, if they were put now.
    pub(crate) offset: Option<u64>,
}

impl Existing {
    /// Reads the documents of an archive.
    pub(crate) fn of(place: &Locator, base: &Arc<Base>, observer: &Observer) -> Result<Self> {
        let mut how = ReadOptions::default();
        how.observer = observer.clone();
        let contents = Contents::of(place.clone(), Arc::clone(base.index()), &how)?;
        let bytes = base.index().document(MANIFEST_NAME, MANIFEST_LIMIT, "the list of images")?;
        let entries = parse_entries(&bytes)?;
        let configs = (0..entries.len()).map(|at| contents.config(at).ok());
        let configs: Vec<_> = configs.map(|found| found.map(|(config, _)| config)).collect();
        let layout = layout(base.index());
        let base = Arc::clone(base);
        let (by_id, layers, claims) = (HashMap::new(), HashMap::new(), HashMap::new());
        let config_files = HashMap::new();
        let mut this =
            Self { base, contents, entries, configs, layout, by_id, layers, claims, config_files };
        this.look_up();
        Ok(this)
    }

    fn look_up(&mut self) {
        let base = Arc::clone(&self.base);
        let file = |name: &str| target_or_name(base.index(), name);
        let of_config = |(entry, config): (&SavedEntry, &Option<_>)| {
            (file(&entry.image().config), config.is_some())
        };
        self.config_files = self.entries.iter().zip(&self.configs).map(of_config).collect();
        let (mut pairs, mut claims) = (HashSet::new(), HashSet::new());
        for (at, config) in self.configs.iter().enumerate() {
            let Some(config) = config else { continue };
            self.by_id.entry(config.id.clone()).or_insert(at);
            let names = self.entries[at].image().layer_names();
            if names.len() != config.diff_ids.len() {
                continue;
            }
            for (diff_id, name) in config.diff_ids.iter().zip(names) {
                if pairs.insert((diff_id.clone(), name.clone())) {
                    self.layers.entry(diff_id.clone()).or_default().push(name.clone());
                    let file = file(name);
                    if claims.insert((diff_id.clone(), Arc::clone(&file))) {
                        *self.claims.entry(file).or_default() += 1;
                    }
                }
            }
        }
    }

    /// The first image of an ID.
    pub(crate) fn position(&self, id: &Digest) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// An image as it is listed anew: with a manifest that was added to the layout, or where another archive has taken the place of
    /// this one.
    pub(crate) fn as_new(&self, id: &Digest, manifest: Option<&Descriptor>) -> Option<NewEntry> {
        let saved = self.entries[self.position(id)?].image().clone();
        Some(NewEntry { id: id.clone(), saved, top: None, manifest: manifest.cloned() })
    }

    /// Whether what an entry of the layout leads to can be read.
    pub(crate) fn is_readable(&self, entry: &Descriptor) -> bool {
        stored::read(self.base.index(), entry)
            .map_or_else(|error| !error.kind().is_of_content(), |_| true)
    }

    /// Checks that names of an image, of which the layout has no manifest that can be read, are not there those of something else.
    pub(crate) fn check_names(&self, at: usize, names: &[ImageName]) -> Result<()> {
        let mut ours = self.contents.names(at);
        ours.retain(|name| names.contains(name));
        for entry in self.layout.iter().flat_map(LayoutIndex::entries) {
            let name = entry_name(entry).and_then(|name| archive_name(name).ok());
            let Some(name) = name.map(|name| ImageName::from(&name)) else { continue };
            if ours.contains(&name) && self.is_readable(entry) {
                return Err(not_mended(format!(
                    "{name} is image @{at} in {MANIFEST_NAME}, and {} in {INDEX_FILE}, which does not lead to it",
                    entry.digest
                )));
            }
        }
        Ok(())
    }

    /// Checks that all of an image is there that the layout's manifest of it lists, where some was put now.
    pub(crate) fn check_stored(
        &self,
        manifest: &Descriptor,
        put_now: &dyn Fn(&Digest) -> bool,
    ) -> Result<()> {
        let index = self.base.index();
        let read = stored::read(index, manifest)?;
        let is_there =
            |blob: &&Descriptor| stored::blob_range(index, blob).is_some() || put_now(&blob.digest);
        match read.document().parts().find(|blob| !is_there(blob)) {
            None => Ok(()),
            Some(blob) => Err(not_mended(format!(
                "manifest {} in {INDEX_FILE} lists {}, which is damaged or missing and cannot be mended in place",
                manifest.digest, blob.digest
            ))),
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.base.index().contains(name)
    }

    /// The entry that images list for a layer of which no true file is there: a whole one in its place mends them all.
    /// `None` where it stands for something else, too.
    pub(crate) fn damaged(&self, diff_id: &Digest) -> Option<Arc<str>> {
        let listed = self.layers.get(diff_id)?.first()?;
        let name = target_or_name(self.base.index(), listed);
        let of_others = self.claims.get(&name).is_some_and(|claims| *claims > 1)
            || self.config_files.contains_key(&name)
            || is_document(&name);
        // A layout finds a layer by its digest, and lists a compressed one by another.
        let fits = self.layout.is_none() || *blob_path(diff_id) == *name;
        (fits && !of_others).then_some(name)
    }

    /// Whether a file has some bytes.
    pub(crate) fn holds(&self, name: &str, bytes: &[u8]) -> bool {
        let range = self.base.index().get(name).ok().filter(|it| it.len() == bytes.len() as u64);
        let limit = bytes.len() as u64;
        range.is_some_and(|it| it.bytes(limit, format_args!("{name}")).is_ok_and(|it| it == bytes))
    }

    /// Whether nothing that can be read needs an entry whose bytes are not what its name says.
    pub(crate) fn is_of_no_use(&self, name: &str) -> bool {
        let is_file = self.base.index().target(name).is_ok_and(|target| **target == *name);
        let of_config = self.config_files.get(name).copied().unwrap_or(false);
        is_file && !of_config && !self.claims.contains_key(name) && !is_document(name)
    }

    /// Whether each layer of an image is there under the name that the image lists, where some were found or put as given.
    pub(crate) fn check_listed(
        &self,
        at: usize,
        diff_ids: &[Digest],
        held: &dyn Fn(&Digest) -> Option<StoredLayer>,
        cancel: &Cancel,
    ) -> Result<()> {
        let names = self.entries[at].image().layer_names();
        if names.len() != diff_ids.len() {
            let (listed, needed) = (names.len(), diff_ids.len());
            return Err(not_mended(format!(
                "image @{at} lists {listed} layers, and its config has {needed} diff IDs"
            )));
        }
        for (diff_id, name) in diff_ids.iter().zip(names) {
            let chain = self.base.index().chain(name).unwrap_or_default();
            let same =
                |held: &StoredLayer| held.file == *name || chain.iter().any(|n| **n == *held.file);
            if held(diff_id).as_ref().is_some_and(same) {
                continue;
            }
            match self.look_at(name, diff_id, cancel) {
                Ok(Some(_)) => {}
                Err(error) if !error.kind().is_of_content() => return Err(error),
                _ => {
                    let name = Escaped(name);
                    return Err(not_mended(format!(
                        "image @{at} has layer {diff_id} as \"{name}\", which is damaged and cannot be mended in place"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Whether a file is there that may be a layer.
    pub(crate) fn may_hold(&self, diff_id: &Digest) -> bool {
        self.layers.contains_key(diff_id) || self.contains(&layer_file(diff_id))
    }

    /// A layer by its diff ID, if a file is there, whole, that turns out to be it. It is hashed now, unless that is known of a plain one.
    pub(crate) fn find_layer(
        &self,
        diff_id: &Digest,
        cancel: &Cancel,
    ) -> Result<Option<StoredLayer>> {
        let listed = self.layers.get(diff_id).into_iter().flatten().cloned();
        for file in listed.chain([layer_file(diff_id)]) {
            match self.look_at(&file, diff_id, cancel) {
                Ok(Some(held)) => return Ok(Some(held)),
                Ok(None) => {}
                Err(e) if e.kind().is_of_content() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    fn look_at(
        &self,
        file: &str,
        diff_id: &Digest,
        cancel: &Cancel,
    ) -> Result<Option<StoredLayer>> {
        let range = self.base.index().get(file)?;
        let form = form_of(&range)?;
        let stored = if form == Compression::Plain {
            let Some(stored) = self.base.true_entry(file, diff_id, cancel)? else {
                return Ok(None);
            };
            stored
        } else {
            let plain = Body::from_reader(plain(form, range.reader())?);
            plain.expecting(&Expect::digest(diff_id.clone()))?.chunks(cancel)?.finish()?
        };
        let layer = Layer::look_at(range, None, diff_id, &self.contents.computed, cancel)?;
        let served = layer.descriptor;
        // A layout finds it by the digest of its bytes.
        let is_named = self.layout.is_none() || blob_path(&served.digest) == file;
        if !is_named || matches!(layer.how, Served::Decompressed(_)) {
            return Ok(None);
        }
        Ok(Some(StoredLayer { stored, served, file: file.to_owned(), offset: None }))
    }
}

/// The entry that a name leads to, or the name where it leads nowhere.
fn target_or_name(index: &TarIndex, name: &str) -> Arc<str> {
    index.target(name).map_or_else(|_| Arc::from(name), Arc::clone)
}

/// Whether readers know an entry by its name alone.
fn is_document(name: &str) -> bool {
    let of_legacy = name.ends_with("/json") || name.ends_with("/VERSION");
    DOCUMENTS.contains(&name) || name == LAYOUT_FILE || of_legacy
}

fn not_mended(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message)
        .hint("copy its images and the new ones to another archive")
}

/// An index that cannot be read stays as it is.
fn layout(index: &TarIndex) -> Option<LayoutIndex> {
    if !index.contains(LAYOUT_FILE) {
        return None;
    }
    let bytes = index.document(INDEX_FILE, INDEX_LIMIT, "the layout's index").ok()?;
    LayoutIndex::parse(&bytes).ok()
}
