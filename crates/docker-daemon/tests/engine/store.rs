//! An engine in the test's own process that keeps images as a release of docker does, mostly docker 29 in containerd's store: blobs by
//! digest, names that stand for manifests and indexes, loads that may leave blobs out, and an image that is named before it is found
//! broken.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use transship_core::{Descriptor, DockerName, Document, is_index_type};

use crate::fake::Whole;
use crate::release::{Keeps, Release};

/// The two blocks with which a tar ends.
const END: [u8; 1024] = [0; 1024];

/// How long a slow engine takes for a load, a name or a removal.
const SLOW: Duration = Duration::from_millis(20);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Loads are refused in an answer of status 200.
    RefusesLoads,
    /// Images cannot be unpacked: with blobs, they are loaded and named before.
    CannotUnpack,
    /// A container uses each image: its last name stays.
    InUse,
    /// Nothing gets a name.
    RefusesNames,
    /// The same, and nothing is removed.
    RefusesNamesAndRemovals,
    /// Loads, names and removals take a while, and go on when nobody waits for them.
    Slow,
    /// A load is done, and its answer comes when this is another fault.
    HoldsAnswers,
    /// Requests need a newer API than this.
    TooNew,
    /// It knows no `HEAD`.
    KnowsNoHead,
}

/// A running engine.
pub(crate) struct StoreEngine {
    folder: tempfile::TempDir,
    pub(crate) state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    pub(crate) release: Release,
    /// With a graph driver, these are configs.
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// With a graph driver, the IDs of images in the order of the list. docker sorts by the dates of configs, which are one in tests.
    pub(crate) images: Vec<String>,
    /// Layers as they are unpacked, by chain. None with blobs.
    pub(crate) chains: BTreeMap<String, Vec<u8>>,
    /// The requests but pings: their paths.
    pub(crate) asked: Vec<String>,
    /// Names, or none, and what they stand for.
    pub(crate) records: Vec<(Option<String>, String)>,
    pub(crate) fault: Fault,
    /// How many tars came whole, with what they list.
    pub(crate) loads: usize,
    /// How many removals were begun.
    pub(crate) removals: usize,
}

impl StoreEngine {
    pub(crate) fn start() -> Self {
        Self::of(Release::USUAL)
    }

    pub(crate) fn of(release: Release) -> Self {
        Self::start_in(tempfile::tempdir_in("/tmp").unwrap(), release)
    }

    /// With its socket in a folder.
    pub(crate) fn start_in(folder: tempfile::TempDir, release: Release) -> Self {
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let state = State {
            release,
            blobs: BTreeMap::new(),
            images: Vec::new(),
            chains: BTreeMap::new(),
            asked: Vec::new(),
            records: Vec::new(),
            fault: Fault::None,
            loads: 0,
            removals: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let answer = service_fn(move |request| answer(request, Arc::clone(&state)));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { folder, state }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.state.lock().unwrap().fault = fault;
    }

    /// What a name stands for.
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        self.state.lock().unwrap().find(name)
    }

    /// Removes the images without a name: those whose names were taken over.
    pub(crate) fn prune(&self) {
        self.state.lock().unwrap().records.retain(|(name, _)| name.is_some());
    }

    /// The images that have no name.
    pub(crate) fn nameless(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let nameless = state.records.iter().filter(|(name, _)| name.is_none());
        nameless.map(|(_, digest)| digest.clone()).collect()
    }
}

impl State {
    pub(crate) fn find(&self, image: &str) -> Option<String> {
        let image = &*full(image);
        let found = self
            .records
            .iter()
            .find(|(name, digest)| name.as_deref() == Some(image) || digest == image);
        found.map(|(_, digest)| digest.clone())
    }

    pub(crate) fn document(&self, digest: &str) -> Option<Document> {
        Document::parse(self.blobs.get(digest)?).ok()
    }

    /// Whether a manifest is there with all that it has.
    fn is_whole(&self, digest: &str) -> bool {
        self.document(digest).is_some_and(|document| {
            document.parts().all(|part| self.blobs.contains_key(part.digest.as_ref()))
        })
    }

    pub(crate) fn tags(&self, digest: &str) -> Vec<&String> {
        let of = self.records.iter().filter(|(_, other)| other == digest);
        of.filter_map(|(name, _)| name.as_ref()).collect()
    }

    /// Its names as people write them.
    pub(crate) fn repo_tags(&self, digest: &str) -> Vec<String> {
        let names = self.tags(digest).into_iter();
        names.map(|name| DockerName::parse(name).unwrap().familiar()).collect()
    }

    fn is_last_name(&self, image: &str) -> bool {
        self.find(image).is_none_or(|digest| self.tags(&digest).len() < 2)
    }

