//! Layouts and archives that real tools wrote, held to what Python's tarfile says of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::path::Path;

use common::*;
use serde_json::Value;
use transship_core::{
    ArchiveReader, Document, ErrorKind, ImageSource, ReadOptions, Reference, Transport,
};
use transship_oci_layout::{OciArchive, OciLayout};

#[tokio::test]
async fn all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut views = 0;
    for file in fs::read_dir(goldens()).unwrap() {
        let file = file.unwrap().path();
        let Some(base) = file.to_str().unwrap().strip_suffix(".expect.json") else { continue };
        let expected: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let archive = format!("{base}.tar");
        if expected["unpack"] == true {
            tar::Archive::new(File::open(&archive).unwrap()).unpack(dir.path()).unwrap();
        }
        for view in expected["views"].as_array().unwrap() {
            let (scheme, place) = view["reference"].as_str().unwrap().split_once(':').unwrap();
            let transport: Box<dyn Transport> = match scheme {
                "oci" => Box::new(OciLayout::new()),
                "oci-archive" => Box::new(OciArchive::new()),
                _ => continue,
            };
            let folder = if scheme == "oci" { dir.path().to_owned() } else { goldens() };
            check(&*transport, &folder.join(place), &view["images"]).await;
            views += 1;
        }
    }
    assert!(views >= 8, "{views}");
}

async fn check(transport: &dyn Transport, path: &Path, images: &Value) {
    let how = ReadOptions::default();
    let images = images.as_array().unwrap();
    let place = at(transport, path, "");
    let reader = transport.archives().unwrap().read(&place, &how).await.unwrap();
    assert_eq!(reader.entries().len(), images.len(), "{place}");
    for (entry, expected) in reader.entries().iter().zip(images) {
        let names: Vec<&str> = entry.names.iter().map(transship_core::ImageName::as_str).collect();
        assert_eq!(serde_json::json!(names), expected["names"], "{place}");
        assert_eq!(serde_json::json!(entry.raw_names), expected["raw_names"], "{place}");
        assert!(entry.warnings.is_empty(), "{:?}", entry.warnings);
        check_details(&*reader, entry, expected).await;
        let mut references: Vec<Reference> =
            names.iter().map(|name| at(transport, path, &format!(":{name}"))).collect();
        references.push(entry.reference.clone());
        references.push(at(transport, path, &format!(":@{}", entry.index)));
        for reference in references {
            assert_eq!(transport.parse(reference.locator()).unwrap(), reference);
            let source = transport.source(&reference, &how).await.unwrap();
            assert_eq!(source.names(), entry.names);
            check_image(&*source, None, expected).await;
        }
        check_image(&*reader.open(entry).await.unwrap(), None, expected).await;
    }
    if let [only] = &images[..] {
        check_image(&*transport.source(&place, &how).await.unwrap(), None, only).await;
    } else {
        let error = transport.source(&place, &how).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{error}");
        let name = images[0]["names"][0].as_str().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
}

async fn check_details(
    reader: &dyn ArchiveReader,
    entry: &transship_core::ArchiveEntry,
    expected: &Value,
) {
    let details = reader.details(entry).await.unwrap();
    assert_eq!(details.root.unwrap().digest.as_ref(), expected["manifest"].as_str().unwrap());
    assert_eq!(details.image_id.as_ref().map(AsRef::as_ref), expected["id"].as_str());
    let below = match &expected["platforms"] {
        Value::Array(below) => below.iter().collect(),
        _ => vec![expected],
    };
    let expected: Vec<_> = below.iter().map(|image| image["platform"].as_str().unwrap()).collect();
    let found: Vec<_> = details.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

async fn check_image(
    source: &dyn ImageSource,
    of: Option<&transship_core::Descriptor>,
    expected: &Value,
) {
    let manifest = match of {
        None => source.root().await,
        Some(of) => source.manifest(of).await,
    };
    if expected["absent"] == true {
        assert_eq!(manifest.unwrap_err().kind(), ErrorKind::NotFound);
        return;
    }
    let manifest = manifest.unwrap();
    assert_eq!(manifest.descriptor().digest.as_ref(), expected["manifest"].as_str().unwrap());
    match manifest.document() {
        Document::Image(image) => {
            assert_eq!(image.config.digest.as_ref(), expected["id"].as_str().unwrap());
            let layers: Vec<&str> =
                image.layers.iter().map(|layer| layer.digest.as_ref()).collect();
            assert_eq!(serde_json::json!(layers), expected["layers"]);
            for blob in image.layers.iter().chain([&image.config]) {
                let bytes = source.blob(blob).await.unwrap().bytes(1 << 20).await.unwrap();
                assert_eq!(bytes.len() as u64, blob.size);
            }
        }
        Document::Index(index) => {
            let platforms = expected["platforms"].as_array().unwrap();
            assert_eq!(index.manifests.len(), platforms.len());
            for (child, expected) in index.manifests.iter().zip(platforms) {
                Box::pin(check_image(source, Some(child), expected)).await;
            }
        }
        other => panic!("{other:?}"),
    }
}
