//! The `manifest.json` that lets `docker load` take an `oci-archive:`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use transship_archive::docker_save::{MANIFEST_NAME, SavedEntry, SavedImage};
use transship_archive::layout::{LayoutIndex, blob_path, entry_name};
use transship_core::{
    Descriptor, Digest, DockerName, Document, INDEX_DEPTH, ImageDocument, Manifest, Observer,
    Platform, Result,
};

use crate::beside::Besides;
use crate::layout::Layout;

/// How manifests are looked at, and whether blobs are there.
pub(crate) struct Seen<'a> {
    /// A manifest that is there and is one.
    pub(crate) manifest: &'a dyn Fn(&Descriptor) -> Result<Option<Manifest>>,
    pub(crate) holds: &'a dyn Fn(&Digest) -> Result<bool>,
}

/// The images in an entry, whole ones, of which docker loads one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loadable {
    all: Vec<Candidate>,
    /// The platform that was asked for.
    asked: Option<Platform>,
}

#[derive(Clone, Debug)]
struct Candidate {
    platform: Option<Platform>,
    saved: SavedImage,
    with_zstd: bool,
}

/// What an archive lists.
pub(crate) struct Images<'a> {
    /// Before, and now.
    pub(crate) old: &'a LayoutIndex,
    pub(crate) new: &'a LayoutIndex,
    /// Of the images that were written now, by digest.
    pub(crate) ours: &'a HashMap<String, Option<Loadable>>,
    /// Of those, the manifests that are about others.
    pub(crate) ours_about: BTreeSet<String>,
    /// The layout that the old ones are in.
    pub(crate) layout: Option<&'a Layout>,
}

/// The document for all images that docker can hold; of an index, the one that was asked for, else one for
/// `linux/amd64`, or else the first for Linux. `old` is what it said before: an image keeps its fields and its platform
/// there, and what the layout does not know stays.
pub(crate) fn manifest_json(
    images: &Images<'_>,
    old: Vec<SavedEntry>,
    observer: &Observer,
) -> Result<Vec<SavedEntry>> {
    let names = names(images.new);
    let mut unused: BTreeMap<String, SavedEntry> = BTreeMap::new();
    for entry in old {
        unused.entry(entry.image().config.clone()).or_insert(entry);
    }
    let mut saved = Vec::new();
    let (mut done, mut listed) = (BTreeSet::new(), BTreeSet::new());
    let besides = Besides::of(images.new.entries());
    let all = images.new.entries().iter().enumerate();
    for (_, entry) in all.filter(|(at, _)| besides.at(*at).is_none()) {
        let digest = entry.digest.to_string();
        if !done.insert(digest.clone()) {
            continue;
        }
        let Some(loadable) = images.loadable(entry)? else { continue };
        let known = loadable.all.iter().find(|c| unused.contains_key(&c.saved.config));
        let known = known.and_then(|candidate| unused.remove(&candidate.saved.config));
        let Some(mut image) = known.or_else(|| Some(loadable.best()?.saved.clone().into())) else {
            continue;
        };
        image.rename(names.get(&digest).cloned().unwrap_or_default());
        saved.push(image);
        listed.insert(digest);
    }
    // Images that went took theirs with them.
    let old_is_done = unused.is_empty();
    for entry in images.old.entries().iter().take_while(|_| !old_is_done) {
        for candidate in images.loadable(entry)?.iter().flat_map(|loadable| &loadable.all) {
            unused.remove(&candidate.saved.config);
        }
    }
    // What is damaged now is listed as before, with the names that it has still.
    let stays = |digest: &String| !images.ours.contains_key(digest) && !listed.contains(digest);
    let taken = names.iter().filter(|(digest, _)| !stays(digest));
    let taken: BTreeSet<&String> = taken.flat_map(|(_, names)| names).collect();
    let now: BTreeSet<&String> = names.values().flatten().collect();
    let before = self::names(images.old);
    let before: BTreeSet<&String> = before.values().flatten().collect();
    for (_, mut entry) in unused {
        let goes = |name: &String| {
            let name = canonical(name);
            taken.contains(&name) || (before.contains(&name) && !now.contains(&name))
        };
        let kept = entry.image().names().iter().filter(|name| !goes(name));
        let kept: Vec<String> = kept.cloned().collect();
        if let Some(name) = kept.iter().find(|name| now.contains(&canonical(name))) {
            observer.warn(format!(
                "the image {name} is damaged: {MANIFEST_NAME} lists it for docker as before"
            ));
        }
        entry.rename(kept);
        saved.push(entry);
    }
    Ok(saved)
}

