//! Which image of a layout is meant, and which there are.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::json;
use transship_archive::layout::{Malformed, blob_path, entry_name};
use transship_core::{
    CONFIG_LIMIT, Cancel, Descriptor, Digest, Document, Error, ErrorKind, Escaped, INDEX_DEPTH,
    ImageConfig, ImageName, Manifest, MediaType, Platform, Result, ResultExt, few, is_index_type,
};

use crate::beside::Form;
use crate::layout::Layout;
use crate::names::{alias, same_to_docker};
use crate::reference::Selector;

/// An image that was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) root: Root,
    pub(crate) raw_names: Vec<String>,
}

/// What a reference stands for.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// One of the entries of `index.json`.
    Entry(usize),
    /// A manifest or index below one of them.
    Below(Box<Descriptor>),
    /// Several entries without names that are one multi-platform image together; the index is made from them.
    Together(Box<Manifest>),
}

impl Root {
    pub(crate) fn descriptor<'a>(&'a self, layout: &'a Layout) -> &'a Descriptor {
        match self {
            Self::Entry(at) => &layout.entries()[*at],
            Self::Below(found) => found,
            Self::Together(index) => index.descriptor(),
        }
    }
}

/// One image of a layout: entries with one digest, or those that are one multi-platform image together.
#[derive(Debug)]
pub(crate) struct Image {
    /// The position of its first entry in `index.json`.
    pub(crate) index: usize,
    pub(crate) root: Root,
    pub(crate) raw_names: Vec<String>,
}

impl Image {
    pub(crate) fn names(&self) -> Vec<ImageName> {
        image_names(&self.raw_names)
    }
}

/// The names among the texts that stand in a layout.
pub(crate) fn image_names(raw: &[String]) -> Vec<ImageName> {
    raw.iter().filter_map(|name| ImageName::new(name).ok()).collect()
}

/// All images of a layout, in stored order. Referrers without a name are none; what stands beside an image is none, unless
/// there is nothing else.
pub(crate) fn images(layout: &Layout, cancel: &Cancel) -> Result<Vec<Image>> {
    let mut images: Vec<Image> = Vec::new();
    let (mut seen, mut names) = (HashMap::new(), HashSet::new());
    let beside = |at: usize| layout.besides().at(at).is_some();
    let is_image = |at: usize| !beside(at) || !has_images(layout);
    for (at, entry) in layout.entries().iter().enumerate().filter(|(at, _)| is_image(*at)) {
        let image = *seen.entry(&entry.digest).or_insert(images.len());
        if image == images.len() {
            let (index, root) = (layout.index().position(at), Root::Entry(at));
            images.push(Image { index, root, raw_names: Vec::new() });
        }
        if let Some(name) = entry_name(entry).filter(|name| names.insert((image, *name))) {
            images[image].raw_names.push(name.to_owned());
        }
    }
    if images.len() == 1 {
        return Ok(images);
    }
    let mut kept = Vec::new();
    for image in images {
        cancel.check()?;
        if !is_nameless_referrer(layout, &image)? {
            kept.push(image);
        }
    }
    match together(layout, &kept, cancel)? {
        Some(index) => {
            let root = Root::Together(Box::new(index));
            Ok(vec![Image { index: 0, root, raw_names: Vec::new() }])
        }
        None => Ok(kept),
    }
}

/// Whether an entry stands beside nothing.
fn has_images(layout: &Layout) -> bool {
    layout.entries().len() > layout.besides().len()
}

/// What stands beside images of a layout, in stored order. Without any image, it counts as images itself.
pub(crate) fn besides(layout: &Layout) -> Vec<Image> {
    if !has_images(layout) {
        return Vec::new();
    }
    let beside = layout.entries().iter().enumerate().filter_map(|(at, entry)| {
        let beside = layout.besides().at(at)?;
        let name = entry_name(entry).filter(|_| beside.form != Form::Kind);
        let (index, root) = (layout.index().position(at), Root::Entry(at));
        let raw_names = vec![name.unwrap_or(&beside.tag).to_owned()];
        Some(Image { index, root, raw_names })
    });
    beside.collect()
}

/// The image that a selector means.
pub(crate) fn choose(layout: &Layout, select: &Selector, cancel: &Cancel) -> Result<Chosen> {
    match select {
        Selector::None => only(layout, cancel),
        Selector::Name(name) => by_name(layout, name.as_str()),
        Selector::Index(index) => match layout.index().stored_at(*index)? {
            Some(at) => Ok(of_entry(layout, at)),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no entry {index}: it has {}", count(layout.index().stored_len())),
            )
            .hint(listing(layout))),
        },
        Selector::Digest(digest) => by_digest(layout, digest, cancel),
    }
}

fn only(layout: &Layout, cancel: &Cancel) -> Result<Chosen> {
    let mut images = images(layout, cancel)?;
    match (images.len(), images.pop()) {
        (1, Some(image)) => Ok(Chosen { root: image.root, raw_names: image.raw_names }),
        (0, _) => Err(match layout.index().malformed().next() {
            Some(entry) => entry.error(),
            None => Error::new(ErrorKind::NotFound, "the layout holds no image"),
        }),
        (many, _) => Err(Error::new(
            ErrorKind::Ambiguous,
            format!("it holds {many} images, and none is chosen"),
        )
        .hint(listing(layout))),
    }
}

