//! Deletion: an image or a name goes, and what only that image needs.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use transship_archive::layout::{LayoutIndex, blob_path};
use transship_archive::{Base, EntryKind, Reachable, Rewritten, TarIndex, check_content, rewrite};
use transship_core::{
    Cancel, DeletedNames, Descriptor, Digest, ImageName, MANIFEST_LIMIT, MediaType, Result,
    ResultExt,
};
use transship_local::LockWait;

use crate::existing::Existing;
use crate::legacy;
use crate::reference::{Locator, Selector};
use crate::shape::DOCUMENTS;
use crate::table::Table;

/// Deletes an image, or one of its names.
pub(crate) fn delete(
    locator: &Locator,
    names: DeletedNames,
    wait: &LockWait,
    cancel: &Cancel,
) -> Result<()> {
    let place = locator.with(Selector::None);
    let mut change = |base: &Arc<Base>| {
        let existing = Existing::of(&place, base, wait.observer())?;
        let at = existing.contents.choose(&locator.select, cancel)?;
        let mut table = Table::of(Some(&existing))?;
        let mut goes: HashSet<Arc<str>> = DOCUMENTS.iter().map(|name| Arc::from(*name)).collect();
        let stays = match &locator.select {
            Selector::Name(name) if names != DeletedNames::All => {
                table.take_name(&ImageName::from(name)).is_empty()
            }
            _ => false,
        };
        if !stays {
            table.remove(at);
            let layout = table.layout();
            goes.extend(Removal { existing: &existing, at, cancel }.files(layout)?);
        }
        let mut documents = table.documents()?;
        documents.retain(|(name, _)| base.index().contains(name));
        Ok(Rewritten { goes, documents })
    };
    rewrite(Path::new(&place.path), &mut change, wait, cancel)
}

/// An image that goes.
struct Removal<'a> {
    existing: &'a Existing,
    at: usize,
    cancel: &'a Cancel,
}

