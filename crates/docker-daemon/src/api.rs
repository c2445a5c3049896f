//! [`Engine`]: the requests that are made of it.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use transship_core::{DockerName, Error, ErrorKind, Result, ResultExt, run_blocking};

use crate::connect::Address;
use crate::find::Surroundings;
use crate::http::{Answer, Sent, encoded, send};
use crate::reply;

/// The newest API that is spoken.
const NEWEST: Version = Version(1, 52);

/// The oldest API that is spoken.
const OLDEST: Version = Version(1, 24);

/// The most bytes of an answer other than a save: the list of some 100,000 images.
const ANSWER_LIMIT: usize = 64 << 20;

/// How many names an error lists.
const NAMES_SHOWN: usize = 20;

/// An engine. It is found, and asked what it is, once.
#[derive(Debug)]
pub(crate) struct Engine {
    surroundings: Surroundings,
    found: OnceCell<Found>,
}

#[derive(Debug)]
struct Found {
    address: Address,
    from: String,
    version: Version,
    store: Store,
}

/// How an engine keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// Layers unpacked, by chain; it makes manifests anew.
    GraphDriver,
    /// Blobs as they were pulled.
    Containerd,
    /// As the first, behind podman's service.
    Podman,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// What an engine says of an image in its list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
}

impl Listed {
    /// Its names that are some.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.repo_tags.iter().flatten().filter(|name| !name.starts_with("<none>"))
    }
}

/// What an engine says of one image.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspected {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) manifests: Option<Vec<Part>>,
}

/// A manifest below an index, in an engine with the containerd store.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Part {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) available: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    driver_status: Option<Vec<Vec<String>>>,
}

impl Engine {
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        Self { surroundings, found: OnceCell::new() }
    }

    pub(crate) async fn store(&self) -> Result<Store> {
        Ok(self.found().await?.store)
    }

    /// Whether zstd layers can be loaded: docker 25 can, with API 1.44.
    pub(crate) async fn takes_zstd(&self) -> Result<bool> {
        let found = self.found().await?;
        Ok(found.store != Store::GraphDriver || found.version >= Version(1, 44))
    }

    pub(crate) async fn images(&self) -> Result<Vec<Listed>> {
        self.json(Method::GET, "/images/json").await
    }

    /// One image.
    ///
    /// # Errors
    /// `NotFound`, which lists the names that are there.
    pub(crate) async fn inspect(&self, image: &str) -> Result<Inspected> {
        // The platforms of an index are said since 1.48.
        let found = self.found().await?;
        let parts = found.store == Store::Containerd && found.version >= Version(1, 48);
        let query = if parts { "?manifests=1" } else { "" };
        let path = format!("/images/{}/json{query}", encoded(image));
        match self.json(Method::GET, &path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.not_found(error).await),
            done => done,
        }
    }

    async fn not_found(&self, error: Error) -> Error {
        let Ok(images) = self.images().await else { return error };
        let mut names: Vec<_> = images.iter().flat_map(Listed::names).cloned().collect();
        names.sort_unstable();
        let more = names.len().saturating_sub(NAMES_SHOWN);
        names.truncate(NAMES_SHOWN);
        match (names.is_empty(), more) {
            (true, _) => error.hint("the engine has no images with names"),
            (_, 0) => error.hint(format!("it has {}", names.join(", "))),
            _ => error.hint(format!("it has {}, and {more} more", names.join(", "))),
        }
    }

    /// Gives an image a name.
    pub(crate) async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        let repository = encoded(&format!("{}/{}", name.domain(), name.path()));
        let tag = encoded(name.tag().unwrap_or("latest"));
        let path = format!("/images/{}/tag?repo={repository}&tag={tag}", encoded(image));
        let answer = self.request(Method::POST, &path, Sent::Nothing).await;
        answer.context(|| format!("naming the image {name}")).map(drop)
    }

    /// Removes a name, or by ID an image that has none.
    pub(crate) async fn remove(&self, image: &str) -> Result<()> {
        let path = format!("/images/{}", encoded(image));
        self.request(Method::DELETE, &path, Sent::Nothing).await?.all(ANSWER_LIMIT).await.map(drop)
    }

    /// The tar of images.
    pub(crate) async fn save(&self, images: &[String]) -> Result<Answer> {
        let names: Vec<_> =
            images.iter().map(|image| format!("names={}", encoded(image))).collect();
        self.request(Method::GET, &format!("/images/get?{}", names.join("&")), Sent::Nothing).await
    }

    /// What the engine says of a tar that it loads.
    pub(crate) async fn load(&self, tar: Sent) -> Result<Vec<u8>> {
        let answer = self.request(Method::POST, "/images/load?quiet=1", tar).await?;
        answer.all(ANSWER_LIMIT).await
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T> {
        let bytes = self.request(method, path, Sent::Nothing).await?.all(ANSWER_LIMIT).await?;
        parsed(&bytes)
    }

    async fn request(&self, method: Method, path: &str, body: Sent) -> Result<Answer> {
        let found = self.found().await?;
        let Version(major, minor) = found.version;
        let path = format!("/v{major}.{minor}{path}");
        let answer = found.address.ask(method, &path, body).await;
        answer.context(|| format!("the engine at {} (from {})", found.address, found.from))
    }

    async fn found(&self) -> Result<&Found> {
        self.found.get_or_try_init(|| self.find()).await
    }

    async fn find(&self) -> Result<Found> {
        let surroundings = self.surroundings.clone();
        let (address, from) = run_blocking(move |_| surroundings.engine()).await?;
        let pinned = self.surroundings.api_version.as_deref();
        match identify(&address, pinned).await {
            Ok((version, store)) => Ok(Found { address, from, version, store }),
            Err(error) => Err(error.context(format!("the engine at {address} (from {from})"))),
        }
    }
}

