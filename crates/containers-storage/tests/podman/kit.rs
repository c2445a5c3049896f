//! The laws of the conformance kit. Each place is a store of its own, with podman's API for it.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::mpsc::Receiver;
use transship_conformance::{
    Bases, Claims, Contradictions, Digests, Empty, Fixture, Layers, Names, Place, Settings,
    Variants, is_child, test_all,
};
use transship_containers_storage::{SCHEME, Storage};
use transship_core::{
    DockerName, Error, ErrorKind, Identity, Reference, Result, Settings as Options, Transport,
};
use transship_docker_daemon::engine::{
    BaseImages, Chunks, Engine, Inspected, Listed, Locator, Piece, Store as Kept,
};
use transship_docker_daemon::{Engines, Kind, Memory};

use super::real::Store;

const TEST: &str = "kit::laws";

/// What stands between a store and an image of it.
const OF: &str = "//";

/// podman takes some tenths of a second for what others do at once.
const CORNERS: usize = 2;

/// How many laws are looked at at once.
const AT_ONCE: usize = 2;

/// How long podman may take to start, or to remove images.
const STARTS: Duration = Duration::from_secs(60);

/// `containers-storage:FOLDER//IMAGE`: a transport for several stores, by the folders of their sockets. All else is that of
/// `containers-storage:`.
#[derive(Clone, Debug)]
struct InFolders {
    /// Each is one value, with what it remembers.
    stores: Arc<Mutex<HashMap<String, Storage>>>,
}

impl Kind for InFolders {
    const SCHEME: &'static str = SCHEME;
    const SYNTAX: &'static str = "FOLDER//[NAME[:TAG]|NAME@DIGEST|@ID]";

    fn new(_: &Options) -> Self {
        Self { stores: Arc::default() }
    }

    fn parse(&self, text: &str) -> Result<(Arc<dyn Engine>, Locator)> {
        let (folder, image) = text.split_once(OF).unwrap_or((text, ""));
        if folder.is_empty()
            || !folder.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        {
            let message = format!("{folder:?} is no folder of a store");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let storage = stores.entry(folder.to_owned()).or_insert_with(|| {
            let url = format!("unix://{}/s", Path::new("/tmp").join(folder).display());
            Storage::new(&Options::new().with(SCHEME, "podman-url", url))
        });
        let (engine, image) = storage.parse(image)?;
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
        let image = self.engine.reference(image);
        Reference::new(SCHEME, format!("{}{OF}{}", self.folder, image.locator()))
    }

    async fn resolve(&self, image: Locator) -> Result<Locator> {
        self.engine.resolve(image).await
    }

    async fn store(&self) -> Result<Kept> {
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

    async fn inspect_all(&self, ids: &[String]) -> Result<Vec<Inspected>> {
        self.engine.inspect_all(ids).await
    }

    async fn not_there(&self, error: Error) -> Error {
        self.engine.not_there(error).await
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

#[derive(Debug)]
struct Podman;

impl Fixture for Podman {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Engines::<InFolders>::default())
    }

    fn place(&self) -> io::Result<Place> {
        let store = match used_again() {
            Some(store) => store,
            None => started()?,
        };
        let folder =
            Path::new(&store.path("s")).parent().and_then(Path::file_name).map(PathBuf::from);
        let locator = format!("{}{OF}", folder.unwrap_or_default().display());
        Ok(Place::new(locator, Lent(Some(store))))
    }

    fn claims(&self) -> Claims {
        Claims::engine()
            // It unpacks layers.
            .with(Layers::Tars)
            .with(Names::DockerNotIpv6)
            .with(Bases::Hidden)
            .with(Variants::NotSaid)
            .with(Contradictions::CorruptWhenRead)
            .with(Empty::None)
            .with(Digests::Sha256)
    }
}

/// Stores to be used again: podman takes longer to start than most laws with it.
static IDLE: Mutex<Vec<Store>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Store>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store whose podman still runs: one that nobody asks anything ends itself after some minutes.
fn used_again() -> Option<Store> {
    let runs = |store: &Store| UnixStream::connect(store.path("s")).is_ok();
    std::iter::from_fn(|| idle().pop()).find(runs)
}

fn started() -> io::Result<Store> {
    let mut store = Store::new().ok_or_else(|| io::Error::other("podman is not there"))?;
    store.serve();
    let begun = Instant::now();
    while let Err(error) = UnixStream::connect(store.path("s")) {
        if begun.elapsed() > STARTS {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(store)
}

/// A store that a place has.
struct Lent(Option<Store>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(store) = self.0.take() {
            match emptied(&store) {
                Ok(()) => idle().push(store),
                Err(error) => eprintln!("a store is not used again: {error}"),
            }
        }
    }
}

/// Removes all images, after which no layer is left.
fn emptied(store: &Store) -> io::Result<()> {
    let mut stream = UnixStream::connect(store.path("s"))?;
    stream.set_read_timeout(Some(STARTS))?;
    let request = "DELETE /v4.0.0/libpod/images/remove?all=true&force=true HTTP/1.0\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    if !said.contains(" 200 OK") {
        return Err(io::Error::other(said));
    }
    match store.layers().as_str() {
        "" | "[]" => Ok(()),
        layers => Err(io::Error::other(format!("without images it has the layers {layers}"))),
    }
}

/// The stores of the test end with it, whatever becomes of it: what is static is not dropped.
struct Stores;

impl Drop for Stores {
    fn drop(&mut self) {
        idle().clear();
    }
}

#[test]
fn laws() {
    let _stores = Stores;
    if is_child(&Podman) || Store::new().is_none() {
        return;
    }
    let settings =
        Settings::default().with_cases(1).with_corners(CORNERS).with_shrinks(0).with_env();
    let fixture: Arc<dyn Fixture> = Arc::new(Podman);
    test_all(&fixture, &settings.with_test(TEST), AT_ONCE, env!("CARGO_MANIFEST_DIR"));
}
