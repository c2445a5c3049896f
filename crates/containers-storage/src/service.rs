//! [`Service`]: podman's API.

use async_trait::async_trait;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Receiver;
use transship_core::{DockerName, Error, ErrorKind, Result, ResultExt};
use transship_docker_daemon::engine::{BaseImages, Chunks, Inspected, Piece};
use transship_docker_daemon::http::{ANSWER_LIMIT, Address, Answer, Method, Sent, encoded, parsed};
use transship_docker_daemon::libpod;

use crate::podman::{Line, Route, Which};

/// The version of the API that is spoken: podman 4 and later understand it.
const VERSION: &str = "4.0.0";

/// What podman says of a version that it does not speak.
const OF_VERSION: &str = "version is not supported";

/// Podman's API.
#[derive(Debug)]
pub(crate) struct Service {
    address: Address,
    /// What named it.
    from: String,
    /// What it says of itself, and what it is asked in.
    theirs: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Loaded {
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Info {
    store: InfoOfStore,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InfoOfStore {
    graph_root: String,
}

impl Service {
    /// Asks who is there.
    pub(crate) async fn open(address: Address, from: &str) -> Result<Self> {
        let at = || format!("podman at {address} (from {from})");
        let ping = address.ask_first(Method::GET, "/libpod/_ping");
        let ping = match address.first(ping).await {
            // docker's engines know no such path.
            Err(error)
                if error.advice().is_none()
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) =>
            {
                return Err(no_podman().caused_by(error).context(at()));
            }
            ping => ping.context(at)?,
        };
        let theirs = ping.header("Libpod-Api-Version").map(str::to_owned);
        let theirs = theirs.ok_or_else(|| no_podman().context(at()))?;
        // An older podman refuses versions that it does not know.
        let major = theirs.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let is_older = major.is_some_and(|major| major < 4);
        let version = if is_older { theirs.clone() } else { VERSION.to_owned() };
        Ok(Self { address, from: from.to_owned(), theirs, version })
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Answer> {
        self.says(self.address.ask(method, &self.path(path)).await)
    }

    async fn ask_for_long(&self, method: Method, path: &str, body: Sent) -> Result<Answer> {
        self.says(self.address.ask_for_long(method, &self.path(path), body).await)
    }

    fn path(&self, path: &str) -> String {
        format!("/v{}/libpod/{path}", self.version)
    }

    fn says<T>(&self, answer: Result<T>) -> Result<T> {
        let answer = answer.map_err(|error| {
            if !error.message().contains(OF_VERSION) {
                return error;
            }
            let (theirs, asked) = (&self.theirs, &self.version);
            error.hint(format!(
                "this is podman {theirs}, and was asked for API {asked}: update the older of podman and transship, or name the command in the option podman"
            ))
        });
        answer.context(|| format!("podman at {} (from {})", self.address, self.from))
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        parsed(&self.ask(Method::GET, path).await?.all(ANSWER_LIMIT).await?)
    }
}

fn no_podman() -> Error {
    Error::new(ErrorKind::Unsupported, "it is no podman")
        .hint("docker's engines are reached by docker-daemon:")
}

#[async_trait]
impl Route for Service {
    async fn lines(&self, of: Which) -> Result<Vec<Line>> {
        self.json(&format!("images/json?all={}", of == Which::All)).await
    }

    async fn is_list(&self, id: &str) -> bool {
        let path = format!("manifests/{}/exists", encoded(id));
        self.ask(Method::GET, &path).await.is_ok()
    }

    async fn inspect(&self, image: &str) -> Result<Inspected> {
        self.json(&format!("images/{}/json", encoded(image))).await
    }

    async fn inspect_all(&self, ids: &[String]) -> Result<Vec<Inspected>> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.inspect(id).await.if_found()?);
        }
        Ok(found)
    }

    async fn graph_root(&self) -> Result<String> {
        self.json::<Info>("info").await.map(|info| info.store.graph_root)
    }

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        let repository = encoded(&format!("{}/{}", name.domain(), name.path()));
        let tag = encoded(name.tag().unwrap_or("latest"));
        let path = format!("images/{}/tag?repo={repository}&tag={tag}", encoded(image));
        self.ask(Method::POST, &path).await.map(drop)
    }

    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()> {
        let path = self.says(libpod::removal_path(image, bases, &self.theirs))?;
        let path = format!("/v{}{path}", self.version);
        let answer = self.says(self.address.ask(Method::DELETE, &path).await)?;
        self.says(libpod::removed(&answer.all(ANSWER_LIMIT).await?))
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        let references: Vec<_> =
            images.iter().map(|image| format!("references={}", encoded(image))).collect();
        let path = format!("images/export?format=docker-archive&{}", references.join("&"));
        Ok(Box::new(self.ask_for_long(Method::GET, &path, Sent::Nothing).await?))
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        let answer = self.ask_for_long(Method::POST, "images/load", Sent::Tar(tar)).await?;
        let loaded: Loaded = parsed(&answer.all(ANSWER_LIMIT).await?)?;
        if loaded.names.is_empty() {
            let message = "podman does not say that it has loaded the image";
            return Err(Error::new(ErrorKind::Unexpected, message));
        }
        Ok(loaded.names.into_iter().find(|name| name.starts_with("sha256:")))
    }
}