/// The API that both sides speak, and how images are kept.
async fn identify(address: &Address, pinned: Option<&str>) -> Result<(Version, Store)> {
    let ping = match address.ask(Method::HEAD, "/_ping", Sent::Nothing).await {
        Err(error)
            if error.kind() != ErrorKind::Unavailable && error.kind() != ErrorKind::Denied =>
        {
            address.ask(Method::GET, "/_ping", Sent::Nothing).await?
        }
        answer => answer?,
    };
    let header = |name: &str| ping.headers.get(name).and_then(|value| value.to_str().ok());
    let theirs = header("Api-Version").and_then(Version::parse).unwrap_or(OLDEST);
    let podman = header("Libpod-Api-Version").is_some();
    let version = match pinned {
        None => theirs.min(NEWEST),
        Some(text) => Version::parse(text.trim_start_matches('v')).ok_or_else(|| {
            let message = format!("DOCKER_API_VERSION is {text:?}, which is no version");
            Error::new(ErrorKind::InvalidInput, message)
        })?,
    };
    if version < OLDEST {
        let message = format!(
            "it speaks API {}.{}, and {}.{} is the oldest that is spoken here",
            version.0, version.1, OLDEST.0, OLDEST.1
        );
        return Err(
            Error::new(ErrorKind::Unsupported, message).hint("docker 1.12 or later is needed")
        );
    }
    if podman {
        return Ok((version, Store::Podman));
    }
    let path = format!("/v{}.{}/info", version.0, version.1);
    let info = address.ask(Method::GET, &path, Sent::Nothing).await?.all(ANSWER_LIMIT).await?;
    let info: Info = parsed(&info)?;
    let containerd = info.driver_status.iter().flatten().any(|pair| {
        matches!(&pair[..], [key, value] if key == "driver-type" && value.contains("containerd"))
    });
    Ok((version, if containerd { Store::Containerd } else { Store::GraphDriver }))
}

impl Address {
    /// An answer that is no refusal.
    async fn ask(&self, method: Method, path: &str, body: Sent) -> Result<Answer> {
        let stream = self.connect().await?;
        let path = format!("{}{path}", self.base());
        let answer = send(stream, method, &path, body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        let said = answer.all(ANSWER_LIMIT).await.unwrap_or_default();
        Err(refusal(status, &said))
    }
}

fn refusal(status: StatusCode, said: &[u8]) -> Error {
    let words = reply::message(said).unwrap_or_else(|| format!("it answers {status}"));
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        401 | 403 => ErrorKind::Denied,
        409 => ErrorKind::Conflict,
        // podman says so for what is not there, too.
        500 if words.contains("no such image") || words.contains("image not known") => {
            ErrorKind::NotFound
        }
        500 if words.contains("no space left") => ErrorKind::NoSpace,
        502..=504 => ErrorKind::Unavailable,
        400..=499 => ErrorKind::Unsupported,
        _ => ErrorKind::Unexpected,
    };
    Error::new(kind, words)
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "the engine's answer is malformed").caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_engines_words() {
        for (status, said, kind, words) in [
            (404, r#"{"message":"No such image: x:1"}"#, ErrorKind::NotFound, "No such image: x:1"),
            (
                409,
                r#"{"message":"image is being used"}"#,
                ErrorKind::Conflict,
                "image is being used",
            ),
            (
                400,
                r#"{"message":"client version 1.52 is too new"}"#,
                ErrorKind::Unsupported,
                "too new",
            ),
            (
                500,
                r#"{"cause":"image not known","message":"x: image not known","response":500}"#,
                ErrorKind::NotFound,
                "x: image not known",
            ),
            (500, "oops", ErrorKind::Unexpected, "500"),
        ] {
            let error = refusal(StatusCode::from_u16(status).unwrap(), said.as_bytes());
            assert_eq!(error.kind(), kind, "{said}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn versions() {
        assert_eq!(Version::parse("1.41"), Some(Version(1, 41)));
        assert!(Version::parse("1.9").unwrap() < OLDEST, "numbers, not texts");
        assert_eq!(Version::parse("1"), None);
    }
}
