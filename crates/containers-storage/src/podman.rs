//! [`Podman`]: a store, and the way to it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Receiver;
use transship_core::{DockerName, Error, ErrorKind, Reference, Result, ResultExt, parse_digest};
use transship_docker_daemon::engine::{
    Chunks, Engine, Inspected, Listed, Locator, Piece, Store, not_found,
};

use crate::SCHEME;
use crate::find::Surroundings;
use crate::reference;

/// A way to ask podman: its API, or its command.
#[async_trait]
pub(crate) trait Route: fmt::Debug + Send + Sync {
    /// All images, whose IDs have no `sha256:`.
    async fn images(&self) -> Result<Vec<Listed>>;
    /// One image, whose ID has no `sha256:`.
    async fn inspect(&self, image: &str) -> Result<Inspected>;
    async fn tag(&self, image: &str, name: &DockerName) -> Result<()>;
    async fn remove(&self, image: &str) -> Result<()>;
    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>>;
    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>>;
}

/// A store. The way to it is found with the first request.
#[derive(Debug)]
pub(crate) struct Podman {
    surroundings: Arc<Surroundings>,
    store: reference::Store,
    route: OnceCell<Box<dyn Route>>,
}

impl Podman {
    pub(crate) fn new(surroundings: Arc<Surroundings>, store: reference::Store) -> Self {
        Self { surroundings, store, route: OnceCell::new() }
    }

    async fn route(&self) -> Result<&dyn Route> {
        let found = self.route.get_or_try_init(|| self.surroundings.route(&self.store)).await?;
        Ok(&**found)
    }

    async fn by_id(&self, name: Option<&str>, id: &str) -> Result<Locator> {
        let images = self.images().await?;
        let begins = |image: &&Listed| {
            image.id.strip_prefix("sha256:").is_some_and(|all| all.starts_with(id))
        };
        let found: Vec<&Listed> = images.iter().filter(begins).collect();
        let [image] = found[..] else {
            if found.is_empty() {
                let error = Error::new(ErrorKind::NotFound, format!("no image has the ID {id}"));
                return Err(not_found(error, images.iter().flat_map(Listed::names)));
            }
            let message = format!("the IDs of {} images begin with {id}", found.len());
            return Err(
                Error::new(ErrorKind::Ambiguous, message).hint("give more digits of the ID")
            );
        };
        if let Some(name) = name
            && !image.names().any(|has| repository(has) == repository(name))
        {
            let message = format!("the image of the ID {id} has no name of {}", repository(name));
            return Err(not_found(Error::new(ErrorKind::NotFound, message), image.names()));
        }
        Ok(Locator::Id(parse_digest(&image.id)?))
    }
}

#[async_trait]
impl Engine for Podman {
    fn reference(&self, image: &Locator) -> Reference {
        Reference::new(SCHEME, format!("{}{}", self.store, reference::shown(image)))
    }

    async fn resolve(&self, image: Locator) -> Result<Locator> {
        let Locator::Unresolved(text) = &image else { return Ok(image) };
        if let Some((name, id)) = text.rsplit_once('@') {
            return self.by_id(Some(name).filter(|name| !name.is_empty()), id).await;
        }
        let name = DockerName::parse(text)?.or_latest();
        match self.inspect(&name.to_string()).await.if_found()? {
            Some(_) => Ok(Locator::Name(name)),
            None => self.by_id(None, text).await,
        }
    }

    async fn store(&self) -> Result<Store> {
        self.route().await.map(|_| Store::Podman)
    }

    async fn takes_zstd(&self) -> Result<bool> {
        Ok(true)
    }

    async fn images(&self) -> Result<Vec<Listed>> {
        let mut images = self.route().await?.images().await?;
        for image in &mut images {
            image.id = format!("sha256:{}", image.id);
        }
        Ok(images)
    }

    async fn inspect(&self, image: &str) -> Result<Inspected> {
        match self.route().await?.inspect(image).await {
            Ok(found) => Ok(Inspected { id: format!("sha256:{}", found.id), ..found }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(match self.images().await {
                Ok(images) => {
                    not_found(local(error, image, &images), images.iter().flat_map(Listed::names))
                }
                Err(_) => error,
            }),
            Err(error) => Err(error),
        }
    }

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        let named = self.route().await?.tag(image, name).await;
        named.context(|| format!("naming the image {name}"))
    }

    async fn remove(&self, image: &str) -> Result<()> {
        self.route().await?.remove(image).await
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        self.route().await?.save(images).await
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        self.route().await?.load(tar).await
    }
}

/// What `podman build -t app` makes is `localhost/app`, which `app` does not mean here.
fn local(error: Error, image: &str, images: &[Listed]) -> Error {
    let Some(path) = image.strip_prefix("docker.io/library/") else { return error };
    let local = format!("localhost/{path}");
    if images.iter().flat_map(Listed::names).any(|name| *name == local) {
        return error.hint(format!("it has {SCHEME}:{local}"));
    }
    error
}

/// A name without its tag.
fn repository(name: &str) -> String {
    DockerName::parse(name)
        .map_or_else(|_| name.to_owned(), |name| format!("{}/{}", name.domain(), name.path()))
}
