//! What a save may look like: one image, with its lists at the end, at the start or absent.

use super::release::{Keeps, RELEASES, Saves};
use super::tars::tar_of;
use super::*;

const NAME: &str = "example.org/app:1";

/// The files of a tar, in their order.
fn files(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    tars::each_file(tar, |path, bytes| {
        files.push((path, bytes));
        Ok(())
    })
    .unwrap();
    files
}

/// The lists of a save, whose other files are blobs and layers.
const LISTS: [&str; 4] = ["index.json", "manifest.json", "oci-layout", "repositories"];

fn is_list(path: &str) -> bool {
    LISTS.contains(&path)
}

fn lists_first(tar: &[u8]) -> Vec<u8> {
    let (lists, rest): (Vec<_>, Vec<_>) =
        files(tar).into_iter().partition(|(path, _)| is_list(path));
    tar_of(lists.into_iter().chain(rest))
}

fn without(tar: &[u8], lists: &[&str]) -> Vec<u8> {
    tar_of(files(tar).into_iter().filter(|(path, _)| !lists.contains(&&**path)))
}

/// As podman saves an image.
fn of_podman(image: &Stack) -> Vec<u8> {
    let layer = |layer: &Vec<u8>| (format!("{}.tar", sha256(layer).encoded()), layer.clone());
    let mut files: Vec<_> = image.layers.iter().map(layer).collect();
    let layers: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
    let config = format!("{}.json", image.id().encoded());
    let list = serde_json::json!([{"Config": config, "RepoTags": [NAME], "Layers": layers}]);
    files.push((config, image.config.clone()));
    files.push(("manifest.json".to_owned(), list.to_string().into()));
    tar_of(files)
}

/// What a release saves of an image.
async fn saved(image: &Stack, keeps: Keeps) -> Vec<u8> {
    let release = RELEASES.into_iter().rfind(|release| release.keeps == keeps).unwrap();
    let engine = StoreEngine::of(release);
    image.write(&daemon(&engine.host()), NAME).await.unwrap();
    engine.state.lock().unwrap().save(&[NAME.to_owned()])
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_the_image_is_read() {
    let mut image = Stack::small(&["a", "b"]);
    // As nobody else writes it.
    let text = String::from_utf8(image.root.bytes().to_vec()).unwrap();
    image.root = Manifest::new(format!("{text}\n")).unwrap();
    let folders = saved(&image, Keeps::Layers(Saves::Folders)).await;
    let layout = saved(&image, Keeps::Layers(Saves::Layout)).await;
    let blobs = saved(&image, Keeps::Blobs).await;
    let own =
        [&blobs, &lists_first(&blobs), &without(&blobs, &["manifest.json"])].map(Clone::clone);
    let for_docker = without(&layout, &["index.json", "oci-layout"]);
    let mut shapes: Vec<(&str, Vec<u8>, bool)> = vec![
        ("docker to 24, lists first", lists_first(&folders), false),
        ("docker to 24", folders, false),
        ("docker 25, lists first", lists_first(&layout), false),
        ("docker 25", layout, false),
        ("its list for docker alone", for_docker, false),
        ("podman", of_podman(&image), false),
        ("podman, lists first", lists_first(&of_podman(&image)), false),
    ];
    shapes.extend(
        ["docker 29", "docker 29, lists first", "docker 29, no list for docker"]
            .into_iter()
            .zip(own)
            .map(|(name, tar)| (name, tar, true)),
    );
    for (shape, save, keeps_root) in shapes {
        let inspect = Some(format!(r#"{{"Id":"{}","RepoTags":["{NAME}"]}}"#, image.id()));
        let fake = Fake::start(Says { save, inspect, ..Says::default() });
        let from = daemon(&fake.host());
        eprintln!("{shape}");
        image.reads_back(&from, NAME).await;
        let source =
            from.source(&from.parse(NAME).unwrap(), &ReadOptions::default()).await.unwrap();
        let root = source.root().await.unwrap();
        assert_eq!(root.bytes() == image.root.bytes(), keeps_root, "{shape}");
        assert_eq!(source.names().iter().map(ToString::to_string).collect::<Vec<_>>(), [NAME]);
    }
}

/// An index of which one platform was pulled. The list for docker has that one alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_keeps_what_the_list_for_docker_has_not() {
    let (here, absent) = (Stack::small(&["a"]), Stack::small(&["b"]));
    let child = |image: &Stack, architecture: &str| {
        let mut child = serde_json::to_value(image.root.descriptor()).unwrap();
        child["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        child
    };
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(),
        "manifests": [child(&absent, "s390x"), child(&here, "arm64")],
    });
    let index = Manifest::new(index.to_string()).unwrap();
    let engine = StoreEngine::start();
    let to = daemon(&engine.host());
    let destination = Stack::open(&to, NAME, &WriteOptions::default()).await;
    here.put_missing(&*destination).await.unwrap();
    destination.put_manifest(&here.root).await.unwrap();
    let gaps = [absent.root.descriptor().clone()];
    destination.commit(Commit::new(&index).without(&gaps)).await.unwrap();
    let save = engine.state.lock().unwrap().save(&[NAME.to_owned()]);
    let list = files(&save).into_iter().find(|(path, _)| path == "manifest.json").unwrap().1;
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(list[0]["Layers"].as_array().unwrap().len(), 1, "{list}");
    for save in [lists_first(&save), save] {
        let inspect = Some(format!(r#"{{"Id":"{}"}}"#, index.descriptor().digest));
        let fake = Fake::start(Says { save, inspect, ..Says::default() });
        let from = daemon(&fake.host());
        let source =
            from.source(&from.parse(NAME).unwrap(), &ReadOptions::default()).await.unwrap();
        assert_eq!(source.root().await.unwrap().bytes(), index.bytes());
        let found = source.manifest(here.root.descriptor()).await.unwrap();
        assert_eq!(found.bytes(), here.root.bytes());
        let missing = source.manifest(absent.root.descriptor()).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    }
}
