//! Deletion: an image or a name goes from `index.json`, and from a tar what only that image needs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use transship_archive::docker_save::{MANIFEST_NAME, entries_bytes};
use transship_archive::layout::{
    BLOBS, INDEX_FILE, LAYOUT_FILE, LayoutIndex, blob_path, entry_name,
};
use transship_archive::{Base, Reachable, Rewritten, rewrite};
use transship_core::{
    Cancel, DeletedNames, Descriptor, Digest, Error, ErrorKind, MANIFEST_LIMIT, Result,
    parse_digest,
};
use transship_local::{Lock, LockWait, Publish, Target, put_file};

use crate::layout::Layout;
use crate::reference::Selector;
use crate::select::{self, Root};
use crate::storage::{FolderStorage, docker_entries, layout_of, refuse_links};
use crate::write::docker::{self, Images};

/// What is deleted.
#[derive(Clone, Copy)]
pub(crate) struct Chosen<'s> {
    pub(crate) select: &'s Selector,
    /// Of an image that is chosen by a name.
    pub(crate) names: DeletedNames,
    /// What the root of the image has to be.
    pub(crate) root: Option<&'s Digest>,
}

/// Deletes from a layout in a folder: `index.json` changes, under its lock. Blobs stay for a collection.
/// When it fails, the layout is as before.
pub(crate) fn from_folder(
    path: &Path,
    shared: Option<&Path>,
    chosen: Chosen<'_>,
    wait: &LockWait,
    cancel: &Cancel,
) -> Result<()> {
    let target: PathBuf = Target::look_at(path)?.path().to_owned();
    let open = || Layout::open(Box::new(FolderStorage::new(&target, shared)), cancel);
    refuse_links(&target, shared)?;
    open()?;
    let _lock = Lock::exclusive(&target.join(LAYOUT_FILE), wait, cancel)?;
    let layout = open()?;
    let index = without(&layout, chosen, cancel)?;
    cancel.check()?;
    put_file(&target.join(INDEX_FILE), &index.to_bytes(), Publish::Replace)
}

/// Deletes from a layout in a tar, which is written anew without the blobs that no image needs.
pub(crate) fn from_tar(
    path: &Path,
    chosen: Chosen<'_>,
    wait: &LockWait,
    cancel: &Cancel,
) -> Result<()> {
    let mut change = |base: &Arc<Base>| {
        let layout = layout_of(base, cancel)?;
        let index = without(&layout, chosen, cancel)?;
        let mut documents = vec![(INDEX_FILE, Bytes::from(index.to_bytes()))];
        let mut goes: HashSet<Arc<str>> = [Arc::from(INDEX_FILE)].into();
        let mut needed = BTreeSet::new();
        if base.index().contains(MANIFEST_NAME) {
            let (old, ours) = (layout.index(), HashMap::new());
            let ours_about = BTreeSet::new();
            let images =
                Images { old, new: &index, ours: &ours, ours_about, layout: Some(&layout) };
            let entries = docker_entries(Some(base))?;
            let saved = docker::manifest_json(&images, entries, wait.observer())?;
            for image in &saved {
                let image = image.image();
                needed.extend(image.layer_names().iter().chain([&image.config]).cloned());
            }
            documents.push((MANIFEST_NAME, entries_bytes(&saved)));
            goes.insert(Arc::from(MANIFEST_NAME));
        }
        goes.extend(unneeded(base, &layout, &index, &needed, cancel)?);
        Ok(Rewritten { goes, documents })
    };
    rewrite(path, &mut change, wait, cancel)
}

/// The blobs that neither the entries of an index nor docker's manifest need.
fn unneeded(
    base: &Base,
    layout: &Layout,
    index: &LayoutIndex,
    needed: &BTreeSet<String>,
    cancel: &Cancel,
) -> Result<HashSet<Arc<str>>> {
    let read = |digest: &Digest| {
        cancel.check()?;
        layout.bytes_of(digest, MANIFEST_LIMIT)
    };
    let mut reach = Reachable::new(&read);
    reach.follow(&index.to_bytes());
    reach.check_readable()?;
    let mut kept: HashSet<Arc<str>> = HashSet::new();
    for name in reach.digests().map(blob_path).chain(needed.iter().cloned()) {
        kept.extend(base.index().staying_chain(&name)?);
    }
    let is_blob = |name: &str| {
        let rest = name.strip_prefix(BLOBS).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| parse_digest(&rest.replacen('/', ":", 1)).is_ok())
    };
    let names = base.index().entries().iter().map(|entry| &entry.name);
    Ok(names.filter(|name| is_blob(name) && !kept.contains(*name)).cloned().collect())
}

