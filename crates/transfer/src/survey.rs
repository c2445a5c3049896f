//! What is known of all images together before the first byte is written: who gets which name.

use std::collections::HashMap;

use transship_core::{Digest, Error, ErrorKind, ImageName, Result};

use crate::open::Sources;
use crate::prepare::Job;

/// The names of the images so far.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    sources: &'a Sources<'a>,
    holders: HashMap<ImageName, Holder>,
    /// For each image that loses names to later ones, what to say of it.
    taken: HashMap<usize, Vec<String>>,
}

/// The last image that gets a name.
#[derive(Debug)]
struct Holder {
    at: usize,
    digest: Digest,
    name: ImageName,
    said: bool,
}

impl<'a> Survey<'a> {
    pub(crate) fn of(sources: &'a Sources<'a>) -> Self {
        Self { sources, holders: HashMap::new(), taken: HashMap::new() }
    }

    /// Adds the next image. Says which earlier one loses a name to it, and how that is told.
    ///
    /// # Errors
    /// `InvalidReference` when the caller gave or mapped a name that another image has, too.
    pub(crate) fn add(&mut self, job: &Job<'_>) -> Result<Vec<(usize, String)>> {
        let mut lost = Vec::new();
        for name in &job.place.names {
            let said = job.place.said.contains(name);
            let digest = job.plan.source.digest.clone();
            let holder = Holder { at: job.id.0, digest, name: name.clone(), said };
            let Some(old) = self.holders.insert(canonical(name), holder) else { continue };
            if old.digest == job.plan.source.digest {
                continue;
            }
            if said || old.said {
                return Err(self.both(old.at, job.id.0, name));
            }
            if old.name == *name {
                let by = self.sources.reference(job.id.0);
                let text = format!("its name {name} goes to {by}, which has it too");
                self.taken.entry(old.at).or_default().push(text.clone());
                lost.push((old.at, text));
            }
        }
        Ok(lost)
    }

    /// For each image that loses names, what is to be said of it.
    pub(crate) fn into_taken(self) -> HashMap<usize, Vec<String>> {
        self.taken
    }

    fn both(&self, first: usize, second: usize, name: &ImageName) -> Error {
        let (first, second) = (self.sources.reference(first), self.sources.reference(second));
        Error::new(
            ErrorKind::InvalidReference,
            format!("{first} and {second} would both be named {name}"),
        )
        .hint("give each image a name of its own, or copy one of them")
    }
}

/// One text for all that most places take for one name.
fn canonical(name: &ImageName) -> ImageName {
    name.docker().map_or_else(|| name.clone(), |docker| ImageName::from(&docker.or_latest()))
}
