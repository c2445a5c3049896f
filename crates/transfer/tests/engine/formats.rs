//! The formats of manifests.

use serde_json::{Value, json};
use transship_core::*;
use transship_transfer::*;

use crate::images::*;
use crate::memory::Memory;
use crate::{copy, options};

fn root(at: &Memory) -> Manifest {
    at.state().images.last().unwrap().root.clone()
}

fn value(manifest: &Manifest) -> Value {
    serde_json::from_slice(manifest.bytes()).unwrap()
}

fn to(format: Format) -> TransferOptions {
    options(|o| o.format = Some(format))
}

fn only_types(types: &'static [&'static str]) -> Memory {
    Memory::new("to").accepting(|a| {
        a.manifests = AcceptsManifests::Only(types.iter().copied().map(MediaType::from).collect());
    })
}

const DOCKER_ONLY: [&str; 2] = [media_types::DOCKER_MANIFEST, media_types::DOCKER_LIST];

#[tokio::test]
async fn docker_becomes_oci_and_nothing_is_lost() {
    let from = Memory::new("from");
    let before = Image::of(LayerForm::Gzip).docker().put(&from);
    from.show(&[], &before);
    let at = Memory::new("to");
    let report = copy(&from, &at, to(Format::Oci)).await.unwrap();
    let mut expected = value(&before);
    expected["mediaType"] = json!(OCI_MANIFEST);
    expected["config"]["mediaType"] = json!(OCI_CONFIG);
    for layer in expected["layers"].as_array_mut().unwrap() {
        layer["mediaType"] = json!(OCI_GZIP);
    }
    assert_eq!(root(&at).bytes(), &serde_json::to_vec(&expected).unwrap());
    assert_eq!(report.images[0].media_type, MediaType::ImageManifest);
    assert!(report.images[0].lost.is_empty());
    assert_eq!(report.bytes_read, report.bytes_written, "blobs move as they are");
}

#[tokio::test]
async fn oci_becomes_docker_and_the_report_says_what_is_lost() {
    let from = Memory::new("from");
    let layer = Layer::new(&content(1), LayerForm::Gzip).annotated(json!({"l": "1"}));
    let before = Image::with(vec![layer, Layer::new(&content(2), LayerForm::Plain)])
        .annotated(json!({"b": "1", "a": "2"}));
    from.show(&[], &before.put(&from));
    let at = Memory::new("to");
    let report = copy(&from, &at, to(Format::Docker)).await.unwrap();
    let made = value(&root(&at));
    let keys: Vec<_> = made.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schemaVersion", "mediaType", "config", "layers"]);
    assert_eq!(made["mediaType"], media_types::DOCKER_MANIFEST);
    assert_eq!(made["config"]["mediaType"], media_types::DOCKER_CONFIG);
    assert_eq!(made["layers"][0]["mediaType"], media_types::DOCKER_LAYER_GZIP);
    assert_eq!(made["layers"][1]["mediaType"], media_types::DOCKER_LAYER);
    assert!(made["layers"][0].get("annotations").is_none());
    let lost = &report.images[0].lost;
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].ends_with(": a, b") && lost[1].ends_with(": l"), "{lost:?}");
}

#[tokio::test]
async fn there_and_back_is_the_same_image() {
    let from = Memory::new("from");
    from.show(&[], &Image::of(LayerForm::Gzip).docker().put(&from));
    let (oci, docker) = (Memory::new("oci"), Memory::new("docker"));
    copy(&from, &oci, to(Format::Oci)).await.unwrap();
    copy(&oci, &docker, to(Format::Docker)).await.unwrap();
    assert_eq!(root(&docker).document(), root(&from).document());
}

