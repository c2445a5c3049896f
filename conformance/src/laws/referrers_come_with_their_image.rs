//! A manifest that is about an image is found by the image it is about, whole, and is no image of its own.

use std::collections::HashSet;

use transship_core::{
    CollectMode, Commit, Descriptor, EMPTY_JSON_DIGEST, Expect, ImageDestination, ImageSource, Manifest, MediaType,
    WriteMode, parse_digest,
};

use super::collecting_takes_garbage_alone::collect;
use super::image_or_index;
use crate::broken::{While, hold};
use crate::lab::{Lab, put_all};
use crate::model::Built;
use crate::runner::Kit;
use crate::strategies::plain_images;
use crate::{Ability, Broken, Held, Law, Listed};

pub(crate) const LAW: Law = Law {
    name: "referrers_come_with_their_image",
    sentence: "A manifest that is about an image is found by the image it is about, whole, and is no image of its own.",
    promises: &[
        "Gives it no name.",
        "Every image stays whole, and so does what is about it.",
        "Each has the media type, digest, size and artifact type of its manifest",
        "In the order in which they were put, where the place keeps images in theirs",
    ],
    needs: &[Ability::Referrers],
    cost: 2,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each((plain_images(kit.facts()), 1_usize..4), |lab, (image, count)| {
        let built = image_or_index(lab, image)?;
        let about = all_about(&built, *count)?;
        lab.step(write(lab, &built, &about))?;
        let images = lab.snapshot()?.images().len();
        hold!(images == 1, "{images} images are listed, of one with {} manifests about it", about.len());
        Ok(())
    })
}

/// What is about the root, about a manifest below it, and about what is about the root.
fn all_about(built: &Built, count: usize) -> Held<Vec<Manifest>> {
    let of = |subject: &Manifest, at: usize| referrer(subject, at);
    let mut about = (0..count).map(|at| of(&built.root, at)).collect::<Held<Vec<_>>>()?;
    about.push(of(&about[0], 10)?);
    if let Some(child) = built.below.first() {
        about.push(of(child, 20)?);
        about.push(of(child, 21)?);
    }
    about.push(of(&built.root, 30)?);
    Ok(about)
}

pub(super) fn referrer(of: &Manifest, at: usize) -> Held<Manifest> {
    let root = of.descriptor();
    let subject = Descriptor::new(root.media_type.clone(), root.digest.clone(), root.size);
    let config = Descriptor::new(MediaType::EmptyJSON, parse_digest(EMPTY_JSON_DIGEST)?, 2);
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example.signature", "config": config, "layers": [],
        "subject": subject, "annotations": { "org.example.number": at.to_string() },
    });
    Ok(Manifest::new(text.to_string())?)
}

/// Puts an image with what is about it, in that order.
pub(super) async fn put_with(
    destination: &dyn ImageDestination,
    built: &Built,
    about: &[Manifest],
) -> Held {
    put_all(destination, built).await?;
    let empty = Expect::digest(parse_digest(EMPTY_JSON_DIGEST)?).with_size(2);
    let body = transship_core::Body::from_bytes("{}");
    destination.put_blob(empty.with_media_type(MediaType::EmptyJSON), body).await?;
    for manifest in about {
        destination.put_manifest(manifest).await.during(|| "putting a manifest about it")?;
    }
    Ok(())
}

async fn write(lab: &Lab, built: &Built, about: &[Manifest]) -> Held {
    let destination = lab.destination(WriteMode::Create, &lab.facts().some_name()).await?;
    put_with(&*destination, built, about).await?;
    let done = destination.commit(Commit::new(&built.root)).await.during(|| "committing")?;
    if lab.has(Ability::Collection) {
        // What is about an image is no garbage.
        collect(lab, CollectMode::Delete).await?;
    }
    let source = lab.source(&done.references[0]).await?;
    are_there(lab, &*source, about).await?;
    let Some(referrers) = source.referrers() else { return Ok(()) };
    let others = referrers.referrers(&transship_core::sha256(b"other")).await?;
    hold!(others.is_empty(), "{} manifests are about what is not there", others.len());
    Ok(())
}

/// Whether each subject has those that are about it, as they are, in their order.
pub(super) async fn are_there(lab: &Lab, source: &dyn ImageSource, about: &[Manifest]) -> Held {
    let Some(referrers) = source.referrers() else {
        return Err(Broken::new("the source cannot say what is about it"));
    };
    let subject = |manifest: &Manifest| manifest.document().subject().map(|of| of.digest.clone());
    let subjects: HashSet<_> = about.iter().filter_map(subject).collect();
    for of in subjects {
        let found = referrers.referrers(&of).await.during(|| format!("what is about {of}"))?;
        let again = referrers.referrers(&of).await.during(|| format!("what is about {of}"))?;
        hold!(found == again, "what is about {of} comes in another order the second time");
        let mut want: Vec<_> = about.iter().filter(|m| subject(m).as_ref() == Some(&of)).collect();
        if !(lab.has(Ability::ManyImages) && lab.claims().listed == Listed::Images) {
            // In an order of its own.
            want.sort_by_key(|m| found.iter().position(|found| found.digest == m.descriptor().digest));
        }
        let digests = |all: &mut dyn Iterator<Item = &Descriptor>| {
            all.map(|one| one.digest.to_string()).collect::<Vec<_>>().join(", ")
        };
        let put = digests(&mut want.iter().map(|manifest| manifest.descriptor()));
        let have = digests(&mut found.iter());
        hold!(have == put, "about {of} these were put, in this order: {put}; found are: {have}");
        for (found, put) in found.iter().zip(want) {
            is_listed(found, put)?;
            let read = source.manifest(found).await.during(|| "reading what is about it")?;
            hold!(read.bytes() == put.bytes(), "what is about it reads as other bytes");
        }
    }
    Ok(())
}

fn is_listed(found: &Descriptor, put: &Manifest) -> Held {
    let want = put.as_referrer();
    hold!(
        (&found.media_type, found.size) == (&want.media_type, want.size),
        "what is about it is listed with type {} and {} B, and has {} and {}",
        found.media_type,
        found.size,
        want.media_type,
        want.size
    );
    hold!(
        found.artifact_type == want.artifact_type,
        "what is about it is listed with the artifact type {}, and has {}",
        found.artifact_type.as_deref().unwrap_or("none"),
        want.artifact_type.as_deref().unwrap_or("none")
    );
    Ok(())
}
