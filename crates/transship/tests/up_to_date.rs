//! An engine that has what a copy would make of an image is not written to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(all(unix, feature = "docker-daemon", feature = "oci-layout"))]

use std::sync::{Arc, Mutex};

use serde_json::json;
use transship::transfer::Nondistributable;
use transship::transport::{Commit, Expect, WriteOptions};
use transship::{
    Body, Platform, Platforms, Reference, Settings, Transfer, TransferOptions, Transports,
};
use transship_conformance::model::{self, Built, Child, Image, Index, Node, Presence};

mod answers;

use answers::Answers;

const NAME: &str = "example.org/app:1";

/// Images for amd64 and arm64, and their index.
fn images() -> ([Built; 2], Built) {
    let images = ["amd64", "arm64"].map(|architecture| Image { architecture, ..Image::simple(1) });
    let children =
        images.clone().map(|image| Child { node: Node::Image(image), presence: Presence::Here });
    let index = Index { format: model::Format::Oci, children: children.into(), described: false };
    (images.map(|image| image.build().unwrap()), index.build().unwrap())
}

async fn write(built: &Built, at: &Reference) {
    let known = Transports::linked(&Settings::new()).unwrap();
    let place = known.of(at).unwrap().destination(at, &WriteOptions::default()).await.unwrap();
    for blob in &built.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        place.put_blob(Expect::from(&blob.descriptor), body).await.unwrap();
    }
    for manifest in &built.below {
        place.put_manifest(manifest).await.unwrap();
    }
    place.commit(Commit::new(&built.root)).await.unwrap();
}

/// An engine with a graph driver that has one image, and the requests that it gets.
fn with_image(image: &Built) -> (Answers, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let (notes, id) = (Arc::clone(&asked), image.config().unwrap().descriptor.digest.to_string());
    let engine = Answers::start(move |path| {
        notes.lock().unwrap().push(path.to_owned());
        match path {
            path if path.contains("/images/json") => b"[]".to_vec(),
            path if path.contains("/images/") => {
                json!({"Id": id, "RepoTags": [NAME]}).to_string().into()
            }
            _ => b"{}".to_vec(),
        }
    });
    (engine, asked)
}

fn with(change: impl FnOnce(&mut TransferOptions)) -> TransferOptions {
    let mut options = TransferOptions::default();
    options.platforms = Platforms::Only(vec![Platform::parse("linux/amd64").unwrap()]);
    change(&mut options);
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_the_platform_that_is_chosen_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ([amd64, arm64], index) = images();
    let from = Reference::new("oci", format!("{}:x", folder.path().join("l").display()));
    write(&index, &from).await;
    for (image, has_it) in [(&amd64, true), (&arm64, false)] {
        let (engine, asked) = with_image(image);
        let known = engine.known();
        let to = known.parse(&format!("docker-daemon:{NAME}")).unwrap();
        let transfer = |options: &TransferOptions| {
            let transfer = Transfer::new(&from, &to).options(options.clone());
            transfer.from_transports(known.clone()).to_transports(known.clone())
        };
        for options in [with(|_| ()), with(|o| o.nondistributable = Nondistributable::Copy)] {
            let plan = transfer(&options).plan().await.unwrap();
            assert_eq!(plan.images[0].unchanged, has_it, "{options:?}");
            if has_it {
                let report = transfer(&options).run().await.unwrap();
                assert!(report.images[0].unchanged, "{options:?}");
            }
        }
        let asked = asked.lock().unwrap();
        assert!(!asked.iter().any(|path| path.contains("/images/load")), "{asked:?}");
    }
}
