//! For every ordered pair of transports, image -> A -> B -> A through the engine, over generated images: the same comes
//! back, or differs only as the transports' formats do.
#![cfg(all(feature = "directory", feature = "docker-archive", feature = "oci-layout"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use transship::{
    Body, Commit, Document, Expect, ImageSource, Manifest, ReadOptions, Reference, Settings,
    Transfer, Transports, Verifier, WriteOptions,
};
use transship_conformance::model::{Built, Form, Image, Layer, Node, Presence};
use transship_conformance::{Claims, strategies};

const TRANSPORTS: [&str; 4] = ["dir", "docker-archive", "oci", "oci-archive"];

/// Images of each pair; `TRANSSHIP_CASES` says another number.
fn cases() -> u32 {
    std::env::var("TRANSSHIP_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

struct Lab {
    transports: Transports,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let transports = Transports::linked(&Settings::new()).unwrap();
        Self { transports, folder: tempfile::tempdir().unwrap() }
    }

    fn at(&self, scheme: &str, name: &str) -> Reference {
        let path = Path::new(self.folder.path()).join(format!("{name}-{scheme}"));
        self.transports.parse(&format!("{scheme}:{}", path.display())).unwrap()
    }

    async fn source(&self, at: &Reference) -> Box<dyn ImageSource> {
        let transport = self.transports.of(at).unwrap();
        transport.source(at, &ReadOptions::default()).await.unwrap_or_else(|e| panic!("{at}: {e}"))
    }

    async fn write(&self, at: &Reference, built: &Built) {
        let transport = self.transports.of(at).unwrap();
        let place = transport.destination(at, &WriteOptions::default()).await.unwrap();
        for blob in &built.blobs {
            let body = Body::from_bytes(blob.bytes.clone());
            place.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
        }
        for manifest in &built.below {
            place.put_manifest(manifest).await.unwrap();
        }
        place.commit(Commit::new(&built.root).without(&built.absent)).await.unwrap();
    }
}

/// Whether a place keeps manifests and layers as they are.
fn keeps(scheme: &str) -> bool {
    scheme != "docker-archive"
}

async fn check(a: &str, b: &str, node: &Node) {
    let lab = Lab::new();
    let built = node.build().unwrap();
    // Where images are rebuilt, nothing can be put that is compressed: it comes from a place that keeps it.
    let (first, second, third) = (lab.at("oci", "first"), lab.at(a, "a"), lab.at(b, "b"));
    lab.write(&first, &built).await;
    let last = lab.at(a, "last");
    for (from, to) in [(&first, &second), (&second, &third), (&third, &last)] {
        let done = Transfer::new(from, to).run().await;
        done.unwrap_or_else(|e| panic!("{from} -> {to}: {e}\n{node:?}"));
    }
    for at in [&second, &third, &last] {
        let source = lab.source(at).await;
        let findings = Verifier::new().image(&*source).await.unwrap();
        assert!(findings.is_clean(), "{at}: {:?}\n{node:?}", findings.problems);
    }
    let root = lab.source(&last).await.root().await.unwrap();
    if keeps(a) && keeps(b) {
        assert_eq!(root.bytes(), built.root.bytes(), "{a} -> {b} -> {a}\n{node:?}");
        return;
    }
    same_image(&*lab.source(&last).await, &root, &built, node).await;
}

/// The same config, byte for byte; the verifier has held the layers to it.
async fn same_image(source: &dyn ImageSource, root: &Manifest, built: &Built, node: &Node) {
    let Document::Image(image) = root.document().unwrap() else { panic!("{node:?}") };
    let config = source.blob(&image.config).await.unwrap().bytes(1 << 20).await.unwrap();
    assert_eq!(config, built.config().unwrap().bytes, "{node:?}");
    assert_eq!(image.layers.len(), built.layers().len(), "{node:?}");
}

/// What can be in both.
fn nodes(a: &str, b: &str) -> impl Strategy<Value = Node> + use<> {
    let claims = Claims::default();
    if keeps(a) && keeps(b) {
        // The engine refuses an index of which nothing is present.
        return strategies::nodes(&claims).prop_filter("nothing is there", is_there).boxed();
    }
    let known = |image: Image| {
        let known = |layer: &Layer| layer.form != Form::Unknown;
        Image { layers: image.layers.into_iter().filter(known).collect(), ..image }
    };
    strategies::plain_images(&claims).prop_map(move |image| Node::Image(known(image))).boxed()
}

/// Whether there is an image in it.
fn is_there(node: &Node) -> bool {
    match node {
        Node::Image(_) => true,
        Node::Index(index) => {
            let mut children = index.children.iter();
            children.any(|child| child.presence == Presence::Here && is_there(&child.node))
        }
    }
}

async fn pairs_of(a: &str) {
    for b in TRANSPORTS {
        let seed = transship::sha256(format!("{a} {b}").as_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.digest().as_bytes()[..32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let nodes = nodes(a, b);
        for _ in 0..cases() {
            let node = nodes.new_tree(&mut runner).unwrap().current();
            check(a, b, &node).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dir_and_back() {
    pairs_of("dir").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_archive_and_back() {
    pairs_of("docker-archive").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oci_and_back() {
    pairs_of("oci").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oci_archive_and_back() {
    pairs_of("oci-archive").await;
}
