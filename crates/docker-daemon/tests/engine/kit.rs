//! The laws of the conformance kit. Each place is an engine of its own, in the test's process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;
use transship_conformance::{
    Claims, Digests, Empty, Fixture, Layers, Manifests, Names, Place, Settings, Taken, test_all,
};
use transship_core::{
    DockerName, Error, ErrorKind, Identity, Reference, Result, Settings as Options, Transport,
};
use transship_docker_daemon::engine::{
    BaseImages, Chunks, Engine, Inspected, Listed, Locator, Piece, Store,
};
use transship_docker_daemon::{Docker, Engines, Kind, Memory, SCHEME};

use super::release::{Keeps, RELEASES, Release, Saves};
use super::store::StoreEngine;

/// What stands between an engine and an image of it.
const OF: &str = "//";

const ALL_CORNERS: usize = usize::MAX;

/// Of an engine of which one like it has all.
const CORNERS: usize = 4;

/// The engines run on, whatever runtime a law has.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// `docker-daemon:FOLDER//IMAGE`: a transport for several engines, by the folders of their sockets. All else is that of
/// `docker-daemon:`.
#[derive(Clone, Debug)]
struct InFolders;

impl Kind for InFolders {
    const SCHEME: &'static str = SCHEME;
    const SYNTAX: &'static str = "FOLDER//[NAME[:TAG]|NAME@DIGEST|sha256:ID]";

    fn new(_: &Options) -> Self {
        Self
    }

    fn parse(&self, text: &str) -> Result<(Arc<dyn Engine>, Locator)> {
        let (folder, image) = text.split_once(OF).unwrap_or((text, ""));
        if folder.is_empty() || !folder.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let message = format!("{folder:?} is no folder of an engine");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let host = format!("unix://{}/s", Path::new("/tmp").join(folder).display());
        let docker = Docker::new(&Options::new().with("docker-daemon", "daemon-host", host));
        let (engine, image) = docker.parse(image)?;
        Ok((Arc::new(InFolder { folder: folder.to_owned(), engine }), image))
    }

    fn identity(&self, _: &Locator) -> Identity {
        Identity::unnamed()
    }
}

#[derive(Debug)]
struct InFolder {
    folder: String,
    engine: Arc<dyn Engine>,
}

#[async_trait]
impl Engine for InFolder {
    fn reference(&self, image: &Locator) -> Reference {
        Reference::new(SCHEME, format!("{}{OF}{image}", self.folder))
    }

    async fn store(&self) -> Result<Store> {
        self.engine.store().await
    }

    async fn takes_zstd(&self) -> Result<bool> {
        self.engine.takes_zstd().await
    }

    async fn images(&self) -> Result<Vec<Listed>> {
        self.engine.images().await
    }

    async fn inspect(&self, image: &str) -> Result<Inspected> {
        self.engine.inspect(image).await
    }

    async fn memory(&self) -> Result<Option<&Memory>> {
        self.engine.memory().await
    }

    fn refuses(&self, name: &DockerName) -> Option<&'static str> {
        self.engine.refuses(name)
    }

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        self.engine.tag(image, name).await
    }

    async fn remove(&self, image: &str, bases: BaseImages) -> Result<()> {
        self.engine.remove(image, bases).await
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        self.engine.save(images).await
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        self.engine.load(tar).await
    }
}

/// Engines of a release, in the test's process.
#[derive(Debug)]
struct InProcess(Release);

impl Fixture for InProcess {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Engines::<InFolders>::default())
    }

    fn place(&self) -> io::Result<Place> {
        let folder = tempfile::Builder::new().prefix("kit").tempdir_in("/tmp")?;
        let name = folder.path().file_name().map(PathBuf::from).unwrap_or_default();
        let _running = RUNTIME.enter();
        let engine = StoreEngine::start_in(folder, self.0);
        Ok(Place::new(format!("{}{OF}", name.display()), engine))
    }

    fn claims(&self) -> Claims {
        let claims = Claims::engine().with(Empty::None).with(Digests::Sha256);
        match self.0.keeps {
            // A name's place is that of its record.
            Keeps::Blobs => claims.with(Manifests::Kept).with(Taken::WithItsNames),
            // It unpacks layers.
            Keeps::Layers(_) if self.0.names_ipv6() => claims.with(Layers::Tars),
            Keeps::Layers(_) => claims.with(Layers::Tars).with(Names::DockerNotIpv6),
        }
    }
}

/// The newest release that saves so.
fn with_a_graph_driver(saves: Saves) -> Release {
    let keeps = Keeps::Layers(saves);
    RELEASES.into_iter().rfind(|release| release.keeps == keeps).unwrap()
}

#[test]
fn laws() {
    hold("kit::laws", Release::USUAL, ALL_CORNERS);
}

#[test]
fn laws_of_a_graph_driver_that_saves_folders() {
    let test = "kit::laws_of_a_graph_driver_that_saves_folders";
    hold(test, with_a_graph_driver(Saves::Folders), ALL_CORNERS);
}

#[test]
fn laws_of_a_graph_driver_that_saves_layouts() {
    let test = "kit::laws_of_a_graph_driver_that_saves_layouts";
    hold(test, with_a_graph_driver(Saves::Layout), CORNERS);
}

/// Holds a release to all laws, in a test of that name, with so many corners of each law.
fn hold(test: &str, release: Release, corners: usize) {
    let settings = Settings::default().with_cases(1).with_corners(corners).with_env();
    let fixture: Arc<dyn Fixture> = Arc::new(InProcess(release));
    test_all(&fixture, &settings.with_test(test), 1, env!("CARGO_MANIFEST_DIR"));
}
