//! For every ordered pair of transports, image -> A -> B -> A through the engine, over generated images: the same comes
//! back, or differs only as the transports' formats do.

use proptest::strategy::{Strategy, ValueTree};
use transship::transfer::Digests;
use transship::transport::ImageSource;
use transship::{Document, Manifest, Transfer, TransferOptions, Verifier};
use transship_conformance::model::{Built, Form, Image, Layer, Node, Presence};
use transship_conformance::{Facts, strategies};

use crate::lab::{Lab, TRANSPORTS, cases, runner};

/// Whether a place keeps manifests and layers as they are.
fn keeps(scheme: &str) -> bool {
    scheme != "docker-archive"
}

async fn check(a: &str, b: &str, node: &Node) {
    let lab = Lab::new();
    let built = node.build().unwrap();
    let mut options = TransferOptions::default();
    if keeps(a) && keeps(b) {
        // A registry would rather have compressed layers.
        options.digests = Digests::Preserve;
    }
    // Where images are rebuilt, nothing can be put that is compressed: it comes from a place that keeps it.
    let (first, second, third) = (lab.at("oci", "first"), lab.at(a, "a"), lab.at(b, "b"));
    lab.write(&first, &built).await;
    let last = lab.at(a, "last");
    for (from, to) in [(&first, &second), (&second, &third), (&third, &last)] {
        let done = Transfer::new(from, to).options(options.clone()).run().await;
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
    let Document::Image(image) = root.document() else { panic!("{node:?}") };
    let config = source.blob(&image.config).await.unwrap().bytes(1 << 20).await.unwrap();
    assert_eq!(config, built.config().unwrap().bytes, "{node:?}");
    assert_eq!(image.layers.len(), built.layers().len(), "{node:?}");
}

/// What can be in both.
fn nodes(a: &str, b: &str) -> impl Strategy<Value = Node> + use<> {
    let facts = Facts::strictest();
    if keeps(a) && keeps(b) {
        // The engine refuses an index of which nothing is present.
        return strategies::nodes(&facts).prop_filter("nothing is there", is_there).boxed();
    }
    let known = |image: Image| {
        let known = |layer: &Layer| layer.form != Form::Unknown;
        Image { layers: image.layers.into_iter().filter(known).collect(), ..image }
    };
    strategies::plain_images(&facts).prop_map(move |image| Node::Image(known(image))).boxed()
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
    for b in TRANSPORTS.iter().copied() {
        let mut runner = runner(&format!("{a} {b}"));
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

#[cfg(feature = "registry")]
#[tokio::test(flavor = "multi_thread")]
async fn registry_and_back() {
    pairs_of("docker").await;
}
