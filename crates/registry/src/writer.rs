//! [`RegistryWriter`]: several images below one place, each of which shows with its commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use transship_core::{
    ArchiveWriter, Error, ErrorKind, ImageDestination, ImageName, Observer, Reference, Result,
    ResultExt,
};

use crate::client::Network;
use crate::destination::RegistryDestination;
use crate::naming;
use crate::reference::{Locator, Prefix};
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

/// Which name each place below a prefix came from, and how many images have it.
type Claims = Arc<Mutex<HashMap<String, (String, usize)>>>;

/// The names of one image, which another one may not get under another name.
#[derive(Debug)]
pub(crate) struct Claimed {
    claims: Claims,
    /// None once they are kept for good.
    names: Vec<String>,
}

impl Claimed {
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

    /// Claims the places of an image. Two images that are called differently must not become one.
    fn claim(&self, prefix: &Prefix, asked: &[ImageName]) -> Result<Claimed> {
        let mut pairs: HashMap<String, String> = HashMap::new();
        for docker in asked.iter().filter_map(ImageName::docker) {
            let place = prefix.place(&docker)?.to_string();
            pairs.entry(place).or_insert_with(|| docker.or_latest().to_string());
        }
        let mut claims = lock(&self.claims);
        for (place, name) in &pairs {
            if let Some((other, _)) = claims.get(place).filter(|(other, _)| other != name) {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("{other} and {name} would both be {place}"),
                )
                .hint("rename one of them"));
            }
        }
        let names = pairs.keys().cloned().collect();
        for (place, name) in pairs {
            claims.entry(place).or_insert((name, 0)).1 += 1;
        }
        drop(claims);
        Ok(Claimed { claims: Arc::clone(&self.claims), names })
    }
}

fn lock(claims: &Claims) -> MutexGuard<'_, HashMap<String, (String, usize)>> {
    claims.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut claims = lock(&self.claims);
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
        let claimed = match &self.place {
            Locator::Prefix(prefix) => Some(self.claim(prefix, names).context(|| &self.reference)?),
            Locator::Name(_) => None,
        };
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
    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