impl Removal<'_> {
    /// The entries that only it needs; the layout, if there is one, loses it.
    fn files(&self, layout: Option<&mut LayoutIndex>) -> Result<HashSet<Arc<str>>> {
        let index = self.existing.base.index();
        let (mut kept, mut goes) = (HashSet::new(), HashSet::new());
        // Images share files, and a chain of links can be long.
        let mut followed = HashSet::new();
        for (at, entry) in self.existing.entries.iter().enumerate() {
            let (image, is_its) = (entry.image(), at == self.at);
            let names = std::iter::once(&image.config).chain(image.layer_names());
            for name in names.filter(|name| followed.insert((*name, is_its))) {
                self.cancel.check()?;
                if is_its {
                    goes.extend(index.chain(name).into_iter().flatten());
                } else {
                    kept.extend(index.staying_chain(name)?);
                }
            }
        }
        if let Some(layout) = layout {
            let (gone, stay) = self.take_out(layout)?;
            goes.extend(gone.iter().map(|digest| Arc::from(blob_path(digest))));
            for digest in &stay {
                kept.extend(index.staying_chain(&blob_path(digest))?);
            }
        }
        for name in self.legacy_folders() {
            let files = ["VERSION", "json", "layer.tar"].map(|file| format!("{name}/{file}"));
            goes.extend(files.iter().chain([&name]).map(|file| Arc::from(&**file)));
        }
        goes.retain(|name| !kept.contains(name));
        add_links(index, &kept, &mut goes, self.cancel)?;
        add_folders(index, &kept, &mut goes);
        Ok(goes)
    }

    /// Takes its entries out of a layout. Gives the digests that they reach, and those that the others do.
    fn take_out(&self, layout: &mut LayoutIndex) -> Result<(Vec<Digest>, Vec<Digest>)> {
        let index = self.existing.base.index();
        let read = |digest: &Digest| {
            self.cancel.check()?;
            document(index, digest)
        };
        let manifest = |at: usize| {
            let config = self.existing.configs[at].as_ref()?;
            let found = self.existing.contents.stored.find(index, &config.id)?;
            Some(found.digest)
        };
        let gone = manifest(self.at);
        let others = (0..self.existing.entries.len()).filter(|at| *at != self.at);
        let others: HashSet<Digest> = others.filter_map(manifest).collect();
        let (mut reached, mut kept) = (Reachable::new(&read), Reachable::new(&read));
        let mut keep = Vec::new();
        for entry in layout.malformed() {
            kept.follow(entry.text.as_bytes());
        }
        for entry in layout.entries() {
            let mut of_entry = Reachable::new(&read);
            of_entry.follow_entry(entry);
            let is_its = gone.as_ref().is_some_and(|gone| of_entry.has(gone))
                && !of_entry.digests().any(|digest| others.contains(digest));
            if is_its { &mut reached } else { &mut kept }.follow_entry(entry);
            keep.push(!is_its);
        }
        kept.check_readable()?;
        layout.retain(|at, _| keep[at]);
        let digests = |of: &Reachable<'_>| of.digests().cloned().collect();
        Ok((digests(&reached), digests(&kept)))
    }

    /// The folders for docker before 1.10 that we write for it and for none of the others.
    fn legacy_folders(&self) -> HashSet<String> {
        let ids = |at: usize| -> HashSet<String> {
            let Some(config) = &self.existing.configs[at] else { return HashSet::new() };
            // The top's ID does not depend on the config's fields.
            let made = legacy::legacy_layers(&serde_json::Map::new(), &config.id, &config.diff_ids);
            made.into_iter().map(|folder| folder.id).collect()
        };
        let mut gone = ids(self.at);
        let mut configs = HashSet::new();
        for other in (0..self.existing.entries.len()).filter(|at| *at != self.at) {
            let config = self.existing.configs[other].as_ref();
            if !gone.is_empty() && config.is_some_and(|config| configs.insert(&config.id)) {
                let others = ids(other);
                gone.retain(|id| !others.contains(id));
            }
        }
        gone
    }
}

/// A document of a layout in a tar, true to its digest.
fn document(index: &TarIndex, digest: &Digest) -> Result<Option<bytes::Bytes>> {
    let read = index.document(&blob_path(digest), MANIFEST_LIMIT, "document");
    let Some(bytes) = read.if_found()? else { return Ok(None) };
    let size = bytes.len() as u64;
    check_content(&bytes, &Descriptor::new(MediaType::from(""), digest.clone(), size))?;
    Ok(Some(bytes))
}

/// Links to what goes, go too.
fn add_links(
    index: &TarIndex,
    kept: &HashSet<Arc<str>>,
    goes: &mut HashSet<Arc<str>>,
    cancel: &Cancel,
) -> Result<()> {
    let is_link = |kind: &EntryKind| matches!(kind, EntryKind::Symlink(_) | EntryKind::Hardlink(_));
    let mut dangling = Vec::new();
    for link in index.entries().iter().filter(|entry| is_link(&entry.kind)) {
        cancel.check()?;
        let chain = index.chain(&link.name).unwrap_or_default();
        if !kept.contains(&link.name) && chain.iter().any(|name| goes.contains(name)) {
            dangling.push(Arc::clone(&link.name));
        }
    }
    goes.extend(dangling);
    Ok(())
}

/// What else stands in the folder of a legacy layer that goes.
fn add_folders(index: &TarIndex, kept: &HashSet<Arc<str>>, goes: &mut HashSet<Arc<str>>) {
    let folders: Vec<String> =
        goes.iter().filter_map(|name| name.strip_suffix("/layer.tar").map(str::to_owned)).collect();
    for folder in folders {
        let files = [format!("{folder}/json"), format!("{folder}/VERSION"), folder];
        let there = files.into_iter().filter(|name| index.contains(name)).map(Arc::from);
        goes.extend(there.filter(|name| !kept.contains(name)));
    }
}
