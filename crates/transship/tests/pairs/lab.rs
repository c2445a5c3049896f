//! [`Lab`]: places of every transport.

#[cfg(feature = "registry")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use transship::transport::{Commit, Expect, ImageDestination, ImageSource};
use transship::{Body, ReadOptions, Reference, Settings, Transports, WriteOptions};
use transship_conformance::model::Built;
#[cfg(feature = "registry")]
use transship_test_registry::{Options, Parts, Registry};

/// All that are linked; a registry runs in the test's own process.
pub(crate) const TRANSPORTS: &[&str] = &[
    "dir",
    #[cfg(feature = "registry")]
    "docker",
    "docker-archive",
    "oci",
    "oci-archive",
];

/// Cases of each pair; `TRANSSHIP_CASES` says another number.
pub(crate) fn cases() -> u32 {
    std::env::var("TRANSSHIP_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// The same cases for the same text.
pub(crate) fn runner(seed: &str) -> TestRunner {
    let seed = transship::transport::sha256(seed.as_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.encoded().as_bytes()[..32]);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// Fresh places.
pub(crate) struct Lab {
    pub(crate) transports: Transports,
    folder: tempfile::TempDir,
    serial: usize,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let settings = Settings::new().with("docker", "no-creds", "true");
        let settings = settings.with("docker", "sparse", "true");
        let transports = Transports::linked(&settings).unwrap();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Self { transports, folder: tempfile::tempdir().unwrap(), serial }
    }

    pub(crate) fn at(&self, scheme: &str, name: &str) -> Reference {
        let place = match scheme {
            "docker" => format!("{}/pairs/{}/{name}:1", host(), self.serial),
            _ => self.folder.path().join(format!("{name}-{scheme}")).display().to_string(),
        };
        self.transports.parse(&format!("{scheme}:{place}")).unwrap()
    }

    pub(crate) async fn source(&self, at: &Reference) -> Box<dyn ImageSource> {
        let transport = self.transports.of(at).unwrap();
        transport.source(at, &ReadOptions::default()).await.unwrap_or_else(|e| panic!("{at}: {e}"))
    }

    pub(crate) async fn write(&self, at: &Reference, built: &Built) {
        let transport = self.transports.of(at).unwrap();
        put(transport.destination(at, &WriteOptions::default()).await.unwrap(), built).await;
    }
}

/// Writes an image.
pub(crate) async fn put(place: Box<dyn ImageDestination + '_>, built: &Built) {
    for blob in &built.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        place.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
    }
    for manifest in &built.below {
        place.put_manifest(manifest).await.unwrap();
    }
    place.commit(Commit::new(&built.root).without(&built.absent)).await.unwrap();
}

/// Where the registry is, as it stands in a reference.
#[cfg(feature = "registry")]
fn host() -> String {
    static SERVER: OnceLock<Registry> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let mut options = Options::default();
        options.parts = Parts::SparseIndexes;
        Registry::start(options).unwrap()
    });
    format!("//{}", server.host())
}

#[cfg(not(feature = "registry"))]
fn host() -> String {
    panic!("the registry is not linked")
}
