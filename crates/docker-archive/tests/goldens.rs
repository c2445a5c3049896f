//! Archives that real tools wrote, held to what is written beside them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{pull, reader, source};

/// The archive, what it holds as docker-archive, and all views of it.
fn golden(name: &str) -> (PathBuf, Value, Vec<Value>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/goldens");
    let expected = std::fs::read(folder.join(format!("{name}.expect.json"))).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let views = expected["views"].as_array().unwrap();
    let ours = |view: &&Value| view["reference"].as_str().unwrap().starts_with("docker-archive:");
    let view = views.iter().find(ours).unwrap().clone();
    (folder.join(format!("{name}.tar")), view, views.clone())
}

/// The manifest of an image that an OCI layout in the same tar has.
fn stored_manifest<'a>(views: &'a [Value], id: &str) -> Option<&'a str> {
    let mut images = views.iter().flat_map(|view| view["images"].as_array().unwrap());
    images.find_map(|image| image["manifest"].as_str().filter(|_| image["id"] == id))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

async fn check(name: &str) {
    let (path, view, views) = golden(name);
    let reader = reader(&path).await.unwrap();
    let images = view["images"].as_array().unwrap();
    assert_eq!(reader.entries().len(), images.len());
    for (entry, image) in reader.entries().iter().zip(images) {
        let names: Vec<String> = entry.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, texts(&image["names"]));
        assert_eq!(entry.raw_names, texts(&image["raw_names"]));
        assert_eq!(entry.warnings, [""; 0]);

        let details = reader.details(entry).await.unwrap();
        let id = image["id"].as_str().unwrap();
        assert_eq!(details.image_id.unwrap().to_string(), id);
        assert_eq!(details.platforms[0].to_string(), image["platform"].as_str().unwrap());
        let root = details.root.map(|root| root.digest.to_string());
        assert_eq!(root.as_deref(), stored_manifest(&views, id));

        let pulled = pull(&*reader.open(entry).await.unwrap()).await.unwrap();
        let layers: Vec<_> = pulled.document.layers.iter().map(|l| l.digest.to_string()).collect();
        assert_eq!(layers, texts(&image["layers"]));
        for selector in [format!(":@{}", entry.index), format!("@{id}")] {
            let again = pull(&*source(&path, &selector).await.unwrap()).await.unwrap();
            assert_eq!(again, pulled, "{selector}");
        }
        for name in names {
            let again = pull(&*source(&path, &format!(":{name}")).await.unwrap()).await.unwrap();
            assert_eq!(again, pulled, "{name}");
        }
    }
}

macro_rules! goldens {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            check($name).await;
        })*
    };
}

goldens! {
    docker_save: "docker-save",
    podman_multi: "podman-multi",
    skopeo: "skopeo-docker-archive",
    buildah: "buildah-docker-archive",
    ctr_export: "ctr-export",
}
