//! [`Podman`]: a store, and the way to it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Receiver;
use transship_core::{DockerName, Error, ErrorKind, Reference, Result, ResultExt, parse_digest};
use transship_docker_daemon::Memory;
use transship_docker_daemon::engine::{
    BaseImages, Chunks, Engine, Inspected, Listed, Locator, Piece, Store, with_names,
};

use crate::SCHEME;
use crate::find::Surroundings;
use crate::reference;

/// A way to ask podman: its API, or its command.
#[async_trait]
pub(crate) trait Route: fmt::Debug + Send + Sync {
    /// Images, and lists of images.
    async fn lines(&self, of: Which) -> Result<Vec<Line>>;
    /// Whether that is a list of images, as `podman manifest` makes them. For an image podman fails.
    async fn is_list(&self, id: &str) -> bool;
    /// One image, whose ID has no `sha256:`.
    async fn inspect(&self, image: &str) -> Result<Inspected>;
    /// As that, as far as the images are there.
    async fn inspect_all(&self, ids: &[String]) -> Result<Vec<Inspected>>;
    /// The folder of the store.
    async fn graph_root(&self) -> Result<String>;
    async fn tag(&self, image: &str, name: &DockerName) -> Result<()>;
    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()>;
    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>>;
    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>>;
}

/// Which images podman lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// Without those that it calls intermediate: they have no name, and another image is built on them. Each step of a build leaves
    /// one.
    NotIntermediate,
}

/// An image, or a list of images, as podman lists it. Its ID has no `sha256:`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Line {
    pub(crate) id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    size: u64,
    /// podman 4 does not say it.
    #[serde(default)]
    is_manifest_list: Option<bool>,
}

/// What podman says, or prints as it crashes, when it fails by a fault of its own.
const PODMAN_FAILED: &str = "nil pointer dereference";

/// How many times podman is asked when it fails so.
const TRIES: u32 = 3;

/// What is larger is no list of images: its size is that of its manifest.
const LARGEST_LIST: u64 = 64 << 10;

/// A store. The way to it is found with the first request.
#[derive(Debug)]
pub(crate) struct Podman {
    surroundings: Arc<Surroundings>,
    store: reference::Store,
    route: OnceCell<Box<dyn Route>>,
    memory: Memory,
    graph_root: OnceCell<String>,
}

impl Podman {
    pub(crate) fn new(surroundings: Arc<Surroundings>, store: reference::Store) -> Self {
        let (route, memory, graph_root) = (OnceCell::new(), Memory::default(), OnceCell::new());
        Self { surroundings, store, route, memory, graph_root }
    }

    async fn route(&self) -> Result<&dyn Route> {
        let found = self.route.get_or_try_init(|| self.surroundings.route(&self.store)).await?;
        Ok(&**found)
    }

    async fn listed(&self, of: Which) -> Result<Vec<Listed>> {
        let route = self.route().await?;
        let mut images = Vec::new();
        for line in again(|| route.lines(of)).await? {
            let is_list = match line.is_manifest_list {
                Some(is_list) => is_list,
                None => line.size <= LARGEST_LIST && route.is_list(&line.id).await,
            };
            if !is_list {
                let id = format!("sha256:{}", line.id);
                images.push(Listed { id, repo_tags: line.names });
            }
        }
        Ok(images)
    }

    async fn by_id(&self, name: Option<&str>, id: &str) -> Result<Locator> {
        let images = self.listed(Which::All).await?;
        let begins = |image: &&Listed| {
            image.id.strip_prefix("sha256:").is_some_and(|all| all.starts_with(id))
        };
        let found: Vec<&Listed> = images.iter().filter(begins).collect();
        let [image] = found[..] else {
            if found.is_empty() {
                let error = Error::new(ErrorKind::NotFound, format!("no image has the ID {id}"));
                let error = self.not_there(error).await;
                return Err(with_names(error, images.iter().flat_map(Listed::names)));
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
            return Err(with_names(Error::new(ErrorKind::NotFound, message), image.names()));
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
        self.listed(Which::NotIntermediate).await
    }

    async fn inspect(&self, image: &str) -> Result<Inspected> {
        let route = self.route().await?;
        match again(|| route.inspect(image)).await {
            Ok(found) => Ok(Inspected { id: format!("sha256:{}", found.id), ..found }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(match self.images().await {
                Ok(images) => {
                    with_names(local(error, image, &images), images.iter().flat_map(Listed::names))
                }
                Err(_) => error,
            }),
            Err(error) => Err(error),
        }
    }

    async fn inspect_all(&self, ids: &[String]) -> Result<Vec<Inspected>> {
        let route = self.route().await?;
        let mut found = again(|| route.inspect_all(ids)).await?;
        for image in &mut found {
            image.id = format!("sha256:{}", image.id);
        }
        Ok(found)
    }

    /// Says in which store it was looked: that of root and those of users are different ones.
    async fn not_there(&self, error: Error) -> Error {
        let Ok(route) = self.route().await else { return error };
        match self.graph_root.get_or_try_init(|| route.graph_root()).await {
            Ok(root) => error.context(format!("the store of podman at {root}")),
            Err(_) => error,
        }
    }

    /// podman reads no blob of a layout whose layer it has.
    async fn memory(&self) -> Result<Option<&Memory>> {
        Ok(Some(&self.memory))
    }

    fn refuses(&self, name: &DockerName) -> Option<&'static str> {
        let ipv6 = name.domain().starts_with('[');
        ipv6.then_some(
            "podman takes no address of IPv6 for a host, and here a bracket begins a store",
        )
    }

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        let named = self.route().await?.tag(image, name).await;
        named.context(|| format!("naming the image {name}"))
    }

    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()> {
        self.route().await?.remove(image, bases).await
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        self.route().await?.save(images).await
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        self.route().await?.load(tar).await
    }
}

/// Asks again where podman itself has failed, as podman 4.3 does when another image is removed at that moment.
async fn again<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    for _ in 1..TRIES {
        match ask().await {
            Err(error) if error.message().contains(PODMAN_FAILED) => {}
            done => return done,
        }
    }
    ask().await
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
