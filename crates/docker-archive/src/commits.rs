//! [`Commits`]: what was committed, entered in the documents of an archive.

use std::collections::HashSet;
use std::sync::Arc;

use transship_archive::{Base, TarWriter};
use transship_core::{Body, Cancel, Descriptor, Error, ErrorKind, Expect, Observer, Result};

use crate::existing::Existing;
use crate::reference::Locator;
use crate::table::Table;
use crate::writing::Known;

/// What was committed, when all of it is there.
pub(crate) struct Commits<'a> {
    pub(crate) place: &'a Locator,
    pub(crate) existing: Option<&'a Existing>,
    pub(crate) observer: &'a Observer,
    pub(crate) known: &'a Known,
}

impl Commits<'_> {
    /// Puts the documents of an archive that joins a base; made sure of, where that is not the one of the beginning.
    pub(crate) fn put(
        &self,
        base: Option<&Arc<Base>>,
        tar: &mut TarWriter,
        cancel: &Cancel,
    ) -> Result<()> {
        if base.map(Arc::as_ptr) == self.existing.map(|ours| Arc::as_ptr(&ours.base)) {
            return self.put_documents(Table::of(self.existing)?, self.existing, tar);
        }
        let other = base.map(|base| Existing::of(self.place, base, self.observer));
        let other = other.transpose()?;
        self.make_sure(tar, other.as_ref(), cancel)?;
        self.put_documents(Table::of(other.as_ref())?, other.as_ref(), tar)
    }

    fn put_documents(
        &self,
        mut table: Table,
        base: Option<&Existing>,
        tar: &mut TarWriter,
    ) -> Result<()> {
        let is_readable = |entry: &Descriptor| base.is_none_or(|base| base.is_readable(entry));
        for (id, names) in &self.known.commits {
            if let Some(recorded) = self.known.images.get(id) {
                table.add(&recorded.entry, names);
            } else if let Some(existing) = self.existing
                && let Some(entry) = existing.as_new(id, self.known.manifests.get(id))
            {
                table.add_manifest(&entry, &is_readable);
                table.add(&entry, names);
            }
        }
        table.documents()?.iter().try_for_each(|(name, bytes)| tar.put_bytes(name, bytes))
    }

    /// Makes sure of what our images need in an archive that is not the one that it was found in.
    fn make_sure(
        &self,
        tar: &mut TarWriter,
        other: Option<&Existing>,
        cancel: &Cancel,
    ) -> Result<()> {
        let shape = |of: Option<&Existing>| of.is_some_and(|of| of.layout.is_some());
        if shape(other) && !shape(self.existing) {
            return Err(replaced("has another form"));
        }
        let known = self.known;
        let mut files: Vec<(&str, Expect)> = Vec::new();
        for (id, _) in &known.commits {
            let Some(image) = known.images.get(id) else {
                if other.and_then(|other| other.position(id)).is_none() {
                    return Err(replaced("does not have an image that was there"));
                }
                continue;
            };
            files.push((&image.entry.saved.config, Expect::digest(id.clone())));
            let layers = image.layers.iter().filter_map(|layer| known.layers.get(layer));
            files.extend(layers.map(|held| (&*held.file, Expect::from(&held.served))));
        }
        let mut done = HashSet::new();
        for (name, expect) in files.into_iter().filter(|(name, _)| done.insert(*name)) {
            let there = other.filter(|other| other.contains(name));
            let from = match (there, self.existing) {
                (Some(other), _) => other.base.index().get(name)?,
                (None, Some(ours)) if ours.contains(name) => ours.base.index().get(name)?,
                _ => continue,
            };
            let chunks = Body::from_file(from).expecting(&expect)?.chunks(cancel)?;
            if there.is_some() {
                chunks.finish().map_err(|e| replaced("has another file of a name").caused_by(e))?;
            } else {
                // It was in the archive that we joined first, and that one has gone.
                tar.put_stream_as(name, chunks)?;
            }
        }
        Ok(())
    }
}

fn replaced(how: &str) -> Error {
    let message = format!("the archive was replaced meanwhile, by one that {how}");
    Error::new(ErrorKind::Conflict, message).hint("copy again")
}