    fn list(&self) -> Value {
        let mut digests: Vec<&String> = self.images.iter().collect();
        for (_, digest) in &self.records {
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        digests
            .iter()
            .map(|digest| json!({"Id": digest, "RepoTags": self.repo_tags(digest)}))
            .collect()
    }

    /// What is said of an image to who asks by that API.
    fn inspect(&self, digest: &str, version: u32) -> Value {
        if self.release.keeps != Keeps::Blobs {
            return self.inspect_layers(digest);
        }
        if version < 48 {
            let size = self.layers_size(digest);
            return json!({"Id": digest, "RepoTags": self.repo_tags(digest), "Size": size});
        }
        let mut parts = Vec::new();
        self.parts(digest, None, &mut parts);
        let size = self.blobs.get(digest).map_or(0, Vec::len);
        let media_type = self.document(digest).map(|document| document.media_type().to_string());
        json!({"Id": digest, "RepoTags": self.repo_tags(digest), "Manifests": parts,
               "Size": self.layers_size(digest),
               "Descriptor": {"mediaType": media_type, "digest": digest, "size": size}})
    }

    /// The bytes of the layers of an image, of all of its platforms that are there.
    fn layers_size(&self, digest: &str) -> u64 {
        let (mut layers, mut rest) = (BTreeMap::new(), vec![digest.to_owned()]);
        while let Some(digest) = rest.pop() {
            match self.document(&digest) {
                Some(Document::Index(index)) => {
                    let images = index.manifests.iter().filter(|child| !child.is_attestation());
                    rest.extend(images.map(|child| child.digest.to_string()));
                }
                Some(Document::Image(image)) => {
                    let of =
                        image.layers.iter().map(|layer| (layer.digest.to_string(), layer.size));
                    layers.extend(of);
                }
                _ => {}
            }
        }
        layers.values().sum()
    }

    /// What is said of the manifests of an image.
    fn parts(&self, digest: &str, listed: Option<&Descriptor>, parts: &mut Vec<Value>) {
        // Content that is no manifest is no part.
        if listed.is_some_and(|listed| is_index_type(&listed.media_type).is_none()) {
            return;
        }
        match self.document(digest) {
            Some(Document::Index(index)) => {
                for child in &index.manifests {
                    self.parts(child.digest.as_ref(), Some(child), parts);
                }
            }
            found => {
                let mut part = json!({"ID": digest, "Available": self.is_whole(digest)});
                let config = found.as_ref().and_then(|document| match document {
                    Document::Image(image) => self.blobs.get(image.config.digest.as_ref()),
                    _ => None,
                });
                if let Some(listed) = listed {
                    part["Descriptor"] = json!(listed);
                }
                // Of an attestation that is not there, the engine does not see that it is one.
                let attests = found.is_some() && listed.is_some_and(Descriptor::is_attestation);
                if !attests {
                    let said = listed.and_then(|listed| listed.platform.as_ref());
                    let config: Value = config
                        .and_then(|config| serde_json::from_slice(config).ok())
                        .unwrap_or_else(|| json!({}));
                    let mut platform = said.map_or(config, |said| json!(said));
                    // An engine knows these fields.
                    let known = ["os", "architecture", "variant", "os.version", "os.features"];
                    if let Some(fields) = platform.as_object_mut() {
                        fields.retain(|key, _| known.contains(&key.as_str()));
                    }
                    part["ImageData"] = json!({ "Platform": platform });
                }
                parts.push(part);
            }
        }
    }

    pub(crate) fn tag(&mut self, digest: String, name: String) {
        self.records.retain(|record| *record != (None, digest.clone()));
        if let Some(at) = self.records.iter().position(|(other, _)| other.as_ref() == Some(&name)) {
            let (_, old) = self.records.remove(at);
            if old != digest && self.tags(&old).is_empty() {
                self.records.push((None, old));
            }
        }
        self.records.push((Some(name), digest));
    }

    pub(crate) fn remove(&mut self, image: &str) {
        let image = &*full(image);
        let by_name = self.records.iter().any(|(name, _)| name.as_deref() == Some(image));
        if by_name {
            self.records.retain(|(name, _)| name.as_deref() != Some(image));
        } else {
            self.records.retain(|(_, digest)| digest != image);
        }
        let mut kept = Vec::new();
        let mut roots: Vec<String> =
            self.records.iter().map(|(_, digest)| digest.clone()).collect();
        while let Some(digest) = roots.pop() {
            if let Some(document) = self.document(&digest) {
                roots.extend(document.parts().map(|part| part.digest.to_string()));
            }
            kept.push(digest);
        }
        self.blobs.retain(|digest, _| kept.contains(digest));
        if self.release.keeps != Keeps::Blobs {
            self.images.retain(|id| kept.contains(id));
            let chains = self.chains_in_use();
            self.chains.retain(|chain, _| chains.contains(chain));
        }
    }
}

fn decoded(text: &str) -> String {
    ["@", "[", "]"].iter().fold(text.to_owned(), |text, sign| {
        text.replace(&format!("%{:02X}", sign.as_bytes()[0]), sign)
    })
}

/// A name with its domain, as it is kept.
pub(crate) fn full(image: &str) -> String {
    match DockerName::parse(image) {
        Ok(name) if !image.starts_with("sha256:") => name.or_latest().to_string(),
        _ => image.to_owned(),
    }
}

async fn answer(
    mut request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Whole>, Infallible> {
    let mut body = Vec::new();
    let mut cut = false;
    while let Some(frame) =
        std::future::poll_fn(|cx| Pin::new(request.body_mut()).poll_frame(cx)).await
    {
        let Ok(frame) = frame else {
            cut = true;
            break;
        };
        body.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    let slow = {
        let mut state = state.lock().unwrap();
        state.removals += usize::from(request.method() == Method::DELETE);
        let takes_long = [Method::POST, Method::DELETE].contains(request.method());
        takes_long && state.fault == Fault::Slow
    };
    let is_load = request.uri().path().ends_with("/images/load");
    let newest = format!("1.{}", state.lock().unwrap().release.api);
    // It goes on when the connection has gone.
    let done = tokio::spawn(async move {
        if slow {
            tokio::time::sleep(SLOW).await;
        }
        let answer = said(&request, &body, cut, &mut state.lock().unwrap());
        while is_load && state.lock().unwrap().fault == Fault::HoldsAnswers {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        answer
    });
    let (status, said) = done.await.unwrap();
    let answer = Response::builder().status(status).header("Api-Version", newest);
    Ok(answer.body(Whole(Some(said.into()))).unwrap())
}

fn said(request: &Request<Incoming>, body: &[u8], cut: bool, state: &mut State) -> (u16, Vec<u8>) {
    let path = request.uri().path();
    if path == "/_ping" {
        let is_unknown = state.fault == Fault::KnowsNoHead && request.method() == Method::HEAD;
        return if is_unknown { message(404, "page not found") } else { (200, Vec::new()) };
    }
    state.asked.push(request.uri().to_string());
    let release = state.release;
    let least = if state.fault == Fault::TooNew { 60 } else { release.least };
    match release.version(path, least) {
        Err(words) => message(400, &words),
        Ok((_, "info")) => (200, release.info().to_string().into()),
        Ok((version, path)) => {
            of_images(request, path.strip_prefix("images/").unwrap(), body, (version, cut), state)
        }
    }
}

fn message(status: u16, words: &str) -> (u16, Vec<u8>) {
    (status, json!({"message": words}).to_string().into_bytes())
}

fn of_images(
    request: &Request<Incoming>,
    image: &str,
    body: &[u8],
    (version, cut): (u32, bool),
    state: &mut State,
) -> (u16, Vec<u8>) {
    let query = request.uri().query().unwrap_or_default();
    let image = &*decoded(image);
    match (request.method(), image) {
        (&Method::GET, "json") => (200, state.list().to_string().into()),
        (&Method::GET, "get") => {
            let names = query.split('&').filter_map(|q| q.strip_prefix("names="));
            let names: Vec<_> = names.map(decoded).collect();
            if names.iter().any(|name| state.find(name).is_none()) {
                return message(404, "no such image");
            }
            (200, state.save(&names))
        }
        (&Method::POST, "load") => loaded(request, body, cut, state),
        (&Method::POST, _)
            if matches!(state.fault, Fault::RefusesNames | Fault::RefusesNamesAndRemovals) =>
        {
            message(500, "the database of names is read-only")
        }
        (&Method::POST, tag) => {
            let Some(digest) = tag.strip_suffix("/tag").and_then(|image| state.find(image)) else {
                return message(404, "No such image");
            };
            let value = |key: &str| {
                query.split('&').find_map(|q| q.strip_prefix(key)).map(decoded).unwrap()
            };
            let name = format!("{}:{}", value("repo="), value("tag="));
            if name.starts_with('[') && !state.release.names_ipv6() {
                return message(400, "invalid reference format");
            }
            state.tag(digest, name);
            (201, Vec::new())
        }
        (&Method::DELETE, _) if state.fault == Fault::RefusesNamesAndRemovals => {
            message(500, "the database of names is read-only")
        }
        (&Method::DELETE, _) if query != "noprune=true" => {
            message(500, "images without names that it was built on would go, too")
        }
        (&Method::DELETE, image) if state.fault == Fault::InUse && state.is_last_name(image) => {
            message(409, "conflict: unable to delete (must be forced) - container 1 is using it")
        }
        (&Method::DELETE, image) => {
            if state.find(image).is_none() {
                return message(404, "No such image");
            }
            state.remove(image);
            (200, b"[]".to_vec())
        }
        (_, image) => match state.find(image.strip_suffix("/json").unwrap()) {
            Some(digest) => (200, state.inspect(&digest, version).to_string().into()),
            None => message(404, "No such image"),
        },
    }
}

fn loaded(
    request: &Request<Incoming>,
    body: &[u8],
    cut: bool,
    state: &mut State,
) -> (u16, Vec<u8>) {
    if request.headers().get("content-type").is_none() {
        return message(400, "the body is a form");
    }
    // With blobs, what ends in the two blocks is loaded, although the body does not end.
    if cut && !(state.release.keeps == Keeps::Blobs && body.ends_with(&END)) {
        return message(500, "unexpected EOF");
    }
    (200, state.load(body).into_bytes())
}
