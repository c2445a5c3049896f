//! Engines with more names than one request holds: they are saved by several.

use super::release::{RELEASES, Release};
use super::releases::id_in;
use super::*;

/// Gives an image so many names, of which a request holds about a thousand.
fn name(engine: &StoreEngine, id: &str, count: usize) {
    let mut state = engine.state.lock().unwrap();
    for at in 0..count {
        state.tag(id.to_owned(), format!("example.org/a-team/an-application-{}:{at}", &id[7..20]));
    }
}

/// The images of a pass over all of an engine: how many names each has, and its config.
async fn saved(from: &DockerDaemon) -> Vec<(usize, Digest)> {
    let (archives, all) = (from.archives().unwrap(), from.parse("").unwrap());
    let reads = ReadOptions::default();
    let passed = archives.one_pass().unwrap().pass(&all, &reads, None).await.unwrap();
    let reader = archives.read(&all, &reads.with_passed(Some(passed))).await.unwrap();
    let mut images = Vec::new();
    for (at, entry) in reader.entries().iter().enumerate() {
        assert_eq!((entry.index, entry.raw_names.len()), (at, entry.names.len()));
        let source = reader.open(entry).await.unwrap();
        assert_eq!(source.names(), entry.names);
        let root = source.root().await.unwrap();
        let transship_core::Document::Image(image) = root.document() else { panic!("an index") };
        for layer in &image.layers {
            source.blob(layer).await.unwrap().bytes(1 << 20).await.unwrap();
        }
        images.push((entry.names.len(), image.config.digest.clone()));
    }
    images
}

fn requests(engine: &StoreEngine) -> usize {
    let asked = &engine.state.lock().unwrap().asked;
    asked.iter().filter(|path| path.contains("/images/get")).count()
}

async fn all_come(release: Release) {
    let engine = StoreEngine::of(release);
    let daemon = daemon(&engine.host());
    let images = [["a", "b"], ["a", "c"], ["d", "e"]].map(|layers| Stack::small(&layers));
    let mut expected = Vec::new();
    // The names of the second are more than one request holds.
    for (image, count) in images.iter().zip([500, 1500, 3]) {
        image.write(&daemon, "example.org/first:1").await.unwrap();
        name(&engine, &id_in(release, image), count);
        expected.push((count, image.id()));
    }
    expected[2].0 += 1;
    assert_eq!(saved(&daemon).await, expected, "{release:?}");
    assert_eq!(requests(&engine), 3, "{release:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_names_than_a_request_holds() {
    // One for each form of what is saved.
    for release in RELEASES.into_iter().filter(|release| ["24", "25"].contains(&release.name)) {
        all_come(release).await;
    }
    all_come(Release::USUAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_image_has_all_of_its_names() {
    let engine = StoreEngine::start();
    let (daemon, image) = (daemon(&engine.host()), Stack::small(&["a"]));
    image.write(&daemon, "example.org/first:1").await.unwrap();
    name(&engine, &id_in(Release::USUAL, &image), 1500);
    let (archives, all) = (daemon.archives().unwrap(), daemon.parse("").unwrap());
    let reads = ReadOptions::default();
    let passed = archives.one_pass().unwrap().pass(&all, &reads, None).await.unwrap();
    let source = daemon.source(&all, &reads.with_passed(Some(passed))).await.unwrap();
    assert_eq!(source.names().len(), 1501);
    assert_eq!(source.root().await.unwrap().bytes(), image.root.bytes());
}