/// Says what older dockers cannot load.
pub(crate) fn warn_of_zstd<'a>(all: impl Iterator<Item = &'a Loadable>, observer: &Observer) {
    let mut best = all.filter_map(Loadable::best);
    if best.any(|candidate| candidate.with_zstd) {
        observer.warn("docker before 23 cannot load this archive: it has layers of zstd");
    }
}

impl Images<'_> {
    /// What docker can load of an entry; nothing of manifests that are about others.
    fn loadable(&self, entry: &Descriptor) -> Result<Option<Loadable>> {
        if let Some(ours) = self.ours.get(entry.digest.as_ref()) {
            return Ok(ours.clone());
        }
        let Some(layout) = self.layout else { return Ok(None) };
        let nameless = entry_name(entry).is_none();
        if nameless
            && (self.ours_about.contains(entry.digest.as_ref()) || layout.subject(entry)?.is_some())
        {
            return Ok(None);
        }
        let manifest = |of: &Descriptor| layout.glance(of);
        let holds = |digest: &Digest| layout.holds(digest);
        Loadable::of(&Seen { manifest: &manifest, holds: &holds }, entry)
    }
}

impl Loadable {
    /// The images in an entry, or the entry itself; `None` when docker can take none of them.
    pub(crate) fn of(seen: &Seen<'_>, entry: &Descriptor) -> Result<Option<Self>> {
        let mut this = Self::default();
        this.collect(seen, entry, 0)?;
        Ok(Some(this).filter(|this| !this.all.is_empty()))
    }

    /// Says which platform was asked for.
    pub(crate) fn preferring(mut self, asked: Option<&Platform>) -> Self {
        self.asked = asked.cloned();
        self
    }

    fn collect(&mut self, seen: &Seen<'_>, of: &Descriptor, depth: usize) -> Result<()> {
        if of.is_attestation() || depth > INDEX_DEPTH {
            return Ok(());
        }
        let Some(manifest) = (seen.manifest)(of)? else { return Ok(()) };
        match manifest.document() {
            Document::Image(image) if image.is_runnable() && is_whole(seen, image)? => {
                self.all.push(Candidate::new(of, image));
            }
            Document::Index(index) => {
                for child in &index.manifests {
                    self.collect(seen, child, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn best(&self) -> Option<&Candidate> {
        let [only] = &self.all[..] else {
            let amd64 = Platform::new("linux", "amd64");
            let first = |test: &dyn Fn(&Platform) -> bool| {
                let is = |c: &&Candidate| {
                    c.platform.as_ref().is_some_and(|p| test(&p.clone().normalized()))
                };
                self.all.iter().find(is)
            };
            return self
                .fitting()
                .or_else(|| first(&|p| amd64.fit(p) == Some(0)))
                .or_else(|| first(&|p| p.os == "linux"));
        };
        Some(only)
    }

    fn fitting(&self) -> Option<&Candidate> {
        let asked = self.asked.as_ref()?;
        let fit = |c: &Candidate| asked.fit(c.platform.as_ref()?);
        let all = self.all.iter().filter_map(|candidate| Some((fit(candidate)?, candidate)));
        all.min_by_key(|(fit, _)| *fit).map(|(_, candidate)| candidate)
    }
}

impl Candidate {
    fn new(of: &Descriptor, image: &ImageDocument) -> Self {
        let layers = image.layers.iter().map(|layer| blob_path(&layer.digest)).collect();
        Self {
            platform: of.platform.clone(),
            saved: SavedImage::new(blob_path(&image.config.digest), layers),
            with_zstd: image.layers.iter().any(|l| l.media_type.as_ref().ends_with("zstd")),
        }
    }
}

/// Whether all of an image is there: docker fails for the whole archive over a file that is missing.
fn is_whole(seen: &Seen<'_>, image: &ImageDocument) -> Result<bool> {
    for blob in std::iter::once(&image.config).chain(&image.layers) {
        if !(seen.holds)(&blob.digest)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The names that docker takes, those with a tag, by the digest of their entry.
fn names(index: &LayoutIndex) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in index.entries() {
        let name = entry_name(entry).and_then(|name| DockerName::parse(name).ok());
        if let Some(name) = name.filter(|name| name.tag().is_some() && name.digest().is_none()) {
            let of_entry = names.entry(entry.digest.to_string()).or_default();
            let name = name.to_string();
            if !of_entry.contains(&name) {
                of_entry.push(name);
            }
        }
    }
    names
}

fn canonical(name: &str) -> String {
    DockerName::parse(name).map_or_else(|_| name.to_owned(), |name| name.or_latest().to_string())
}