/// Whether an entry has a name, in one of the ways.
type HasName = fn(&Descriptor, &str) -> bool;

/// How an entry may have a name: as it stands, as an alias, or as docker means it.
const WAYS: [HasName; 3] = [
    |entry, name| entry_name(entry) == Some(name),
    |entry, name| alias(entry) == Some(name),
    |entry, name| entry_name(entry).is_some_and(|full| same_to_docker(full, name)),
];

/// The positions of the entries that a name means: those that have it in the first way in which any has it.
pub(crate) fn named(layout: &Layout, name: &str) -> BTreeSet<usize> {
    let hits = |way: HasName| -> BTreeSet<usize> {
        let entries = layout.entries().iter().enumerate();
        // What `cosign save` keeps beside an image may have the image's name.
        let beside =
            |at: usize| layout.besides().at(at).is_some_and(|beside| beside.form == Form::Kind);
        let hits = entries.filter(|(at, entry)| way(entry, name) && !beside(*at));
        hits.map(|(at, _)| at).collect()
    };
    WAYS.into_iter().map(hits).find(|hits| !hits.is_empty()).unwrap_or_default()
}

/// The error of an entry that is malformed.
pub(crate) fn malformed(layout: &Layout, position: usize) -> Error {
    match layout.index().stored_at(position) {
        Err(error) => error,
        Ok(_) => Error::new(ErrorKind::NotFound, format!("there is no entry {position}")),
    }
}

/// Whether a malformed entry may be what a name means.
pub(crate) fn may_have_name(entry: Malformed<'_>, name: &str) -> bool {
    entry.has_text(|text| text == name || same_to_docker(text, name))
}

fn by_name(layout: &Layout, name: &str) -> Result<Chosen> {
    // Another reader may see that image, and not the next one of that name.
    if let Some(entry) = layout.index().malformed().find(|entry| may_have_name(*entry, name)) {
        return Err(entry.error().hint(format!("delete it by its position, @{}", entry.position)));
    }
    let hits = named(layout, name);
    let digests: BTreeSet<&str> =
        hits.iter().map(|at| layout.entries()[*at].digest.as_ref()).collect();
    match hits.first() {
        Some(at) if digests.len() == 1 => Ok(of_entry(layout, *at)),
        Some(_) => Err(several(layout, name, &digests)),
        None => {
            let message = format!("no image is named \"{}\"", Escaped(name));
            Err(Error::new(ErrorKind::NotFound, message).hint(listing(layout)))
        }
    }
}

fn several(layout: &Layout, name: &str, digests: &BTreeSet<&str>) -> Error {
    let of = |entry: &&Descriptor| digests.contains(entry.digest.as_ref());
    let full: Vec<String> = layout
        .entries()
        .iter()
        .enumerate()
        .filter(|(_, entry)| of(entry))
        .map(|(at, entry)| {
            let name = Escaped(entry_name(entry).unwrap_or("unnamed"));
            format!("{name} (@{})", layout.index().position(at))
        })
        .collect();
    let message = format!("{} images are named \"{}\"", digests.len(), Escaped(name));
    Error::new(ErrorKind::Ambiguous, message).hint(format!("they are {}", full.join(", ")))
}

/// The image of an entry, with the names of all entries that have its digest.
fn of_entry(layout: &Layout, at: usize) -> Chosen {
    let digest = &layout.entries()[at].digest;
    let same = layout.entries().iter().filter(|other| other.digest == *digest);
    let mut seen = HashSet::new();
    let names = same.filter_map(entry_name).filter(|name| seen.insert(*name));
    let raw_names = names.map(str::to_owned).collect();
    Chosen { root: Root::Entry(at), raw_names }
}

fn by_digest(layout: &Layout, digest: &Digest, cancel: &Cancel) -> Result<Chosen> {
    if let Some(at) = layout.entries().iter().position(|entry| entry.digest == *digest) {
        return Ok(of_entry(layout, at));
    }
    let mut seen = BTreeSet::new();
    for entry in layout.entries() {
        if let Some(found) = find_below(layout, entry, digest, 1, &mut seen, cancel)? {
            return Ok(Chosen { root: Root::Below(Box::new(found)), raw_names: Vec::new() });
        }
    }
    let mut malformed = layout.index().malformed();
    if let Some(entry) = malformed.find(|entry| entry.has_text(|text| text == digest.as_ref())) {
        return Err(entry.error());
    }
    let message = format!("no manifest {digest} can be reached from index.json");
    Err(Error::new(ErrorKind::NotFound, message).hint(listing(layout)))
}

