//! [`NamedLayout`]: the index of a layout whose entries are found by their names.

use std::collections::{BTreeSet, HashMap, HashSet};

use transship_archive::layout::{CONTAINERD_NAME, LayoutIndex, REF_NAME, entry_name, strip_names};
use transship_core::{Descriptor, Digest, ImageName};

use crate::reference::archive_name;

/// The index of a layout. Positions of its entries stay as they are until [`index`](Self::index) is asked for.
#[derive(Debug)]
pub(crate) struct NamedLayout {
    index: LayoutIndex,
    /// Entries that are taken out with the next look at the index.
    gone: HashSet<usize>,
    /// Whether what follows is true of the index: others may have changed it.
    noted: bool,
    of_name: HashMap<ImageName, BTreeSet<usize>>,
    of_image: HashMap<Digest, Entries>,
    /// How often an entry was looked at.
    #[cfg(test)]
    looked_at: usize,
}

/// The entries of one digest.
#[derive(Debug, Default)]
struct Entries {
    count: usize,
    nameless: BTreeSet<usize>,
}

impl NamedLayout {
    pub(crate) fn new(index: LayoutIndex) -> Self {
        let (gone, of_name, of_image) = (HashSet::new(), HashMap::new(), HashMap::new());
        Self {
            index,
            gone,
            noted: false,
            of_name,
            of_image,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// The index, to be read or changed.
    pub(crate) fn index(&mut self) -> &mut LayoutIndex {
        let gone = std::mem::take(&mut self.gone);
        self.noted = false;
        if !gone.is_empty() {
            self.index.retain(|at, _| !gone.contains(&at));
        }
        &mut self.index
    }

    /// Lists a manifest without a name.
    pub(crate) fn push(&mut self, entry: Descriptor) {
        self.note_all();
        self.index.push(entry);
        self.note(self.index.entries().len() - 1);
    }

    /// Gives a manifest a name: to an entry of it without one, or to a new one.
    pub(crate) fn name(&mut self, manifest: &Descriptor, name: &ImageName) {
        self.note_all();
        let mut entry = manifest.clone();
        for key in [CONTAINERD_NAME, REF_NAME] {
            entry.annotations.insert(key.to_owned(), name.to_string());
        }
        let nameless =
            self.of_image.get_mut(&manifest.digest).and_then(|of| of.nameless.pop_first());
        match nameless {
            Some(at) => {
                self.index.replace(at, entry);
                self.of_name.entry(name.clone()).or_default().insert(at);
            }
            None => self.push(entry),
        }
    }

    /// Lists a manifest under names, in place of entries of these names that cannot be read. A name of one that can be read stays with that.
    pub(crate) fn enter(
        &mut self,
        manifest: &Descriptor,
        names: &[ImageName],
        is_readable: &dyn Fn(&Descriptor) -> bool,
    ) {
        self.note_all();
        if !self.of_image.contains_key(&manifest.digest) {
            self.push(manifest.clone());
        }
        for name in names {
            let entries = &self.index.entries();
            let is_damaged = |at: &usize| {
                let entry = &entries[*at];
                entry.digest != manifest.digest && !is_readable(entry)
            };
            let holders = self.of_name.remove(name).unwrap_or_default();
            let (damaged, others): (BTreeSet<_>, BTreeSet<_>) =
                holders.into_iter().partition(is_damaged);
            for at in &damaged {
                if let Some(of_image) = self.of_image.get_mut(&entries[*at].digest) {
                    of_image.count -= 1;
                }
            }
            self.gone.extend(damaged);
            let is_free = others.is_empty();
            self.of_name.insert(name.clone(), others);
            if is_free {
                self.name(manifest, name);
            }
        }
    }

    /// Takes a name off the entries that have it; the last of an image stays, without one.
    pub(crate) fn unname(&mut self, name: &ImageName) {
        self.note_all();
        for at in self.of_name.remove(name).unwrap_or_default() {
            let mut entry = self.index.entries()[at].clone();
            let of_image = self.of_image.entry(entry.digest.clone()).or_default();
            if of_image.count > 1 {
                of_image.count -= 1;
                self.gone.insert(at);
                continue;
            }
            strip_names(&mut entry);
            of_image.nameless.insert(at);
            self.index.replace(at, entry);
        }
    }

    fn note_all(&mut self) {
        if !std::mem::replace(&mut self.noted, true) {
            self.of_name.clear();
            self.of_image.clear();
            (0..self.index.entries().len()).for_each(|at| self.note(at));
        }
    }

    #[cfg(test)]
    pub(crate) fn looked_at(&self) -> usize {
        self.looked_at
    }

    fn note(&mut self, at: usize) {
        #[cfg(test)]
        {
            self.looked_at += 1;
        }
        let entry = &self.index.entries()[at];
        let of_image = self.of_image.entry(entry.digest.clone()).or_default();
        of_image.count += 1;
        match entry_name(entry).map(archive_name) {
            None => {
                of_image.nameless.insert(at);
            }
            Some(Ok(name)) => {
                self.of_name.entry(ImageName::from(&name)).or_default().insert(at);
            }
            // A name that is none of ours stays as it is.
            Some(Err(_)) => {}
        }
    }
}
