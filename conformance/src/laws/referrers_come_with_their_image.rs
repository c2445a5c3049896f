//! A manifest that is about an image is found by the image it is about, whole, and is no image of its own.

use transship_core::{
    CollectMode, Commit, Descriptor, EMPTY_JSON_DIGEST, Expect, Manifest, MediaType, WriteMode, parse_digest,
};

use super::collecting_takes_garbage_alone::collect;
use super::some_name;
use crate::broken::{While, hold};
use crate::lab::{Lab, put_all};
use crate::model::Built;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Broken, Collection, Held, Law, Referrers};

pub(crate) const LAW: Law = Law {
    name: "referrers_come_with_their_image",
    sentence: "A manifest that is about an image is found by the image it is about, whole, and is no image of its own.",
    promises: &["Gives it no name.", "Every image stays whole, and so does what is about it."],
    not_claimed: |claims| {
        (claims.referrers == Referrers::Refused).then_some("manifests about images are not kept")
    },
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.claims()), 1_usize..4), |lab, (image, count)| {
        let built = image.build()?;
        let about = (0..*count).map(|at| referrer(&built, at)).collect::<Held<Vec<_>>>()?;
        lab.step(write(lab, &built, &about))?;
        let images = lab.snapshot()?.images().len();
        hold!(images == 1, "{images} images are listed, of one with {count} manifests about it");
        Ok(())
    })
}

fn referrer(of: &Built, at: usize) -> Held<Manifest> {
    let root = of.root.descriptor();
    let subject = Descriptor::new(root.media_type.clone(), root.digest.clone(), root.size);
    let config = Descriptor::new(MediaType::EmptyJSON, parse_digest(EMPTY_JSON_DIGEST)?, 2);
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example.signature", "config": config, "layers": [],
        "subject": subject, "annotations": { "org.example.number": at.to_string() },
    });
    Ok(Manifest::new(text.to_string())?)
}

async fn write(lab: &Lab, built: &Built, about: &[Manifest]) -> Held {
    let destination = lab.destination(WriteMode::Create, &some_name(lab.claims())).await?;
    put_all(&*destination, built).await?;
    let empty = Expect::digest(parse_digest(EMPTY_JSON_DIGEST)?).with_size(2);
    let body = transship_core::Body::from_bytes("{}");
    destination.put_blob(empty.with_media_type(MediaType::EmptyJSON), body).await?;
    for manifest in about {
        destination.put_manifest(manifest).await.during(|| "putting a manifest about it")?;
    }
    let done = destination.commit(Commit::new(&built.root)).await.during(|| "committing")?;
    if lab.claims().collection == Collection::Collects && lab.holds_many() {
        // What is about an image is no garbage.
        collect(lab, CollectMode::Delete).await?;
    }
    let source = lab.source(&done.references[0]).await?;
    let Some(referrers) = source.referrers() else {
        return Err(Broken::new("the source cannot say what is about it"));
    };
    let found = referrers.referrers(&built.root.descriptor().digest).await?;
    hold!(found.len() == about.len(), "{} of {} are found", found.len(), about.len());
    for manifest in about {
        let of = found.iter().find(|found| found.digest == manifest.descriptor().digest);
        let of = of.ok_or_else(|| Broken::new("one that was put is not found"))?;
        let read = source.manifest(of).await.during(|| "reading what is about it")?;
        hold!(read.bytes() == manifest.bytes(), "what is about it reads as other bytes");
    }
    let others = referrers.referrers(&transship_core::sha256(b"other")).await?;
    hold!(others.is_empty(), "{} manifests are about what is not there", others.len());
    Ok(())
}
