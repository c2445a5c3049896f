//! [`Daemon`]: docker's engine, through its API.

use std::fmt;

use async_trait::async_trait;
use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Receiver;
use transship_core::{DockerName, Error, ErrorKind, Reference, Result, ResultExt, run_blocking};

use crate::connect::Address;
use crate::docker::{ID_IN_FULL, digits_of_id};
use crate::engine::{
    BaseImages, Chunks, Engine, Inspected, Listed, Locator, Piece, Store, with_names,
};
use crate::find::Surroundings;
use crate::http::{ANSWER_LIMIT, Answer, Sent, encoded, parsed};
use crate::known::Memory;
use crate::{SCHEME, libpod, reply};

/// The newest API that is spoken.
const NEWEST: Version = Version(1, 52);

/// The oldest API that is spoken.
const OLDEST: Version = Version(1, 24);

/// Docker's engine, or podman's service. It is found, and asked what it is, once.
#[derive(Debug)]
pub(crate) struct Daemon {
    surroundings: Surroundings,
    found: OnceCell<Found>,
    memory: Memory,
}

#[derive(Debug)]
struct Found {
    address: Address,
    from: String,
    version: Version,
    store: Store,
    /// Of podman, its own version.
    podman: Option<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine at {} (from {})", self.address, self.from)
    }
}

impl Found {
    fn path(&self, path: &str) -> String {
        format!("/v{}.{}{path}", self.version.0, self.version.1)
    }

    fn says(&self, answer: Result<Answer>) -> Result<Answer> {
        answer.context(|| self.to_string())
    }

    /// Whether it says of each manifest that it is whole: since 1.48.
    fn says_what_is_whole(&self) -> bool {
        self.store == Store::Containerd && self.version >= Version(1, 48)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    driver_status: Option<Vec<Vec<String>>>,
}

#[async_trait]
impl Engine for Daemon {
    fn reference(&self, image: &Locator) -> Reference {
        Reference::new(SCHEME, image.to_string())
    }

    async fn store(&self) -> Result<Store> {
        Ok(self.found().await?.store)
    }

    async fn takes_zstd(&self) -> Result<bool> {
        let found = self.found().await?;
        Ok(found.store != Store::GraphDriver || found.version >= Version(1, 44))
    }

    async fn images(&self) -> Result<Vec<Listed>> {
        self.json(Method::GET, "/images/json").await
    }

    async fn inspect(&self, image: &str) -> Result<Inspected> {
        let query = if self.found().await?.says_what_is_whole() { "?manifests=1" } else { "" };
        let path = format!("/images/{}/json{query}", encoded(image));
        match self.json(Method::GET, &path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(match self.images().await {
                Ok(images) => missing(error, image, &images),
                Err(_) => error,
            }),
            done => done,
        }
    }

    async fn not_there(&self, error: Error) -> Error {
        match self.found().await {
            Ok(found) => error.context(found),
            Err(_) => error,
        }
    }

    async fn memory(&self) -> Result<Option<&Memory>> {
        let found = self.found().await?;
        let takes_parts = match found.store {
            Store::GraphDriver => true,
            // Else nothing says that one is missing.
            Store::Containerd => found.says_what_is_whole(),
            Store::Podman => false,
        };
        Ok(takes_parts.then_some(&self.memory))
    }

    fn refuses(&self, name: &DockerName) -> Option<&'static str> {
        // Of an engine that was not asked yet, it is not known.
        let is_old = self
            .found
            .get()
            .is_some_and(|found| found.store != Store::Podman && found.version < Version(1, 44));
        let refused = is_old && name.domain().starts_with('[');
        refused.then_some("docker before 25 takes no address of IPv6 for a host")
    }

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        let repository = encoded(&format!("{}/{}", name.domain(), name.path()));
        let tag = encoded(name.tag().unwrap_or("latest"));
        let path = format!("/images/{}/tag?repo={repository}&tag={tag}", encoded(image));
        let answer = self.request(Method::POST, &path).await;
        answer.context(|| format!("naming the image {name}")).map(drop)
    }

    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()> {
        let found = self.found().await?;
        if let Some(podman) = &found.podman {
            let path = libpod::removal_path(image, bases, podman).context(|| found.to_string())?;
            let said = self.request(Method::DELETE, &path).await?.all(ANSWER_LIMIT).await?;
            return libpod::removed(&said).context(|| found.to_string());
        }
        // Without `noprune`, docker also removes images without names that this one was built on.
        let path = format!("/images/{}?noprune=true", encoded(image));
        self.request(Method::DELETE, &path).await?.all(ANSWER_LIMIT).await.map(drop)
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        let names: Vec<_> =
            images.iter().map(|image| format!("names={}", encoded(image))).collect();
        let path = format!("/images/get?{}", names.join("&"));
        Ok(Box::new(self.request_for_long(Method::GET, &path, Sent::Nothing).await?))
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        let answer =
            self.request_for_long(Method::POST, "/images/load?quiet=1", Sent::Tar(tar)).await;
        let said = async { reply::loaded(&answer?.all(ANSWER_LIMIT).await?) };
        said.await.map_err(lacks_a_blob)
    }
}

