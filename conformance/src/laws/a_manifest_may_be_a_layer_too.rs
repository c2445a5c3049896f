//! A manifest of an image that is also a layer of an artifact is both: the image is whole, and so is the artifact.

use bytes::Bytes;
use transship_core::{
    CollectMode, Descriptor, EMPTY_JSON_DIGEST, Expect, ImageName, Manifest, MediaType, WriteMode, parse_digest,
};

use super::collecting_takes_garbage_alone::collect;
use crate::broken::While;
use crate::lab::{Lab, Way, commit, put, put_all};
use crate::model::{Blob, Built, Image};
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Ability, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_manifest_may_be_a_layer_too",
    sentence: "A manifest of an image that is also a layer of an artifact is both: the image is whole, and so is the artifact.",
    promises: &["What it takes reads back as it was given"],
    needs: &[Ability::Indexes, Ability::Artifacts, Ability::AnyLayers],
    cost: 8,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each_with(&[(1, false), (2, true)], (0_u8..50, proptest::bool::ANY), |lab, (seed, first)| {
        let built = both(*seed, *first)?;
        lab.step(async {
            let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
            put_all(&*destination, &built).await?;
            let committed = commit(destination, &built).await?;
            if lab.has(Ability::Collection) {
                collect(lab, CollectMode::Delete).await?;
            }
            read(lab, &committed.references[0], &built).await
        })?;
        let other = lab.another()?;
        other.step(found(&other, *seed, &built))
    })
}

/// What is there as a manifest, and `has` says to be there as a blob, can be counted on as a layer.
async fn found(lab: &Lab, seed: u8, built: &Built) -> Held {
    if !lab.has(Ability::Append) || !lab.has(Ability::Names) {
        return Ok(());
    }
    let image = Image::simple(seed).build()?;
    lab.write(&image, WriteMode::Create, &lab.facts().some_name()).await?;
    let names = [ImageName::new("docker.io/library/artifact:1")?];
    let destination = lab.destination(WriteMode::Append, &names).await?;
    for blob in &built.blobs {
        let has = destination.has(&Expect::from(&blob.descriptor)).await;
        if has.during(|| "asking for a blob")?.is_none() {
            put(&*destination, blob, Way::Bytes).await?;
        }
    }
    for manifest in &built.below {
        destination.put_manifest(manifest).await.during(|| "putting a manifest")?;
    }
    let committed = commit(destination, built).await;
    let committed = committed.map_err(|e| e.while_doing("counting on what `has` found"))?;
    read(lab, &committed.references[0], built).await
}

async fn read(lab: &Lab, at: &transship_core::Reference, built: &Built) -> Held {
    let seen = Seen::read(&*lab.source(at).await?).await;
    let what = "an index of an image, and of an artifact of which a layer is that image's manifest";
    seen.and_then(|seen| seen.is(built, lab.facts())).map_err(|e| e.while_doing(what))
}

/// An index of an image and an artifact, in one order or the other.
fn both(seed: u8, artifact_first: bool) -> Held<Built> {
    let image = Image::simple(seed).build()?;
    let of = image.root.descriptor();
    let layer = Descriptor::new(of.media_type.clone(), of.digest.clone(), of.size);
    let empty = Descriptor::new(MediaType::EmptyJson, parse_digest(EMPTY_JSON_DIGEST)?, 2);
    let artifact = Manifest::new(
        serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaType::ImageManifest.to_string(),
            "artifactType": "application/vnd.example.kit", "config": empty, "layers": [layer],
        })
        .to_string(),
    )?;
    let mut listed = vec![of.clone(), artifact.descriptor().clone()];
    if artifact_first {
        listed.reverse();
    }
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageIndex.to_string(), "manifests": listed,
    });
    let mut built = Built::new(Manifest::new(index.to_string())?);
    built.add(Blob { descriptor: layer, bytes: image.root.bytes().clone() });
    built.add(Blob { descriptor: empty, bytes: Bytes::from_static(b"{}") });
    built.take_in(image);
    built.below.push(artifact);
    Ok(built)
}