#[tokio::test]
async fn the_destination_decides_where_the_caller_does_not() {
    let from = Memory::new("from");
    from.show(&[], &Image::of(LayerForm::Gzip).put(&from));
    let at = only_types(&DOCKER_ONLY);
    let report = copy(&from, &at, TransferOptions::default()).await.unwrap();
    assert_eq!(report.images[0].media_type.as_ref(), media_types::DOCKER_MANIFEST);

    let error = copy(&from, &only_types(&DOCKER_ONLY), to(Format::Oci)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn docker_gets_zstd_only_on_request() {
    let zstd = || {
        let from = Memory::new("from");
        from.show(&[], &Image::of(LayerForm::Zstd).put(&from));
        from
    };
    for (compress, gets) in [
        (Compress::Auto, media_types::DOCKER_LAYER_GZIP),
        (Compress::Zstd(None), media_types::DOCKER_LAYER_ZSTD),
        (Compress::Keep, media_types::DOCKER_LAYER_ZSTD),
        (Compress::Plain, media_types::DOCKER_LAYER),
    ] {
        let at = Memory::new("to");
        let options = options(|o| {
            o.format = Some(Format::Docker);
            o.compress = compress;
        });
        let report = copy(&zstd(), &at, options).await.unwrap();
        assert_eq!(value(&root(&at))["layers"][1]["mediaType"], gets, "{compress:?}");
        let few = report.images[0].warnings.iter().any(|text| text.contains("zstd layers"));
        assert_eq!(few, gets == media_types::DOCKER_LAYER_ZSTD, "{compress:?}");
    }
    // One that docker's format has already stays.
    let from = Memory::new("from");
    let before = Image::of(LayerForm::Zstd).docker().put(&from);
    from.show(&[], &before);
    let at = Memory::new("to");
    let report = copy(&from, &at, TransferOptions::default()).await.unwrap();
    assert_eq!(root(&at), before);
    assert_eq!(report.images[0].warnings, [""; 0]);
}

#[tokio::test]
async fn foreign_layers_keep_their_place_and_urls() {
    let from = Memory::new("from");
    let layer = Layer::new(&content(1), LayerForm::Gzip)
        .typed("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    let before = Image::with(vec![Layer { there: false, ..layer }]).put(&from);
    let mut document = value(&before);
    document["layers"][0]["urls"] = json!(["https://example.com/layer"]);
    let before = from.add_manifest(document.to_string());
    from.show(&[], &before);
    let at = Memory::new("to");
    let report = copy(&from, &at, to(Format::Docker)).await.unwrap();
    assert_eq!(report.images[0].not_distributed[0].urls, ["https://example.com/layer"]);
    let made = value(&root(&at));
    assert_eq!(made["layers"][0]["mediaType"], media_types::DOCKER_FOREIGN_LAYER_GZIP);
    assert_eq!(made["layers"][0]["urls"], document["layers"][0]["urls"]);
}

#[tokio::test]
async fn an_artifact_is_copied_or_refused_never_converted() {
    let from = Memory::new("from");
    let artifact = artifact(&from);
    from.show(&["a"], &artifact);
    let at = Memory::new("to");
    let options = options(|o| {
        o.format = Some(Format::Docker);
        o.compress = Compress::Zstd(None);
    });
    copy(&from, &at, options).await.unwrap();
    assert_eq!(root(&at).bytes(), artifact.bytes());

    let at = Memory::new("to").accepting(|a| a.artifacts = Artifacts::Refused);
    let error = copy(&from, &at, TransferOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("artifact"), "{error}");
}

#[tokio::test]
async fn an_index_is_converted_with_its_images() {
    let from = Memory::new("from");
    let amd = Image::of(LayerForm::Gzip).put(&from);
    let arm =
        Image::with(vec![Layer::new(&content(3), LayerForm::Gzip)]).on("linux", "arm64").put(&from);
    let list = [child(&amd, "linux/amd64"), child(&arm, "linux/arm64"), attestation(&from, &amd)];
    from.show(&[], &index(&from, OCI_INDEX, &list));
    let at = Memory::new("to");
    let report = copy(&from, &at, to(Format::Docker)).await.unwrap();
    let made = value(&root(&at));
    assert_eq!(made["mediaType"], media_types::DOCKER_LIST);
    let children = made["manifests"].as_array().unwrap();
    assert_eq!(children.len(), 2, "docker's lists have no attestations");
    assert_eq!(children[1]["platform"]["architecture"], "arm64");
    assert_eq!(children[1]["mediaType"], media_types::DOCKER_MANIFEST);
    assert!(report.images[0].lost.iter().any(|lost| lost.starts_with("attestation sha256:")));

    // And back.
    let back = Memory::new("back");
    copy(&at, &back, to(Format::Oci)).await.unwrap();
    let made = value(&root(&back));
    assert_eq!(made["mediaType"], OCI_INDEX);
    assert_eq!(made["manifests"][0]["mediaType"], OCI_MANIFEST);
    assert_eq!(made["manifests"][1]["platform"]["architecture"], "arm64");
}

#[tokio::test]
async fn attestations_follow_their_image() {
    let from = Memory::new("from");
    let amd = Image::of(LayerForm::Gzip).put(&from);
    let note = attestation(&from, &amd);
    from.show(&[], &index(&from, OCI_INDEX, &[child(&amd, "linux/amd64"), note.clone()]));
    let at = Memory::new("to");
    let report = copy(&from, &at, options(|o| o.compress = Compress::Zstd(None))).await.unwrap();
    let made = value(&root(&at));
    let [image, followed] = made["manifests"].as_array().unwrap().as_slice() else { panic!() };
    assert_ne!(image["digest"], json!(amd.descriptor().digest));
    assert_eq!(followed["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    assert_eq!(followed["digest"], note["digest"], "the attestation itself stays");
    assert!(report.images[0].lost.is_empty());
    assert_eq!(report.images[0].platforms.copied.len(), 1);
}

#[tokio::test]
async fn a_conversion_is_the_same_each_time() {
    let from = Memory::new("from");
    let before = Image::of(LayerForm::Plain).annotated(json!({"z": "1", "a": "2", "m": "3"}));
    from.show(&[], &before.put(&from));
    let mut made = Vec::new();
    for jobs in 1..=8 {
        let at = Memory::new("to");
        let options = options(|o| {
            o.format = Some(Format::Docker);
            o.compress = Compress::Gzip(None);
            o.jobs = std::num::NonZeroUsize::new(jobs);
        });
        copy(&from, &at, options).await.unwrap();
        made.push(root(&at));
    }
    made.dedup();
    assert_eq!(made.len(), 1);
}
