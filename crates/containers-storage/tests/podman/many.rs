//! Stores with more names than one request of podman's API holds: they are saved by several, as by the command.

use transship_core::ImageName;

use super::real::Store;
use super::*;

/// So many names for each image, and so long, that a request holds about 155 of them. Not more for one image: podman's list has each
/// name once, with all names of its image.
const NAMES: usize = 15;
const IMAGES: u8 = 11;

/// The images of all saves: how many names each has, and its ID.
async fn saved(from: &ContainersStorage, options: &str) -> Vec<(usize, Digest)> {
    let (archives, all) = (from.archives().unwrap(), from.parse(options).unwrap());
    let reads = ReadOptions::default();
    let passed = archives.one_pass().unwrap().pass(&all, &reads, None).await.unwrap();
    let reader = archives.read(&all, &reads.with_passed(Some(passed))).await.unwrap();
    let mut images = Vec::new();
    for entry in reader.entries() {
        let source = reader.open(entry).await.unwrap();
        let root = source.root().await.unwrap();
        let Document::Image(image) = root.document() else { panic!("an index") };
        for layer in &image.layers {
            source.blob(layer).await.unwrap().bytes(1 << 20).await.unwrap();
        }
        images.push((entry.names.len(), image.config.digest.clone()));
    }
    images.sort_unstable_by_key(|(_, id)| id.to_string());
    images
}

#[tokio::test(flavor = "multi_thread")]
async fn more_names_than_a_request_holds() {
    let Some(mut store) = Store::new() else { return };
    let by_api = store.served().await;
    let mut expected = Vec::new();
    for seed in 0..IMAGES {
        let (image, repository) = (sample(seed), format!("localhost/{}-{seed}", "r".repeat(220)));
        let names = (0..NAMES).map(|at| format!("{repository}:{at}-{}", "t".repeat(120)));
        let names: Vec<_> = names.map(|name| ImageName::new(&name).unwrap()).collect();
        let how = WriteOptions::default().with_names(names);
        let destination = by_api.destination(&by_api.parse("").unwrap(), &how).await.unwrap();
        put(&image, &*destination).await.unwrap();
        destination.commit(Commit::new(&image.root)).await.unwrap();
        expected.push((NAMES, id(&image)));
    }
    expected.sort_unstable_by_key(|(_, id)| id.to_string());
    assert_eq!(saved(&by_api, "").await, expected);
    assert_eq!(saved(&ContainersStorage::default(), &store.options()).await, expected);
}
