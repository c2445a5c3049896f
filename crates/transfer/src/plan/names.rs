//! Which image gets which name, known of all images before the first byte is written.

use std::collections::HashMap;

use transship_core::{AcceptsNameless, Digest, Error, ErrorKind, ImageName, Result};

use super::ImageTask;
use crate::open::{Sources, Target};

/// The names under which the images so far will show.
#[derive(Debug)]
pub(super) struct NameTable<'a> {
    sources: &'a Sources<'a>,
    holders: HashMap<ImageName, Holder>,
    /// How many names each image still has; those without a name are not among them.
    left: HashMap<usize, usize>,
    /// The first image without a name.
    nameless: Option<(usize, Digest)>,
    /// For each image that loses names to later ones, what to say of it.
    lost: HashMap<usize, Vec<String>>,
}

/// The last image that gets a name.
#[derive(Debug)]
struct Holder {
    at: usize,
    digest: Digest,
    name: ImageName,
    by_caller: bool,
}

impl<'a> NameTable<'a> {
    pub(super) fn of(sources: &'a Sources<'a>) -> Self {
        Self {
            sources,
            holders: HashMap::new(),
            left: HashMap::new(),
            nameless: None,
            lost: HashMap::new(),
        }
    }

    /// Adds the next image.
    ///
    /// # Errors
    /// `InvalidInput` when the caller gave or mapped a name that another image has, too; when an image would get a
    /// name that was made up; when two images could not be told apart afterwards.
    pub(super) fn add(&mut self, image: &ImageTask<'_>) -> Result<()> {
        let (at, place, digest) = (image.id.0, &image.target, &image.root.digest);
        // What the image shows under counts, not what was asked for.
        let shows = place.image.get().names();
        if place.image.get().accepts().nameless == AcceptsNameless::One {
            self.check_named(at, place, digest)?;
        }
        self.left.insert(at, shows.len());
        for name in shows {
            let by_caller = place.is_by_caller(name);
            let holder = Holder { at, digest: digest.clone(), name: name.clone(), by_caller };
            let Some(old) = self.holders.insert(canonical(name), holder) else { continue };
            if old.digest == *digest {
                continue;
            }
            let left = self.left.entry(old.at).or_default();
            *left = left.saturating_sub(1);
            let gone = *left == 0 && place.image.get().accepts().nameless == AcceptsNameless::One;
            if by_caller || old.by_caller || gone {
                return Err(self.both(old.at, at, name));
            }
            if old.name == *name {
                let by = self.sources.reference(at);
                let text = format!("its name {name} goes to {by}, which has it too");
                self.lost.entry(old.at).or_default().push(text);
            }
        }
        Ok(())
    }

    /// For each image that loses names, what is to be said of it.
    pub(super) fn into_lost(self) -> HashMap<usize, Vec<String>> {
        self.lost
    }

    /// Of images beside others, each needs a name of its own. One may be without where nothing is made up for it.
    fn check_named(&mut self, at: usize, place: &Target<'_>, digest: &Digest) -> Result<()> {
        let refused = place.refused.first();
        let alone = self.sources.asked() == 1 && !(self.sources.of_many && refused.is_some());
        if !place.names.is_empty() || alone {
            return Ok(());
        }
        let image = self.sources.reference(at);
        let why = match refused {
            Some(name) => format!("the name {name} cannot be held"),
            None => "it has no name".to_owned(),
        };
        if let Some(name) = place.image.get().names().first() {
            return Err(unnamed(format!("{image} would be named {name}: {why}")));
        }
        match &self.nameless {
            Some((other, of)) if of != digest => {
                let other = self.sources.reference(*other);
                let message = format!("{other} and {image} would both be without a name: {why}");
                Err(unnamed(message).with_hint(NAMED_ALONE))
            }
            _ => {
                self.nameless = Some((at, digest.clone()));
                Ok(())
            }
        }
    }

    fn both(&self, first: usize, second: usize, name: &ImageName) -> Error {
        let (first, second) = (self.sources.reference(first), self.sources.reference(second));
        unnamed(format!("{first} and {second} would both be named {name}"))
    }
}

const NAMED_ALONE: &str = "give each image a name of its own, copy one of them, or choose by tags, which leaves out images without a name";

fn unnamed(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
        .hint("give each image a name of its own, or copy one of them")
}

/// One text for all that most places take for one name.
fn canonical(name: &ImageName) -> ImageName {
    name.docker().map_or_else(|| name.clone(), |docker| ImageName::from(&docker.or_latest()))
}
