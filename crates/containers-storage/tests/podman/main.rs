//! podman, where it is installed, and a script in its place for faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]
#![cfg(unix)]

mod cut;
mod errors;
mod kit;
mod many;
mod real;
mod script;

use transship_conformance::model::{Built, Image, Layer};
use transship_containers_storage::ContainersStorage;
use transship_core::{
    Body, Commit, Digest, Document, Expect, ImageDestination, ReadOptions, Result, Settings,
    Transport, WriteOptions,
};

fn set(key: &str, value: &str) -> ContainersStorage {
    ContainersStorage::new(&Settings::new().with("containers-storage", key, value))
}

/// An image of one plain layer, which is a tar.
fn sample(seed: u8) -> Built {
    let layers = vec![Layer::small(seed * 4 + 2, 3072)];
    Image { layers, ..Image::simple(seed) }.build().unwrap()
}

fn id(of: &Built) -> Digest {
    of.config().unwrap().descriptor.digest.clone()
}

async fn put(image: &Built, to: &dyn ImageDestination) -> Result<()> {
    for blob in &image.blobs {
        let body = Body::from_bytes(blob.bytes.clone());
        to.put_blob(Expect::from(&blob.descriptor), body).await?;
    }
    Ok(())
}

async fn write(image: &Built, to: &ContainersStorage, name: &str) -> Result<()> {
    let destination = to.destination(&to.parse(name)?, &WriteOptions::default()).await?;
    put(image, &*destination).await?;
    destination.commit(Commit::new(&image.root)).await.map(drop)
}

/// The image ID; its layers read back.
async fn read(from: &ContainersStorage, name: &str) -> Result<Digest> {
    let source = from.source(&from.parse(name)?, &ReadOptions::default()).await?;
    let root = source.root().await?;
    let Document::Image(image) = root.document() else { panic!("an index") };
    for layer in &image.layers {
        source.blob(layer).await?.bytes(1 << 20).await?;
    }
    Ok(image.config.digest.clone())
}
