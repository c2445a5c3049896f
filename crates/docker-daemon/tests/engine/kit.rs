//! The laws of the conformance kit. Each place is an engine of its own, in the test's process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;
use transship_conformance::{
    ALL, Claims, Digests, Empty, Fixture, Manifests, Outcome, Place, Settings, Taken, is_child, run,
};
use transship_core::{
    DockerName, Error, ErrorKind, Identity, Reference, Result, Settings as Options, Transport,
};
use transship_docker_daemon::engine::{Chunks, Engine, Inspected, Listed, Locator, Piece, Store};
use transship_docker_daemon::{Docker, Engines, Kind, Memory, SCHEME};

use super::store::StoreEngine;

const TEST: &str = "kit::laws";

/// What stands between an engine and an image of it.
const OF: &str = "//";

/// Laws that do not hold of engines yet, and why. Their cases are generated, and some of them pass.
const NOT_HELD: &[(&str, &str)] = &[
    ("equal_references_open_equal_images", TAKEN_OVER),
    ("replacing_keeps_the_old_image_readable", TAKEN_OVER),
    ("replacing_leaves_nothing_of_the_old", TAKEN_OVER),
    ("processes_see_whole_images", TAKEN_OVER),
    ("referrers_come_with_their_image", "what is about an image is not found by it"),
    ("what_comes_again_completes_what_is_there", "an engine's records say nothing of gaps"),
    ("what_has_gone_is_no_gap", "an engine is no image, and deleting it is invalid"),
    ("an_image_twice_is_one", CREATED),
    ("a_name_taken_over_moves", CREATED),
    ("create_refuses_what_is_there", CREATED),
    ("details_are_true", "the size is what the engine says"),
    ("what_is_missing_is_refused_at_commit", "a layer not to be distributed counts as missing"),
    ("deletion_removes_that_image_alone", "an engine is no image, and deleting it is invalid"),
    ("an_archive_in_one_pass_is_the_same", "a save comes once, each time"),
];

const TAKEN_OVER: &str = "an image without a name is listed until it is pruned";
const CREATED: &str = "a writer that creates looks at each name, and not at the engine";

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

    async fn tag(&self, image: &str, name: &DockerName) -> Result<()> {
        self.engine.tag(image, name).await
    }

    async fn remove(&self, image: &str) -> Result<()> {
        self.engine.remove(image).await
    }

    async fn save(&self, images: &[String]) -> Result<Box<dyn Chunks>> {
        self.engine.save(images).await
    }

    async fn load(&self, tar: Receiver<Piece>) -> Result<Option<String>> {
        self.engine.load(tar).await
    }
}

#[derive(Debug)]
struct InProcess;

impl Fixture for InProcess {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Engines::<InFolders>::default())
    }

    fn place(&self) -> io::Result<Place> {
        let folder = tempfile::Builder::new().prefix("kit").tempdir_in("/tmp")?;
        let name = folder.path().file_name().map(PathBuf::from).unwrap_or_default();
        let _running = RUNTIME.enter();
        let engine = StoreEngine::start_in(folder);
        Ok(Place::new(format!("{}{OF}", name.display()), engine))
    }

    fn claims(&self) -> Claims {
        Claims::engine()
            .with(Manifests::Kept)
            // A name's place is that of its record.
            .with(Taken::InItsPlace)
            .with(Empty::None)
            .with(Digests::Sha256)
    }
}

#[test]
fn laws() {
    if is_child(&InProcess) {
        return;
    }
    let cases = std::env::var("TRANSSHIP_CASES").ok().and_then(|text| text.parse().ok());
    let settings = Settings::from_env().with_cases(cases.unwrap_or(1)).with_test(TEST);
    let only = std::env::var("TRANSSHIP_LAW").ok();
    let settings = settings.with_patience(std::time::Duration::from_secs(60));
    let mut failed = Vec::new();
    for law in ALL.iter().filter(|law| only.as_deref().is_none_or(|only| only == law.name)) {
        let (outcome, took) = run(Arc::new(InProcess), law, &settings);
        eprintln!("{:6} ms {}", took.as_millis(), law.name);
        let not_held = NOT_HELD.iter().find(|(name, _)| *name == law.name);
        match (&outcome, not_held) {
            (Outcome::Broken { .. }, Some((_, why))) => eprintln!("          not held: {why}"),
            (Outcome::Broken { why, .. }, None) => failed.push(format!("{}: {why}", law.name)),
            _ => {}
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