fn find_below(
    layout: &Layout,
    entry: &Descriptor,
    digest: &Digest,
    depth: usize,
    seen: &mut BTreeSet<String>,
    cancel: &Cancel,
) -> Result<Option<Descriptor>> {
    cancel.check()?;
    if is_index_type(&entry.media_type) == Some(false) || !seen.insert(entry.digest.to_string()) {
        return Ok(None);
    }
    if depth > INDEX_DEPTH {
        let message = format!("indexes lie in each other deeper than {INDEX_DEPTH}");
        return Err(Error::new(ErrorKind::LimitExceeded, message));
    }
    // Sparse layouts lack some.
    let Some(manifest) = layout.manifest(entry).if_found()? else { return Ok(None) };
    let Document::Index(index) = manifest.document() else { return Ok(None) };
    if let Some(child) = index.manifests.iter().find(|child| child.digest == *digest) {
        return Ok(Some(child.clone()));
    }
    for child in &index.manifests {
        if let Some(found) = find_below(layout, child, digest, depth + 1, seen, cancel)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn is_nameless_referrer(layout: &Layout, image: &Image) -> Result<bool> {
    Ok(image.raw_names.is_empty() && layout.subject(image.root.descriptor(layout))?.is_some())
}

/// The index of entries that are one multi-platform image together: none has a name, and their platforms all differ.
/// Build tools write this. A `docker save` is none: there `manifest.json` lists them, too, as images of their own.
fn together(layout: &Layout, images: &[Image], cancel: &Cancel) -> Result<Option<Manifest>> {
    if layout.index().malformed().next().is_some() {
        return Ok(None);
    }
    let mut platforms = BTreeSet::new();
    let mut entries = Vec::new();
    for image in images {
        cancel.check()?;
        let entry = image.root.descriptor(layout);
        if !image.raw_names.is_empty() || is_index_type(&entry.media_type) == Some(true) {
            return Ok(None);
        }
        let mut entry = entry.clone();
        if !entry.is_attestation() {
            let Some(platform) = platform_of(layout, &entry)? else { return Ok(None) };
            if !platforms.insert(platform.clone().normalized().to_string()) {
                return Ok(None);
            }
            entry.platform.get_or_insert(platform);
        }
        entries.push(entry);
    }
    if platforms.len() < 2 || are_saved(layout, &entries)? {
        return Ok(None);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::ImageIndex.to_string(),
        "manifests": entries,
    });
    Manifest::new(index.to_string()).map(Some).context(|| "the entries of index.json together")
}

/// Whether the `manifest.json` of `docker save` lists each of these images.
fn are_saved(layout: &Layout, entries: &[Descriptor]) -> Result<bool> {
    let configs = layout.configs_for_docker()?;
    if configs.is_empty() {
        return Ok(false);
    }
    for entry in entries.iter().filter(|entry| !entry.is_attestation()) {
        let manifest = layout.glance(entry)?;
        let Some(Document::Image(image)) = manifest.as_ref().map(Manifest::document) else {
            return Ok(false);
        };
        if !configs.contains(&blob_path(&image.config.digest)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What an entry runs on, as it says, or else as its config does.
pub(crate) fn platform_of(layout: &Layout, entry: &Descriptor) -> Result<Option<Platform>> {
    if let Some(platform) = &entry.platform {
        return Ok(Some(platform.clone()).filter(|platform| !platform.is_unknown()));
    }
    let Some(manifest) = layout.glance(entry)? else { return Ok(None) };
    let Document::Image(image) = manifest.document() else { return Ok(None) };
    config_platform(layout, &image.config)
}

/// What a config says that its image runs on; `None` when it is no image's, or is not here.
pub(crate) fn config_platform(layout: &Layout, config: &Descriptor) -> Result<Option<Platform>> {
    if config.size > CONFIG_LIMIT {
        return Ok(None);
    }
    match layout.document(config, CONFIG_LIMIT, "config") {
        Ok(bytes) => Ok(of_config(&config.media_type, &bytes)),
        Err(e) if e.kind().is_of_content() => Ok(None),
        Err(e) => Err(e),
    }
}

/// What a config says that its image runs on; `None` when it is no image's config, or says nothing.
pub(crate) fn of_config(media_type: &MediaType, bytes: &[u8]) -> Option<Platform> {
    let config = ImageConfig::is_type(media_type).then(|| ImageConfig::parse(bytes))?;
    config.ok()?.platform
}

/// What a layout holds, and how to choose of it, for errors.
fn listing(layout: &Layout) -> String {
    let index = layout.index();
    let entries = index.entries().iter().enumerate().map(|(at, entry)| match entry_name(entry) {
        Some(name) => format!("{} (@{})", Escaped(name), index.position(at)),
        None => format!("@{} (unnamed)", index.position(at)),
    });
    let malformed = index.malformed().map(|entry| format!("@{} (malformed)", entry.position));
    let mut all = entries.chain(malformed).peekable();
    if all.peek().is_none() {
        return "it holds no image".to_owned();
    }
    format!("it holds {}; choose with :NAME or :@INDEX behind the path", few(all))
}

fn count(entries: usize) -> String {
    match entries {
        0 => "none".to_owned(),
        1 => "one, @0".to_owned(),
        n => format!("{n}, @0 to @{}", n - 1),
    }
}