impl Daemon {
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, found: OnceCell::new(), memory: Memory::default() }
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T> {
        let bytes = self.request(method, path).await?.all(ANSWER_LIMIT).await?;
        parsed(&bytes)
    }

    async fn request(&self, method: Method, path: &str) -> Result<Answer> {
        let found = self.found().await?;
        found.says(found.address.ask(method, &found.path(path)).await)
    }

    async fn request_for_long(&self, method: Method, path: &str, body: Sent) -> Result<Answer> {
        let found = self.found().await?;
        found.says(found.address.ask_for_long(method, &found.path(path), body).await)
    }

    async fn found(&self) -> Result<&Found> {
        self.found.get_or_try_init(|| self.find()).await
    }

    async fn find(&self) -> Result<Found> {
        let surroundings = self.surroundings.clone();
        let (address, from) = run_blocking(move |_| surroundings.engine()).await?;
        let pinned = self.surroundings.api_version.as_deref();
        // Three requests are a large future.
        match address.first(Box::pin(identify(&address, pinned))).await {
            Ok((version, store, podman)) => Ok(Found { address, from, version, store, podman }),
            Err(error) => Err(error.context(format!("the engine at {address} (from {from})"))),
        }
    }
}

/// The error for an image that is not there, with what is there.
fn missing(error: Error, image: &str, images: &[Listed]) -> Error {
    let name = DockerName::parse(image).ok();
    let name = name.as_ref().filter(|name| name.digest().is_none());
    let digits = name.and_then(|name| name.path().strip_prefix("library/")).and_then(digits_of_id);
    let Some(digits) = digits else {
        return with_names(error, images.iter().flat_map(Listed::names));
    };
    let begins = |id: &&str| id.strip_prefix("sha256:").is_some_and(|all| all.starts_with(digits));
    match images.iter().map(|image| &*image.id).find(begins) {
        Some(id) => error.hint(format!("{ID_IN_FULL}: {id}")),
        None => error.hint(ID_IN_FULL),
    }
}

/// Says of a load that was refused for want of a blob what may have been left out.
fn lacks_a_blob(error: Error) -> Error {
    let said = error.message();
    if said.contains("no such file") && said.contains("blobs/sha256/") {
        return error.hint("if layers of the image are not to be distributed, they were left out, and this engine takes no image without them");
    }
    error
}

const WITHOUT_A_VERSION: &str =
    "unset DOCKER_API_VERSION: without it the newest version is asked for that both know";

/// The API that both sides speak, how images are kept, and of podman its version.
async fn identify(
    address: &Address,
    pinned: Option<&str>,
) -> Result<(Version, Store, Option<String>)> {
    let ping = match address.ask_first(Method::HEAD, "/_ping").await {
        Err(error)
            if error.kind() != ErrorKind::Unavailable && error.kind() != ErrorKind::Denied =>
        {
            address.ask_first(Method::GET, "/_ping").await?
        }
        answer => answer?,
    };
    let theirs = ping.header("Api-Version").and_then(Version::parse).unwrap_or(OLDEST);
    let podman = ping.header("Libpod-Api-Version").map(str::to_owned);
    let version = match pinned {
        None => theirs.min(NEWEST),
        Some(text) => Version::parse(text.trim_start_matches('v')).ok_or_else(|| {
            let message = format!("DOCKER_API_VERSION is {text:?}, which is no version");
            Error::new(ErrorKind::InvalidInput, message).hint(WITHOUT_A_VERSION)
        })?,
    };
    if version < OLDEST {
        let (whose, hint) = match pinned {
            Some(_) => ("DOCKER_API_VERSION asks for", WITHOUT_A_VERSION),
            None => ("it speaks", "docker 1.12 or later is needed"),
        };
        let message = format!(
            "{whose} API {}.{}, and {}.{} is the oldest that is spoken here",
            version.0, version.1, OLDEST.0, OLDEST.1
        );
        return Err(Error::new(ErrorKind::Unsupported, message).hint(hint));
    }
    if podman.is_some() {
        return Ok((version, Store::Podman, podman));
    }
    let path = format!("/v{}.{}/info", version.0, version.1);
    let info = address.ask_first(Method::GET, &path).await?.all(ANSWER_LIMIT).await?;
    let info: Info = parsed(&info)?;
    let containerd = info.driver_status.iter().flatten().any(|pair| {
        matches!(&pair[..], [key, value] if key == "driver-type" && value.contains("containerd"))
    });
    let store = if containerd { Store::Containerd } else { Store::GraphDriver };
    Ok((version, store, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn one_that_accepts_and_never_answers_is_an_error_with_its_address() {
        use transship_core::{ReadOptions, Settings, Transport as _};

        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let host = format!("unix://{}", socket.display());
        let settings = Settings::new().with(SCHEME, "daemon-host", &host);
        let docker = crate::DockerDaemon::new(&settings);
        let at = docker.parse("x").unwrap();
        let error = docker.source(&at, &ReadOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let text = error.to_string();
        assert!(text.contains(&host) && text.contains("no answer for 1 seconds"), "{text}");
    }

    #[test]
    fn versions() {
        assert_eq!(Version::parse("1.41"), Some(Version(1, 41)));
        assert!(Version::parse("1.9").unwrap() < OLDEST, "numbers, not texts");
        assert_eq!(Version::parse("1"), None);
    }
}
