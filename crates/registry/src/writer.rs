//! [`RegistryWriter`]: several images below one place, each of which shows with its commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use transship_core::{
    ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName, Observer, Reference, Result,
    ResultExt, without_repeats,
};

use crate::client::Network;
use crate::destination::RegistryDestination;
use crate::locked;
use crate::naming::{self, TargetName};
use crate::reference::Locator;
use crate::target::{names_of, targets};

/// Writes several images.
#[derive(Debug)]
pub(crate) struct RegistryWriter {
    place: Locator,
    reference: Reference,
    names: Names,
    network: Arc<Network>,
    observer: Observer,
    claims: Claims,
}

/// Which names images may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Any: an image that has one loses it.
    Any,
    /// Those that no image had before.
    New,
}

/// What each name here came from, and how many images claim it; under [`TAGS`] the repository whose tags come here.
type Claims = Arc<Mutex<HashMap<String, (String, usize)>>>;

/// No name is empty.
const TAGS: &str = "";

/// The names of one image, which another one may not get under another name.
#[derive(Debug)]
pub(crate) struct ClaimedNames {
    claims: Claims,
    /// None once they are kept for good.
    names: Vec<String>,
}

impl ClaimedNames {
    /// The image is there: its names stay claimed.
    pub(crate) fn keep(&mut self) {
        self.names.clear();
    }
}

impl RegistryWriter {
    pub(crate) fn new(
        place: Locator,
        names: Names,
        network: Arc<Network>,
        observer: Observer,
    ) -> Self {
        let reference = place.reference();
        Self { place, reference, names, network, observer, claims: Claims::default() }
    }

    /// Claims the names of an image. Two images that are called differently must not become one, nor two without a name,
    /// and only tags of one repository become tags of another.
    fn claim(&self, placed: &[TargetName]) -> Result<ClaimedNames> {
        // Sorted, so that one fault gives one error.
        let mut pairs: BTreeMap<String, String> = BTreeMap::new();
        for TargetName { name, asked, tag_of } in placed {
            // Of two names of one image that become one, the first.
            pairs.entry(name.to_string()).or_insert_with(|| asked.clone());
            let Some(repository) = tag_of else { continue };
            if let Some(other) = pairs.insert(TAGS.to_owned(), repository.clone())
                && other != *repository
            {
                return Err(self.mixed(&other, repository));
            }
        }
        let mut claims = locked(&self.claims);
        for (place, asked) in &pairs {
            let Some((other, _)) = claims.get(place) else { continue };
            if other == asked && !asked.is_empty() {
                continue;
            }
            return Err(match place.as_str() {
                TAGS => self.mixed(other, asked),
                _ => both(other, asked, place),
            });
        }
        let names = pairs.keys().cloned().collect();
        for (place, name) in pairs {
            claims.entry(place).or_insert((name, 0)).1 += 1;
        }
        drop(claims);
        Ok(ClaimedNames { claims: Arc::clone(&self.claims), names })
    }

    fn mixed(&self, one: &str, other: &str) -> Error {
        let message = format!(
            "names of {one} and of {other} would become tags of one repository, {}",
            self.reference
        );
        Error::new(ErrorKind::AlreadyExists, message).hint(format!(
            "with a slash at the end, {}/, each keeps its repository",
            self.reference
        ))
    }
}

fn both(one: &str, other: &str, place: &str) -> Error {
    let spelled = |name: &str| match name {
        "" => "an image without a name".to_owned(),
        name => name.to_owned(),
    };
    let message = format!("{} and {} would both be {place}", spelled(one), spelled(other));
    Error::new(ErrorKind::AlreadyExists, message).hint("rename one of them")
}

impl Drop for ClaimedNames {
    fn drop(&mut self) {
        let mut claims = locked(&self.claims);
        for name in &self.names {
            if let Some((_, images)) = claims.get_mut(name) {
                *images -= 1;
                if *images == 0 {
                    claims.remove(name);
                }
            }
        }
    }
}

#[async_trait]
impl ArchiveWriter for RegistryWriter {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn image(&self, names: &[ImageName]) -> Result<Box<dyn ImageDestination + '_>> {
        let placed = naming::of_many(&self.place, names).context(|| &self.reference)?;
        let claimed = Some(self.claim(&placed).context(|| &self.reference)?);
        let placed = placed.into_iter().map(|placed| placed.name).collect();
        let placed = without_repeats(placed);
        let targets = targets(&self.network, &placed, &self.observer).await?;
        if self.names == Names::New {
            for target in &targets {
                target.refuse_what_is_there().await.context(|| &self.reference)?;
            }
        }
        let reference = match placed.first() {
            Some(name) => Locator::Name(name.clone()).reference(),
            None => self.reference.clone(),
        };
        let names = names_of(&targets);
        Ok(Box::new(RegistryDestination::new(
            reference,
            targets,
            names,
            self.network.sparse(),
            claimed,
        )))
    }

    /// Nothing is left to do: each image is there since its commit.
    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