/// The index without what is meant, and without what is about that alone.
pub(crate) fn without(layout: &Layout, chosen: Chosen<'_>, cancel: &Cancel) -> Result<LayoutIndex> {
    let mut index = layout.index().clone();
    if let Selector::Index(at) = chosen.select
        && chosen.root.is_none()
        && index.malformed().any(|entry| entry.position == *at)
    {
        index.retain_malformed(|entry| entry.position != *at);
        return Ok(index);
    }
    let root = chosen.root;
    let meant = meant(layout, chosen, cancel)?;
    if root.is_some_and(|root| meant.iter().any(|at| layout.entries()[*at].digest != *root)) {
        let message = "it is another image than the one that was to be deleted";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let left = layout.entries().iter().enumerate().filter(|(at, _)| !meant.contains(at));
    let left: HashSet<&Digest> = left.map(|(_, entry)| &entry.digest).collect();
    let gone = meant.iter().map(|at| &layout.entries()[*at]);
    let gone: Vec<_> = gone.filter(|entry| !left.contains(&entry.digest)).collect();
    let gone = only_below(layout, &gone, &meant, cancel)?;
    let goes = about_gone(layout, &meant, gone, cancel)?;
    index.retain(|at, _| !meant.contains(&at) && !goes.contains(&at));
    Ok(index)
}

/// The positions of the entries that are meant.
fn meant(layout: &Layout, meant: Chosen<'_>, cancel: &Cancel) -> Result<BTreeSet<usize>> {
    let select = meant.select;
    let chosen = select::choose(layout, select, cancel)?;
    let all = |test: &dyn Fn(&Descriptor) -> bool| -> BTreeSet<usize> {
        let entries = layout.entries().iter().enumerate();
        entries.filter(|(_, entry)| test(entry)).map(|(at, _)| at).collect()
    };
    if let Root::Together(_) = chosen.root {
        // All that have no name, and what is about them.
        return Ok(all(&|entry| entry_name(entry).is_none()));
    }
    if let Selector::Name(name) = select
        && meant.names != DeletedNames::All
    {
        return Ok(select::named(layout, name.as_str()));
    }
    let root = chosen.root.descriptor(layout);
    let meant = all(&|entry| entry.digest == root.digest);
    if meant.is_empty() {
        let message = format!("{} is a part of another image", root.digest);
        return Err(Error::new(ErrorKind::Unsupported, message)
            .hint("delete the image that it is a part of"));
    }
    Ok(meant)
}

/// The manifests that some entries reach, and what is left of the index does not.
fn only_below(
    layout: &Layout,
    gone: &[&Descriptor],
    meant: &BTreeSet<usize>,
    cancel: &Cancel,
) -> Result<HashSet<Digest>> {
    let read = |digest: &Digest| {
        cancel.check()?;
        layout.bytes_of(digest, MANIFEST_LIMIT)
    };
    let (mut reached, mut kept) = (Reachable::new(&read), Reachable::new(&read));
    for entry in gone {
        reached.follow_entry(entry);
    }
    for entry in layout.index().malformed() {
        kept.follow(entry.text.as_bytes());
    }
    for (at, entry) in layout.entries().iter().enumerate().filter(|(at, _)| !meant.contains(at)) {
        cancel.check()?;
        // A signature names what it is about, and does not keep it.
        let is_beside = layout.besides().at(at).is_some();
        if !is_beside && (entry_name(entry).is_some() || layout.subject(entry)?.is_none()) {
            kept.follow_entry(entry);
        }
    }
    // A cancelled read looks like an unreadable manifest.
    cancel.check()?;
    if !kept.unreadable().is_empty() {
        // It may reach any of them: what is about them stays.
        return Ok(HashSet::new());
    }
    Ok(reached.digests().filter(|digest| !kept.has(digest)).cloned().collect())
}

/// The positions of what is about something that has gone: what has no name, and what stands beside it. Each manifest is read
/// once.
fn about_gone(
    layout: &Layout,
    meant: &BTreeSet<usize>,
    gone: HashSet<Digest>,
    cancel: &Cancel,
) -> Result<HashSet<usize>> {
    let mut about = HashMap::<Digest, Vec<usize>>::new();
    for (at, entry) in layout.entries().iter().enumerate().filter(|(at, _)| !meant.contains(at)) {
        cancel.check()?;
        let subject = match layout.besides().at(at) {
            Some(beside) => Some(beside.subject.clone()),
            None if entry_name(entry).is_some() => None,
            None => layout.subject(entry)?.map(|subject| subject.digest),
        };
        if let Some(subject) = subject {
            about.entry(subject).or_default().push(at);
        }
    }
    let mut goes = HashSet::new();
    let mut ahead = Vec::from_iter(gone);
    while let Some(gone) = ahead.pop() {
        for at in about.remove(&gone).unwrap_or_default() {
            goes.insert(at);
            ahead.push(layout.entries()[at].digest.clone());
        }
    }
    Ok(goes)
}
